"""Any tree of `train/<class>/*` and `test/<class>/*` images, decoded once into memory."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from lth.bar import progress
from lth.cores import usable_cores
from lth.data.images import ImageData
from lth.errors import InputError

_SUFFIXES = frozenset([".png", ".jpg", ".jpeg", ".bmp", ".ppm", ".pgm", ".webp", ".tif", ".tiff"])


def load_image_folder(root: Path) -> ImageData:
    """Return the images under `root`, in the order of class name, then file name.

    Classes are the directories of `train`, numbered in the order of their names; a class of `test` that is
    not among them is an error. All images must have one size; those that are not all grey are read as RGB.

    Raises:
        ValueError: If a split is missing or empty, an image can't be decoded, or sizes differ.
    """
    classes = _class_names(root, "train")
    unknown = set(_class_names(root, "test")) - set(classes)
    if unknown:
        raise InputError(f"{root}/test has classes that train lacks: {', '.join(sorted(unknown)[:5])}")
    listed = {split: _list_images(root / split, classes) for split in ("train", "test")}
    if not listed["test"]:
        raise InputError(f"{root}/test holds no image ({', '.join(sorted(_SUFFIXES))})")
    paths = [path for split in listed.values() for path, _ in split]
    images = _decode(paths)
    cut = len(listed["train"])
    labels = [torch.tensor([label for _, label in split]) for split in listed.values()]
    return ImageData(f"imagefolder:{root.name}", images[:cut], labels[0], images[cut:], labels[1], str(root))


def _class_names(root: Path, split: str) -> list[str]:
    directory = root / split
    names = sorted(path.name for path in directory.iterdir() if path.is_dir()) if directory.is_dir() else []
    if not names:
        raise InputError(f"{directory} has no class directories; expected train/<class>/* and test/<class>/*")
    return names


def _list_images(directory: Path, classes: list[str]) -> list[tuple[Path, int]]:
    found = []
    for label, name in enumerate(classes):
        files = sorted((directory / name).glob("*")) if (directory / name).is_dir() else []
        images = [(path, label) for path in files if path.suffix.lower() in _SUFFIXES]
        if not images and directory.name == "train":
            raise InputError(f"{directory / name} holds no image ({', '.join(sorted(_SUFFIXES))})")
        found += images
    return found


def _decode(paths: list[Path]) -> Tensor:
    """Return all images, (n, 1 or 3, height, width), uint8."""
    with ThreadPoolExecutor(usable_cores()) as pool:  # PIL decodes outside the interpreter lock
        arrays = list(progress(pool.map(_read, paths), "reading images", total=len(paths)))
    sizes = {array.shape[:2] for array in arrays}
    if len(sizes) > 1:
        odd = next(
            path for path, array in zip(paths, arrays, strict=True) if array.shape[:2] != arrays[0].shape[:2]
        )
        raise InputError(f"{odd} differs in size from {paths[0]}; resize all images to one size")
    if any(array.ndim == 3 for array in arrays):
        arrays = [array if array.ndim == 3 else np.stack([array] * 3, axis=-1) for array in arrays]
        return torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2).contiguous()
    return torch.from_numpy(np.stack(arrays)).unsqueeze(1)


def _read(path: Path) -> np.ndarray:
    """Return one image as (height, width) if it is grey, else (height, width, 3); uint8."""
    try:
        with Image.open(path) as image:
            if image.mode.startswith(("I", "F")):
                raise InputError(f"{path} has {image.mode} pixels; convert it to 8 bits a channel")
            return np.asarray(image if image.mode == "L" else image.convert("RGB"))
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        raise InputError(f"{path} can't be decoded ({error}); replace or remove it") from error
