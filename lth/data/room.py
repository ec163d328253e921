"""Where there is room for a data set: how much of memory and of a GPU it may take, and the folder for more."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path

import torch

from lth.errors import InputError
from lth.memory import available_memory

IMAGE_MEMORY = "LTH_IMAGE_MEMORY"  # GiB that decoded images may take
CACHE = "LTH_CACHE"  # the folder that files of decoded images are kept in
BESIDE = ".lth-cache"  # the folder for them beside the images, where none is named
GIB = 2**30
_SHARE = 1 / 2  # of what is available: a training and its evaluations take some, too
_OF_GPU = 0.8  # of what is free there: a network and its activations take the rest


def memory_for_images(environment: Mapping[str, str] = os.environ) -> float:
    """Return how many bytes decoded images may take: as the environment says, else half of what is available.

    Raises:
        InputError: If the environment says no number of GiB.

    Example:
        >>> memory_for_images({"LTH_IMAGE_MEMORY": "1.5"}) / GIB
        1.5
    """
    written = environment.get(IMAGE_MEMORY, "")
    if not written:
        return _SHARE * available_memory()
    try:
        wanted = float(written)
    except ValueError:
        wanted = math.nan
    if not wanted >= 0:
        raise InputError(
            f"{IMAGE_MEMORY}={written!r} is no size; write a number of GiB, 0 for a file on disk at any size"
        )
    return wanted * GIB


def cache_folders(root: Path, environment: Mapping[str, str] = os.environ) -> tuple[Path, ...]:
    """Return where files of decoded images may be kept, the first that can be written.

    It is the one that is named, else the one beside the images under `root`, else that of the user.

    Example:
        >>> [str(folder) for folder in cache_folders(Path("cats"), {"LTH_CACHE": "scratch"})]
        ['scratch']
        >>> [str(folder) for folder in cache_folders(Path("cats"), {"XDG_CACHE_HOME": "there"})]
        ['cats/.lth-cache', 'there/lth']
    """
    if named := environment.get(CACHE):
        return (Path(named),)
    home = environment.get("XDG_CACHE_HOME")
    return root / BESIDE, (Path(home) if home else Path.home() / ".cache") / "lth"


def has_room(device: torch.device, size: int) -> bool:
    """Return whether so many bytes of examples may be put on a device; a CPU takes what it has already."""
    return device.type != "cuda" or size <= _OF_GPU * free_on(device)


def free_on(device: torch.device) -> int:
    """Return how many bytes of a GPU this process may still take, at least 0.

    Where processes share a GPU, each may be held to a part of it; old versions of torch don't say to which.
    """
    free, total = torch.cuda.mem_get_info(device)
    part = getattr(torch.cuda, "get_per_process_memory_fraction", lambda _device: 1.0)(device)
    return max(0, min(free, int(part * total) - torch.cuda.memory_allocated(device)))
