"""Where decoded images go: into memory up to a limit, and beyond it into a file."""

from __future__ import annotations

import math

import numpy as np

from lth.data.cache import ImageCache, Read
from lth.data.room import CACHE, GIB
from lth.errors import InputError
from lth.memory import available_memory

Shape = tuple[int, int, int, int]  # of all images: (n, channels, height, width)


class Allocation:
    """Makes the array of all images, uint8; where no file has room, memory takes what it has.

    Args:
        limit: Bytes that memory is to take.
        cache: Where there is more.
    """

    def __init__(self, limit: float, cache: ImageCache | None = None) -> None:
        self._limit, self._cache = limit, cache

    def reading(self, read: Read) -> Read:
        """Return the function that reads a file, as the cache has to know of it."""
        return read if self._cache is None else self._cache.reading(read)

    def grown(self, images: np.ndarray | None, done: int, count: int, pixels: np.ndarray) -> np.ndarray:
        """Return the array for all images, with three channels once one of them has.

        Args:
            images: The array so far.
            done: How many images are in it.
            count: How many there are.
            pixels: The next, (height, width) or (height, width, 3).

        Raises:
            InputError: If there is no room for it.
        """
        channels = 1 if pixels.ndim == 2 else 3
        if images is not None and channels <= images.shape[1]:
            return images
        room = self._new((count, channels, pixels.shape[0], pixels.shape[1]))
        if images is not None:
            room[:done] = images[:done]
        return room

    def check(self, shape: Shape) -> None:
        """Check that there is room, before any image is decoded.

        Raises:
            InputError: If there is none.
        """
        if math.prod(shape) > max(available_memory(), self._on_disk()):
            raise InputError(self._lacking(shape))

    def _new(self, shape: Shape) -> np.ndarray:
        if math.prod(shape) > self._limit and self._cache is not None:
            file = self._cache.allocate(shape)
            if file is not None:
                return file
        if math.prod(shape) > available_memory():
            raise InputError(self._lacking(shape))
        return np.empty(shape, dtype=np.uint8)

    def _on_disk(self) -> int:
        return 0 if self._cache is None else self._cache.free

    def _lacking(self, shape: Shape) -> str:
        count, _, height, width = shape
        needed, memory, disk = (
            f"{size / GIB:,.1f} GiB" for size in (math.prod(shape), available_memory(), self._on_disk())
        )
        return (
            f"{count:,} images of {width:,} × {height:,} take {needed} of memory or disk; {memory} of memory "
            f"and {disk} of disk are free; make them smaller, or fewer, or set {CACHE} to a folder with more"
        )
