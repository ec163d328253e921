"""Characters of the text that every Python ships, `pydoc_data.topics`: what `help()` says of the language."""

from __future__ import annotations

import platform
from pathlib import Path

import torch

from lth.data.tensors import TensorData
from lth.errors import InputError

_LENGTH = 64  # characters of a piece
_TEST_SHARE = 0.1  # of the pieces, from the end of the text: of topics that are not trained on


def load_topics(data_dir: Path | None) -> TensorData:
    """Return the text in pieces of 64 characters, each with the piece one character on as its targets.

    Topics are in the order of their names. Another version of Python says other things, so that its pieces are
    other data, under another digest.

    Raises:
        ValueError: If a directory is named, or this Python comes without its documentation.
    """
    if data_dir is not None:
        raise InputError(
            f"dataset=topics is embedded and reads no data_dir, got {str(data_dir)!r}; leave it out"
        )
    try:
        from pydoc_data.topics import topics
    except ImportError as error:
        raise InputError(
            "dataset=topics is the text of pydoc_data.topics, which this Python comes without; install one "
            "that is whole"
        ) from error
    text = "".join(topics[name] for name in sorted(topics))
    characters = tuple(sorted(set(text)))
    number = {character: index for index, character in enumerate(characters)}
    count = (len(text) - 1) // _LENGTH
    numbers = torch.tensor([number[character] for character in text[: count * _LENGTH + 1]])
    inputs, targets = (part.reshape(count, _LENGTH) for part in (numbers[:-1], numbers[1:]))
    cut = count - round(count * _TEST_SHARE)
    return TensorData(
        "topics",
        inputs[:cut],
        targets[:cut],
        inputs[cut:],
        targets[cut:],
        source=f"pydoc_data.topics of Python {platform.python_version()}",
        classes=len(characters),
    )
