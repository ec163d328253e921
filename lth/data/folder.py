"""Any tree of `train/<class>/…` and `test/<class>/…` images, decoded once into memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import MappingProxyType

import numpy as np
import psutil
import torch
from torch import Tensor

from lth.bar import progress
from lth.cores import usable_cores
from lth.data.decode import Decoder, size_of_first
from lth.data.images import ImageData
from lth.data.reading import SPLITS, Reading, grouped, listed, shown
from lth.data.tree import Tree, alike, find_images, folder_of
from lth.errors import InputError

_NAMED = 10  # images that can't be used, in one message
_GIB = 2**30
_SOME_COLOURED = "coloured, so that the others, which are grey, are read as RGB too"
_SOME_GREY = "grey, read as RGB because the others are coloured"
_IN_SEVERAL = "classes with images in several folders, all of them of the one class"


def load_image_folder(root: Path, size: tuple[int, int] | None = None) -> ImageData:
    """Return the images under `root`, in the order of class name, then path.

    Classes are the directories of `train`, numbered in the order of their names; a class of `test` that is
    not among them is an error. Images that are not all grey are read as RGB. All must have one size, or are
    given it by `size`, (width, height): scaled until they cover it, and cut to their middle.

    Raises:
        ValueError: If a split or a class has no image, or images can't be decoded, are transparent, have more
            than 8 bits or several sizes; it names them all at once.
    """
    tree = find_images(root)
    return read_tree(f"imagefolder:{root.resolve().name}", root, tree, size, _below(root, tree))


def read_tree(
    name: str,
    root: Path,
    tree: Tree,
    size: tuple[int, int] | None = None,
    known: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
) -> ImageData:
    """Return the images of a tree under `root`, with what is to be known of it; see `load_image_folder`."""
    paths = (*tree.images[0], *tree.images[1])
    images, remarks = _decode(root, paths, size)
    if same := alike(tree.classes):
        remarks["classes whose names differ in case or spelling only"] = tuple(map(shown, same))
    cut = tree.num_train
    train_labels, test_labels = map(torch.tensor, tree.labels)
    return ImageData(
        name,
        images[:cut],
        train_labels,
        images[cut:],
        test_labels,
        str(root),
        tuple(map(shown, tree.classes)),
        Reading(tree.passed_over, {**remarks, **known}),
    )


def _decode(
    root: Path, paths: tuple[Path, ...], wanted: tuple[int, int] | None
) -> tuple[Tensor, dict[str, tuple[str, ...]]]:
    """Return all images, (n, 1 or 3, height, width), uint8, and what is to be known of how they were read."""
    size = size_of_first(paths) if wanted is None else wanted
    if size is not None:
        _check_memory(len(paths), 1, *size)
    decoder = Decoder(size, resizes=wanted is not None)
    images: np.ndarray | None = None
    refused: list[str] = []
    sizes: dict[Path, tuple[int, int]] = {}
    remarks: list[tuple[str, str]] = []
    grey: list[Path] = []
    coloured: list[Path] = []
    with decoder.attending(), ThreadPoolExecutor(usable_cores()) as pool:  # PIL decodes outside the lock
        results = progress(pool.map(decoder.read, paths), "reading images", total=len(paths), unit="image")
        for position, (path, decoded) in enumerate(zip(paths, results, strict=True)):
            remarks += [(remark, shown(path.relative_to(root))) for remark in decoded.remarks]
            if decoded.refusal is not None:
                refused.append(f"{shown(path)} {decoded.refusal}")
            elif decoded.size is not None:
                sizes[path] = decoded.size
            if (pixels := decoded.pixels) is not None and not refused:
                (grey if pixels.ndim == 2 else coloured).append(path)
                images = _room(images, len(paths), pixels)
                images[position] = pixels if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
    if refused or len(set(sizes.values())) > 1:
        raise InputError(_why_not(root, sizes, refused, len(paths)))
    assert images is not None, "there are images, and none of them was refused"
    if images.shape[1] > 1 and grey:
        few, what = (coloured, _SOME_COLOURED) if 2 * len(coloured) <= len(paths) else (grey, _SOME_GREY)
        remarks += [(what, shown(path.relative_to(root))) for path in few]
    warned = [(text, shown(path.relative_to(root))) for text, path in decoder.warned]
    return torch.from_numpy(images), grouped([*remarks, *warned])


def _room(images: np.ndarray | None, count: int, pixels: np.ndarray) -> np.ndarray:
    """Return the array for all images, with three channels once one of them has."""
    channels = 1 if pixels.ndim == 2 else 3
    if images is None:
        _check_memory(count, channels, pixels.shape[1], pixels.shape[0])
        return np.empty((count, channels, *pixels.shape[:2]), dtype=np.uint8)
    return np.repeat(images, 3, axis=1) if channels > images.shape[1] else images


def _check_memory(count: int, channels: int, width: int, height: int) -> None:
    needed, free = count * channels * width * height, psutil.virtual_memory().available
    if needed > free:
        raise InputError(
            f"{count:,} images of {width:,} × {height:,} take {needed / _GIB:,.1f} GiB of memory, and "
            f"{free / _GIB:,.1f} GiB are free; make them smaller, or fewer"
        )


def _why_not(root: Path, sizes: Mapping[Path, tuple[int, int]], refused: Sequence[str], count: int) -> str:
    """Return one line on all images that can't be used: those that can't be read, and those of another size."""
    said = [listed(refused, _NAMED, "; ")] if refused else []
    ((usual, usuals),) = Counter(sizes.values()).most_common(1) or [((0, 0), 0)]
    odd = [path for path, size in sizes.items() if size != usual]
    if odd:
        example = next(path for path, size in sizes.items() if size == usual)
        others = f"{shown(example)} and {usuals - 1:,} others of {_written(usual)}"
        differ = "differ" if len(odd) > 1 else "differs"
        named = listed([f"{path} ({_written(sizes[path])})" for path in odd] if len(odd) > 1 else odd, _NAMED)
        said.append(
            f"{named} {differ} in size from {others}; resize all images to one size, or let "
            f"image_size={usual[0]}x{usual[1]} do it"
        )
    unusable = len(refused) + len(odd)
    whole = f"{unusable:,} of {count:,} images under {root} can't be used: " if unusable > 1 else ""
    return whole + "; ".join(said)


def _written(size: tuple[int, int]) -> str:
    return f"{size[0]:,} × {size[1]:,}"


def _below(root: Path, tree: Tree) -> dict[str, tuple[str, ...]]:
    """Return which classes have images in several folders, for a class that was meant by each."""
    folders: dict[str, set[Path]] = {name: set() for name in tree.classes}
    for split, paths, labels in zip(SPLITS, tree.images, tree.labels, strict=True):
        for path, label in zip(paths, labels, strict=True):
            name = tree.classes[label]
            folders[name].add(path.parent.relative_to(folder_of(root, split) / name))
    several = tuple(
        f"{shown(name)} ({len(below)} folders)" for name, below in folders.items() if len(below) > 1
    )
    return {_IN_SEVERAL: several} if several else {}
