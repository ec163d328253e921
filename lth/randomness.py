"""Independent random streams, each a function of a seed and the purpose it serves, never of history.

The global generators of the caller are neither read nor changed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def stream_seed(seed: int, *purpose: str | int) -> int:
    """Return a 63-bit seed that depends on `seed` and every word of `purpose`, alike on every machine."""
    text = "/".join([str(seed), *map(str, purpose)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(seed: int, *purpose: str | int) -> torch.Generator:
    """Return a CPU generator of the stream that `seed` and `purpose` name.

    It lives on the CPU whatever the device, so that the same draws are made on every device.
    """
    return torch.Generator().manual_seed(stream_seed(seed, *purpose))


@contextmanager
def global_stream(seed: int, *purpose: str | int) -> Iterator[None]:
    """Seed torch's global CPU generator for code that can use no other, and restore it afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(stream_seed(seed, *purpose))
        yield


@contextmanager
def restored(device: torch.device) -> Iterator[None]:
    """Restore torch's global generators of the CPU and of `device` afterwards."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        yield


def seed_global(device: torch.device, seed: int, *purpose: str | int) -> None:
    """Seed the global generators of the CPU and of `device`, for layers that draw (dropout); see `restored`."""
    stream = stream_seed(seed, *purpose)
    torch.default_generator.manual_seed(stream)
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(stream)
