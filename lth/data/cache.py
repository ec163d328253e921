"""Images decoded once, into a file on disk: memory takes what is read of it, for as long as there is room."""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import PIL
import torch
from filelock import FileLock
from torch import Tensor

from lth.bar import progress
from lth.cores import usable_cores
from lth.data.decode import Decoded
from lth.data.lock import acquire
from lth.data.room import CACHE, GIB, cache_folders
from lth.errors import InputError

_FORM = 1  # of the files

Read = Callable[[Path], Decoded]
Remarks = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Kept:
    """What a file holds: all images, what was said of them, and the digest that their data set has."""

    images: Tensor  # (n, channels, height, width), uint8, read-only
    remarks: Remarks
    digest: str


class ImageCache:
    """The file of some images, `<names and sizes>.npy`, and one beside it that says what is in it.

    Images that were neither written nor replaced since (size and times) are taken to be what they were; of
    others, such as copies, the content is compared, which takes less than decoding it.

    Args:
        root: The folder that the images are in.
        paths: Of all images, in their order.
        labels: What else the data set's digest depends on, and how images are decoded.
    """

    def __init__(self, root: Path, paths: Sequence[Path], labels: object) -> None:
        self._root, self._paths = root, paths
        found = [_state(path) for path in paths]
        names = [str(path.relative_to(root)) for path in paths]
        sizes = [size for size, *_ in found]
        self._stem = _digest(repr((_FORM, PIL.__version__, labels, names, sizes)))[:24]
        self._seen = _digest(repr(found))
        self._contents: dict[Path, str] = {}
        self._folders = cache_folders(root)
        self._folder: Path | None = None
        self._part: Path | None = None

    def find(self) -> Kept | None:
        """Return what is kept of these images; None if nothing is, or not all of it, or of others."""
        for folder in self._folders:
            try:
                about = json.loads(self._about(folder).read_text())
                images = _mapped(self._pixels(folder))
                if list(images.shape) == about["shape"] and len(images) == len(self._paths):
                    remarks = {text: tuple(names) for text, names in about["remarks"].items()}
                    if self._is_same(about, folder):
                        return Kept(images, remarks, str(about["digest"]))
            except (OSError, ValueError, LookupError, TypeError, AttributeError):  # not whole, or not ours
                continue
        return None

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Keep other processes waiting, which would decode the same; where no lock can be written, nobody."""
        with self._locked() as self._folder:
            try:
                yield
            finally:
                self._discard()  # what is left of images that can't be used, or of a decoding cut short

    @property
    def free(self) -> int:
        """How many bytes there is room for, in one's turn."""
        return 0 if self._folder is None else shutil.disk_usage(self._folder).free

    def allocate(self, shape: tuple[int, ...]) -> np.ndarray | None:
        """Return a new file as an array to write; None if there is no room for it anywhere.

        All of its blocks are taken at once: writing to a mapped file on a full disk would end the process.
        """
        if self._folder is None or math.prod(shape) > self.free:
            return None
        part = self._folder / f"{self._stem}.{shape[1]}.part"
        try:
            images: np.ndarray = np.lib.format.open_memmap(part, mode="w+", dtype=np.uint8, shape=shape)
            if hasattr(os, "posix_fallocate"):
                with part.open("r+b") as file:
                    os.posix_fallocate(file.fileno(), 0, part.stat().st_size)
        except OSError:
            part.unlink(missing_ok=True)
            return None
        self._discard()  # of fewer channels; it stays for as long as it is mapped
        self._part = part
        return images

    def reading(self, read: Read) -> Read:
        """Return the same function, which also notes the content of the files that it reads."""

        def noted(path: Path) -> Decoded:
            decoded = read(path)
            if decoded.pixels is not None:
                self._contents[path] = _content(path)
            return decoded

        return noted

    def finished(self, images: np.ndarray) -> Tensor:
        """Return images that were decoded: of a file, as one that can only be read."""
        if self._part is not None and isinstance(images, np.memmap):
            images.flush()
            return _mapped(self._part)
        self._discard()  # grey images had room for a file, and coloured ones have none
        return torch.from_numpy(images)

    def keep(self, images: Tensor, remarks: Remarks, digest: str) -> None:
        """Give the file its name; those of a decoding that was cut short before have none."""
        if self._part is None or self._folder is None:
            return
        about = {
            "of": str(self._root.absolute()),
            "shape": list(images.shape),
            "digest": digest,
            "content": self._joined(self._contents),
            "seen": self._seen,
            "remarks": remarks,
        }
        kept = self._pixels(self._folder)
        self._part.replace(kept)
        self._part = None
        _write(self._about(self._folder), about)
        _say(
            f"decoded images are kept in {kept} ({images.nbytes / GIB:,.1f} GiB), for they would fill memory; "
            "remove it whenever you like"
        )

    def _discard(self) -> None:
        if self._part is not None:
            self._part.unlink(missing_ok=True)
            self._part = None

    @contextmanager
    def _locked(self) -> Iterator[Path | None]:
        for folder in self._folders:
            lock = FileLock(folder / f".{self._stem}.lock")
            try:
                folder.mkdir(parents=True, exist_ok=True)
                acquire(lock, f"waiting for another process that decodes the images of {self._root}")
            except (OSError, NotImplementedError) as error:
                _refused(folder, self._folders, error)
                continue
            try:
                yield folder
            finally:
                lock.release()
            return
        yield None

    def _is_same(self, about: dict[str, Any], folder: Path) -> bool:
        """Return whether these are the files that were decoded; if only their times differ, note them."""
        if about["seen"] == self._seen:
            return True
        if not self._contents:  # else they were compared before it was this process's turn
            with ThreadPoolExecutor(usable_cores()) as pool:
                reading = pool.map(_content, self._paths)
                results = progress(reading, "comparing images", total=len(self._paths), unit="image")
                self._contents.update(zip(self._paths, results, strict=True))
        if about["content"] != self._joined(self._contents):
            return False
        with suppress(OSError):  # a folder that can only be read
            _write(self._about(folder), {**about, "seen": self._seen})
        return True

    def _joined(self, contents: Mapping[Path, str]) -> str:
        return _digest("".join(contents[path] for path in self._paths))

    def _pixels(self, folder: Path) -> Path:
        return folder / f"{self._stem}.npy"

    def _about(self, folder: Path) -> Path:
        return folder / f"{self._stem}.json"


