"""Any tree of `train/<class>/…` and `test/<class>/…` images, decoded once, into memory or a file."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor

from lth.bar import progress
from lth.cores import usable_cores
from lth.data.allocation import Allocation
from lth.data.cache import ImageCache, Read, Remarks
from lth.data.decode import Decoded, Decoder, size_of_first
from lth.data.images import ImageData
from lth.data.reading import SPLITS, Reading, grouped, listed, shown
from lth.data.room import memory_for_images
from lth.data.tree import Tree, alike, find_images, folder_of
from lth.errors import InputError

_NAMED = 10  # images that can't be used, in one message
_AHEAD = 16  # images that each thread may have decoded before they are taken
_MOST_CHANNELS = 3
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
    made = partial(_image_data, name, root, tree, known)
    shown_size = size_of_first(paths) if size is None else size
    limit = memory_for_images()
    if shown_size is None or _MOST_CHANNELS * len(paths) * shown_size[0] * shown_size[1] <= limit:
        images, remarks = _decode(root, paths, size, shown_size, Allocation(limit))
        return made(torch.from_numpy(images), remarks)
    cache = ImageCache(root, paths, (tree.labels, size))
    if (data := _kept(cache, made)) is not None:
        return data
    with cache.turn():
        if (data := _kept(cache, made)) is not None:  # decoded by another process meanwhile
            return data
        images, remarks = _decode(root, paths, size, shown_size, Allocation(limit, cache))
        pixels = cache.finished(images)
        data = made(pixels, remarks)
        cache.keep(pixels, remarks, data.digest)
        return data


def _image_data(
    name: str,
    root: Path,
    tree: Tree,
    known: Mapping[str, tuple[str, ...]],
    images: Tensor,
    remarks: Remarks,
) -> ImageData:
    if same := alike(tree.classes):
        remarks = {**remarks, "classes whose names differ in case or spelling only": tuple(map(shown, same))}
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


def _kept(cache: ImageCache, made: Callable[[Tensor, Remarks], ImageData]) -> ImageData | None:
    """Return the data set of the images that are kept; None if there are none, or they are not what they were.

    Nothing is read for this that is not read anyway: a study needs the digest.
    """
    kept = cache.find()
    data = None if kept is None else made(kept.images, kept.remarks)
    return data if kept is not None and data is not None and data.digest == kept.digest else None


def _decode(
    root: Path,
    paths: tuple[Path, ...],
    wanted: tuple[int, int] | None,
    size: tuple[int, int] | None,
    room: Allocation,
) -> tuple[np.ndarray, dict[str, tuple[str, ...]]]:
    """Return all images, (n, 1 or 3, height, width), uint8, and what is to be known of how they were read."""
    if size is not None:
        room.check((len(paths), 1, size[1], size[0]))
    decoder = Decoder(size, resizes=wanted is not None)
    images: np.ndarray | None = None
    refused: list[str] = []
    sizes: dict[Path, tuple[int, int]] = {}
    remarks: list[tuple[str, str]] = []
    grey: list[Path] = []
    coloured: list[Path] = []
    with decoder.attending(), ThreadPoolExecutor(usable_cores()) as pool:  # PIL decodes outside the lock
        decoding = _in_order(pool, room.reading(decoder.read), paths)
        results = progress(decoding, "reading images", total=len(paths), unit="image")
        for position, (path, decoded) in enumerate(zip(paths, results, strict=True)):
            remarks += [(remark, shown(path.relative_to(root))) for remark in decoded.remarks]
            if decoded.refusal is not None:
                refused.append(f"{shown(path)} {decoded.refusal}")
            elif decoded.size is not None:
                sizes[path] = decoded.size
            if (pixels := decoded.pixels) is not None and not refused:
                (grey if pixels.ndim == 2 else coloured).append(path)
                images = room.grown(images, position, len(paths), pixels)
                images[position] = pixels if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
    if refused or len(set(sizes.values())) > 1:
        raise InputError(_why_not(root, sizes, refused, len(paths)))
    assert images is not None, "there are images, and none of them was refused"
    if images.shape[1] > 1 and grey:
        few, what = (coloured, _SOME_COLOURED) if 2 * len(coloured) <= len(paths) else (grey, _SOME_GREY)
        remarks += [(what, shown(path.relative_to(root))) for path in few]
    warned = [(text, shown(path.relative_to(root))) for text, path in decoder.warned]
    return images, grouped([*remarks, *warned])


def _in_order(pool: ThreadPoolExecutor, read: Read, paths: Sequence[Path]) -> Iterator[Decoded]:
    """Yield what is read of every path; only so many are held as keep all threads busy."""
    under_way: deque[Future[Decoded]] = deque()
    for path in paths:
        under_way.append(pool.submit(read, path))
        if len(under_way) > _AHEAD * usable_cores():
            yield under_way.popleft().result()
    while under_way:
        yield under_way.popleft().result()


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
