"""One image file as pixels of 8 bits, grey or RGB: read as a viewer shows it, or refused with the reason."""

from __future__ import annotations

import math
import re
import stat
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageFile, ImageOps

_GREY = frozenset(["1", "L", "LA", "La"])
_BY_PALETTE = frozenset(["P", "PA"])
_LOOKED_INTO, _SMALL = 100, 2**22  # images of a wrong size, and pixels of each
_DEEP = re.compile(r"(?<!BGR);16")  # Pillow's name of samples of 16 bits; BGR;16 is 16 bits for all three
_AS_THEY_ARE = frozenset([*_GREY, *_BY_PALETTE, "RGB", "RGBA", "RGBX", "RGBa", "YCbCr"])
_FIRST_ON_ITS_SIDE = 5  # of the eight EXIF orientations: from here on, width and height are exchanged


@dataclass(frozen=True)
class Decoded:
    """What came of one file: pixels, or why there are none."""

    pixels: np.ndarray | None  # (height, width) if it is grey, else (height, width, 3); uint8
    size: tuple[int, int] | None = None  # (width, height); without pixels, it is not the one that is expected
    refusal: str | None = None  # what is wrong, and the remedy
    remarks: tuple[str, ...] = ()  # what is to be known of how it was read


class Decoder:
    """Decodes files, in any number of threads, and notes what Pillow warns of under the file's name.

    Args:
        size: (width, height); of images of another size, only the first small ones are decoded.
        resizes: Whether they are given the size instead: scaled until they cover it, and cut to their middle.
    """

    def __init__(self, size: tuple[int, int] | None, *, resizes: bool = False) -> None:
        self._resizes = resizes
        self._sizes = {size, size[::-1]} if size is not None else set()
        self._size = size
        self._here = threading.local()
        self._odd = 0  # images of another size so far, about: threads do not wait for each other
        self.warned: list[tuple[str, Path]] = []

    def read(self, path: Path) -> Decoded:
        """Decode one file; whatever its decoder raises is a refusal."""
        self._here.path = path
        try:
            if not stat.S_ISREG(path.stat().st_mode):  # opening a pipe would wait for ever
                return _refused("is no regular file; remove it")
            with Image.open(path) as image:
                if self._sizes and image.size not in self._sizes and not self._resizes:
                    self._odd += 1
                    if self._odd <= _LOOKED_INTO and math.prod(image.size) <= _SMALL:
                        image.load()  # it may be damaged, too
                    return Decoded(None, image.size)
                return self._decode(image)
        except Exception as error:  # decoders of damaged files raise nearly everything
            reason = str(error).replace(f" {str(path)!r}", "").replace(f": {str(path)!r}", "")
            return _refused(f"can't be decoded ({reason or type(error).__name__}); replace or remove it")

    def _decode(self, image: Image.Image) -> Decoded:
        if image.mode.startswith(("I", "F")):
            return _refused(f"has {image.mode} pixels; convert it to 8 bits a channel")
        remarks = _remarks(image)
        if _orientation(image) != 1:
            remarks.append("turned as their EXIF orientation says")
            image.load()  # which turns a TIFF
            image = ImageOps.exif_transpose(image)
        if self._size is not None and image.size != self._size and not self._resizes:
            return Decoded(None, image.size)
        if _is_transparent(image):
            return _refused("has transparent pixels, which have no colour of their own; put it on a background")
        shown = "L" if image.mode in _GREY else "RGB"
        is_by_palette = image.mode in _BY_PALETTE
        image = image if image.mode == shown else image.convert(shown)
        if self._size is not None and image.size != self._size:
            image = ImageOps.fit(image, self._size, Image.Resampling.BILINEAR)
        pixels = np.asarray(image)
        if is_by_palette and (pixels == pixels[..., :1]).all():
            pixels = pixels[..., 0]
        return Decoded(pixels, image.size, remarks=tuple(remarks))

    @contextmanager
    def attending(self) -> Iterator[None]:
        """For as long as the block lasts, note warnings instead of showing them without the file's name."""

        def note(message: Warning | str, *_: object) -> None:
            text = f"Pillow warns: {' '.join(str(message).split())}"
            self.warned.append((text, getattr(self._here, "path", Path())))

        truncated = ImageFile.LOAD_TRUNCATED_IMAGES
        ImageFile.LOAD_TRUNCATED_IMAGES = False  # where a user's program set it, what is missing would be grey
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.showwarning = note  # type: ignore[assignment]  # it takes all of them
            try:
                yield
            finally:
                ImageFile.LOAD_TRUNCATED_IMAGES = truncated


def size_of_first(paths: tuple[Path, ...]) -> tuple[int, int] | None:
    """Return (width, height) of the first image that can be opened, as it is shown; None if none can be."""
    for path in paths:
        try:
            if path.is_file():
                with Image.open(path) as image:
                    return _shown_size(image)
        except Exception:  # told when it is read
            continue
    return None


def _refused(refusal: str) -> Decoded:
    return Decoded(None, refusal=refusal)


def _orientation(image: Image.Image) -> int:
    """Return how an image is to be turned, 1 for not at all; it may decode a PNG, whose text can come last."""
    orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    return int(orientation) if orientation in range(2, 9) else 1


def _shown_size(image: Image.Image) -> tuple[int, int]:
    is_turned = image.format != "TIFF" and "exif" in image.info and _orientation(image) >= _FIRST_ON_ITS_SIDE
    return image.size[::-1] if is_turned else image.size


def _remarks(image: Image.Image) -> list[str]:
    """Return what is to be known of an image that was opened and not yet decoded."""
    found = []
    if _num_frames(image) > 1:
        found.append("several pictures in one file, of which the first is read")
    if any(_DEEP.search(str(tile[3])) for tile in getattr(image, "tile", ())):
        found.append("16 bits a channel, of which the upper 8 are read")
    if image.mode not in _AS_THEY_ARE:
        found.append(f"{image.mode}, converted to RGB without a colour profile")
    return found


def _num_frames(image: Image.Image) -> int:
    try:
        return int(getattr(image, "n_frames", 1))
    except Exception:  # a damaged later picture; the first one is read
        return 2


def _is_transparent(image: Image.Image) -> bool:
    """Say whether a pixel is not fully opaque."""
    if image.mode not in ("LA", "La", "PA", "RGBA", "RGBa") and "transparency" not in image.info:
        return False
    return bool((np.asarray(image.convert("RGBA"))[..., 3] < 255).any())
