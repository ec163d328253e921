"""The idx format of MNIST and its successors, plain or gzipped (http://yann.lecun.com/exdb/mnist/)."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lth.errors import InputError

_NAMES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
_UNSIGNED_BYTE = 0x08


def find_idx_files(directory: Path) -> list[Path] | None:
    """Return training images, training labels, test images, test labels; None unless all are there."""
    found = []
    for name in _NAMES:
        candidates = [path for path in (directory / name, directory / f"{name}.gz") if path.is_file()]
        if not candidates:
            return None
        found.append(candidates[0])
    return found


def read_idx(path: Path) -> Tensor:
    """Return the array of unsigned bytes in an idx file, uint8, in the shape its header gives.

    Raises:
        ValueError: If the header is not that of unsigned bytes, or the length does not match it.
    """
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path} can't be read ({error}); fetch it again") from error
    if len(content) < 4 or content[:3] != bytes([0, 0, _UNSIGNED_BYTE]):
        raise InputError(f"{path} is not an idx file of unsigned bytes; fetch it again")
    header = 4 + 4 * content[3]  # the fourth byte is the number of dimensions
    if len(content) < header:
        raise InputError(f"{path} ends within its header; fetch it again")
    shape = struct.unpack(f">{content[3]}I", content[4:header])
    values = np.frombuffer(content, dtype=np.uint8, offset=header)
    if values.size != math.prod(shape):
        raise InputError(f"{path} holds {values.size} bytes where its header says {shape}; fetch it again")
    return torch.from_numpy(values.reshape(shape).copy())
