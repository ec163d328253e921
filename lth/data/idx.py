"""The idx format of MNIST and its successors, plain or gzipped (http://yann.lecun.com/exdb/mnist/)."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import torch
from torch import Tensor

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
    except (OSError, EOFError) as error:
        raise ValueError(f"{path} can't be read ({error}); fetch it again") from error
    if len(content) < 4 or content[:3] != bytes([0, 0, _UNSIGNED_BYTE]):
        raise ValueError(f"{path} is not an idx file of unsigned bytes; fetch it again")
    num_dimensions = content[3]
    header = 4 + 4 * num_dimensions
    shape = struct.unpack(f">{num_dimensions}I", content[4:header])
    values = torch.frombuffer(bytearray(content[header:]), dtype=torch.uint8)
    if values.numel() != torch.Size(shape).numel():
        raise ValueError(f"{path} holds {values.numel()} bytes where its header says {shape}; fetch it again")
    return values.reshape(shape)
