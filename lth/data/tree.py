"""Which files of a folder are images of which class, and which are passed over."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lth.data.reading import SPLITS, grouped, listed, shown
from lth.data.room import BESIDE
from lth.errors import InputError

SUFFIXES = frozenset(
    [
        *(".avif", ".bmp", ".gif", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm"),
        *(".ppm", ".tif", ".tiff", ".webp"),
    ]
)
_LEFT_BY_PROGRAMS = frozenset(
    [
        *("$recycle.bin", "@eadir", "__macosx", "__pycache__", "desktop.ini", "ehthumbs.db", "icon\r"),
        *("lost+found", "system volume information", "thumbs.db"),
    ]
)
_HIDDEN = "hidden, or left behind by a system or an editor"
_VALIDATION = ("val", "valid", "validation")
_LOOP = "links back to a folder above"
_EXPECTED = "expected train/<class>/* and test/<class>/*"


@dataclass(frozen=True)
class Tree:
    """The images of a folder `train/<class>/…`, `test/<class>/…`, none of them opened yet."""

    classes: tuple[str, ...]  # the folders of `train`, in the order of their names
    images: tuple[tuple[Path, ...], tuple[Path, ...]]  # of train, of test: by class, then by path
    labels: tuple[tuple[int, ...], tuple[int, ...]]
    passed_over: dict[str, tuple[str, ...]]  # by reason

    @property
    def num_train(self) -> int:
        """Number of training images."""
        return len(self.labels[0])


def find_images(root: Path) -> Tree:
    """Return what there is to read under `root`; images at any depth of a class's folder are of that class.

    Raises:
        ValueError: If a split or a class has no image, a class of `test` is not one of `train`, or a folder
            can't be read.
    """
    passed_over: list[tuple[str, Path]] = []
    try:
        found = {split: _images_by_class(root, split, passed_over) for split in SPLITS}
        passed_over += _beside(root)
    except OSError as error:
        raise InputError(f"{error.filename} can't be read ({error.strerror}); make it readable") from error
    classes = tuple(found["train"])
    _check_classes(root, found, passed_over)
    pairs = [
        [(path, label) for label, name in enumerate(classes) for path in found[split].get(name, ())]
        for split in SPLITS
    ]
    train, test = (tuple(path for path, _ in split) for split in pairs)
    train_labels, test_labels = (tuple(label for _, label in split) for split in pairs)
    names = grouped((reason, shown(path.relative_to(root))) for reason, path in passed_over)
    return Tree(classes, (train, test), (train_labels, test_labels), names)


def folder_of(root: Path, split: str) -> Path:
    """Return the folder of a split; one of validation is that of test, if there is no other."""
    others = [root / name for name in _VALIDATION if split == "test" and not (root / "test").is_dir()]
    return next((folder for folder in others if folder.is_dir()), root / split)


def _images_by_class(root: Path, split: str, passed_over: list[tuple[str, Path]]) -> dict[str, list[Path]]:
    directory = folder_of(root, split)
    by_class: dict[str, list[Path]] = {}
    for path in sorted(directory.iterdir()) if directory.is_dir() else []:
        if _is_left_behind(path):
            passed_over.append((_HIDDEN, path))
        elif path.is_dir():
            by_class[path.name] = sorted(_walk(path, frozenset([_identity(directory)]), passed_over))
        else:
            passed_over.append((f"directly in {split}, so of no class", path))
    if not by_class:
        raise InputError(f"{directory} has no class directories; {_EXPECTED}{_hint(root)}")
    return by_class


def _walk(
    folder: Path, above: frozenset[tuple[int, int]], passed_over: list[tuple[str, Path]]
) -> Iterator[Path]:
    """Yield what looks like an image below a folder, and note everything else."""
    here = above | {_identity(folder)}
    for path in sorted(folder.iterdir()):
        if _is_left_behind(path):
            passed_over.append((_HIDDEN, path))
        elif path.is_dir():
            if _identity(path) in here:
                passed_over.append((_LOOP, path))
            else:
                yield from _walk(path, here, passed_over)
        elif path.suffix.lower() in SUFFIXES:
            yield path  # whatever it is: a link to nothing is told when it can't be read
        else:
            passed_over.append((f"not read: {path.suffix.lower() or 'no suffix'}", path))


def _identity(folder: Path) -> tuple[int, int]:
    found = folder.stat()
    return found.st_dev, found.st_ino


def _is_left_behind(path: Path) -> bool:
    name = path.name
    is_backup = name.endswith("~") or (name.startswith("#") and name.endswith("#"))
    return name.startswith((".", "~$")) or is_backup or name.lower() in _LEFT_BY_PROGRAMS


def _beside(root: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(root.iterdir()):
        if path not in [root / BESIDE, *(folder_of(root, split) for split in SPLITS)]:
            yield (_HIDDEN if _is_left_behind(path) else "beside train and test"), path


def _check_classes(
    root: Path, found: dict[str, dict[str, list[Path]]], passed_over: list[tuple[str, Path]]
) -> None:
    """Check that every class of train has an image, that test has one, and that train knows its classes."""
    train, test = found["train"], found["test"]
    suffixes = ", ".join(sorted(SUFFIXES))
    if empty := [name for name, paths in train.items() if not paths]:
        folder = root / "train" / empty[0]
        others = [path.name for _, path in passed_over if path.is_relative_to(folder)]
        holds = f"; it holds {listed(others, 3)}" if others else ""
        more = f", nor do {listed(empty[1:])}" if len(empty) > 1 else ""
        raise InputError(f"{shown(folder)} holds no image ({suffixes}){more}{holds}; fill or remove it")
    if unknown := sorted(set(test) - set(train)):
        known = {_plain(name): name for name in train}
        told = [
            f"{name} (train has {known[_plain(name)]!r}, spelled otherwise)" if _plain(name) in known else name
            for name in unknown
        ]
        raise InputError(f"{root}/test has classes that train lacks: {listed(told)}; name them alike")
    if len(train) == 1:
        only = shown(*train)
        raise InputError(f"{root}/train has a single class, {only}; expected a folder for each class in train")
    if not any(test.values()):
        raise InputError(f"{root}/test holds no image ({suffixes})")


def _plain(name: str) -> str:
    """Return a name without what file systems and people spell differently: case, Unicode form, blanks."""
    return unicodedata.normalize("NFC", name).casefold().strip()


def alike(classes: tuple[str, ...]) -> list[str]:
    """Return the names that differ from another one only in case, Unicode form or blanks around them."""
    plain = [_plain(name) for name in classes]
    return [name for name in classes if plain.count(_plain(name)) > 1]


def _hint(root: Path) -> str:
    """Return what to do about a folder that has not both splits, where that can be guessed."""
    folders = [path for path in sorted(root.iterdir()) if path.is_dir() and not _is_left_behind(path)]
    for folder in folders:
        if all((folder / split).is_dir() for split in SPLITS):
            return f"; write data_dir={folder}, which has both"
    names = [folder.name for folder in folders]
    return f"; {root} has the folders {listed(names)}: rename what is meant" if names else ""
