"""What a task keeps to go on from: safetensors files whose names say if they are whole.

A name holds the digest of the content, so a file that was written in part is told by it. The header is JSON in
the file's metadata.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load as tensors_from_bytes
from safetensors.torch import save as tensors_to_bytes
from torch import Tensor

from lth.errors import InputError

_NAME = re.compile(r"([a-z]+)-(\d{9})-([0-9a-f]{64})\.safetensors", re.ASCII)
_HEADER_LENGTH_BYTES = 8
# What damaged or foreign content raises where it is taken apart.
MALFORMED = (LookupError, TypeError, AttributeError, ValueError, OverflowError, SafetensorError)


Format = tuple[str, int]  # name and version


class CheckpointError(InputError):
    """A checkpoint is missing, damaged, or not of this version."""


def seal(
    kind: str, step: int, format_: Format, header: Mapping[str, Any], tensors: Mapping[str, Tensor]
) -> tuple[str, bytes]:
    """Return the name `<kind>-<step>-<SHA-256>.safetensors` and the content of a file that holds all this."""
    described = {"format": format_[0], "version": format_[1], **header}
    whole = {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}
    content = tensors_to_bytes(whole, metadata={"lth": json.dumps(described, allow_nan=False)})
    return f"{kind}-{step:09d}-{hashlib.sha256(content).hexdigest()}.safetensors", content


def step_of(name: str, kind: str) -> int | None:
    """Return the step that a file of this name was kept at; None if it is no such file."""
    match = _NAME.fullmatch(name)
    return int(match[2]) if match and match[1] == kind else None


def unseal(name: str, content: bytes, kind: str, format_: Format) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return the header and the tensors in the file of this name; nothing in it is executed.

    Raises:
        CheckpointError: If it was not written whole, is damaged, or of another format or version.
    """
    match = _NAME.fullmatch(name)
    if match is None or match[1] != kind or hashlib.sha256(content).hexdigest() != match[3]:
        raise CheckpointError(f"{name} is not what was written (its SHA-256 differs)")
    try:
        length = int.from_bytes(content[:_HEADER_LENGTH_BYTES], "little")
        metadata = json.loads(content[_HEADER_LENGTH_BYTES : _HEADER_LENGTH_BYTES + length])["__metadata__"]
        header = json.loads(metadata["lth"])
        if (header["format"], header["version"]) != format_:
            raise CheckpointError(f"{name} is {header['format']} of version {header['version']}")
        return header, tensors_from_bytes(content)
    except CheckpointError:
        raise
    except MALFORMED as error:
        raise CheckpointError(f"{name} doesn't describe a task's progress ({error!r})") from error