def _refused(folder: Path, folders: tuple[Path, ...], error: Exception) -> None:
    """Say that a folder can't be written, and what is done about it.

    Raises:
        InputError: If it is the one that the user named.
    """
    reason = getattr(error, "strerror", None) or type(error).__name__
    told = f"decoded images can't be kept in {folder} ({reason})"
    if len(folders) == 1:
        raise InputError(f"{told}; set {CACHE} to a folder that can be written") from error
    there = "memory, if it has room" if folder == folders[-1] else f"{folders[-1]}, or where {CACHE} says"
    _say(f"{told}; they go to {there}")


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _mapped(path: Path) -> Tensor:
    """Return the array of a file, of which nothing is in memory before it is read.

    It can't be written: memory is then not reserved for it, which would be refused where there is less.
    """
    images: np.ndarray = np.lib.format.open_memmap(path, mode="r")  # it reads no pickles
    if images.dtype != np.uint8 or images.ndim != 4 or not images.flags.c_contiguous:
        raise ValueError(f"{path} holds something else")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*not writable")
        return torch.from_numpy(images)


def _state(path: Path) -> tuple[int, int, int]:
    """Return size and times of a file; zeros of what is none, which is refused when it is read."""
    try:
        found = path.stat()
    except OSError:
        return 0, 0, 0
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _content(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()


def _write(path: Path, content: dict[str, Any]) -> None:
    part = path.with_name(f"{path.name}.{os.getpid()}.{threading.get_ident()}")
    part.write_text(json.dumps(content))
    part.replace(path)
