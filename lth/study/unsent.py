"""Finished results that could not be logged, kept until they can be, here or where several machines see them.

    lth-unsent/<content key>/about.json      by what and in how many seconds, and the SHA-256 of all other files
    lth-unsent/<content key>/…               the checkpoint of a solution, or the numbers of a measurement

A result appears under its key all at once, and is read back only if every file is what was written.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, TypeVar

from lth.errors import InputError

UNSENT: Final = Path("lth-unsent")  # in the working directory
_ABOUT: Final = "about.json"
_FORMAT: Final = {"format": "lth-unsent", "version": 1}

Found = TypeVar("Found")


def forget(root: Path, key: str, *, fresh: bool) -> None:
    """Delete what `Unsent` has kept of a task, if there is any: its result was logged."""
    shutil.rmtree(_place(root, key, fresh=fresh), ignore_errors=True)
    if root == UNSENT:  # a folder of the user's own stays
        with suppress(OSError):  # where there are others, or none
            root.rmdir()


def _place(root: Path, key: str, *, fresh: bool) -> Path:
    return root.absolute() / (f"{key}-fresh" if fresh else key)


class Unsent:
    """The result of one task, where it could not be logged.

    Args:
        root: The directory of all of them, which is made when there is the first.
        key: Of the result.
        environment: What decides its bits besides: what another one left is not taken.
        fresh: Whether the task was asked for anew: that finds only what such a one left.
        say: Tells the user.
    """

    def __init__(
        self, root: Path, key: str, environment: str, *, fresh: bool, say: Callable[[str], None]
    ) -> None:
        self._kept = _place(root, key, fresh=fresh)
        self._environment, self._say = environment, say
        self._seconds: float | None = None

    @contextmanager
    def rescuing(self) -> Iterator[Path]:
        """Give a directory for the result; if the block, which logs it, fails, keep what is complete there."""
        with tempfile.TemporaryDirectory() as name:
            try:
                yield Path(name)
            except BaseException:
                if self._seconds is not None:
                    self._rescue(Path(name), self._seconds)
                raise

    def complete(self, seconds: float) -> None:
        """Say that the directory holds the whole result, which took so long."""
        self._seconds = seconds

    def fetch(self, directory: Path, read: Callable[[Path], Found]) -> tuple[Found, float] | None:
        """Return what is kept and the seconds it took, and copy it into `directory`; None if there is none.

        Args:
            directory: Where the task has its result.
            read: Reads the result in a directory; raises ValueError if it can't.
        """
        if not self._kept.is_dir():
            return None
        try:
            about = json.loads((self._kept / _ABOUT).read_text())
            self._check(about)
            found, seconds = read(self._kept), float(about["seconds"])
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            self._say(f"  the result kept in {self._kept} is of no use ({error}); it is computed again")
            return None
        shutil.copytree(self._kept, directory, ignore=shutil.ignore_patterns(_ABOUT), dirs_exist_ok=True)
        return found, seconds

    def _check(self, about: Mapping[str, Any]) -> None:
        if {name: about.get(name) for name in _FORMAT} != _FORMAT:
            raise InputError(f"{_ABOUT} is of another version of lth")
        if about["environment"] != self._environment:
            raise InputError(f"it was computed by {about['environment']}; here is {self._environment}")
        for name, digest in about["files"].items():
            source = self._kept / name
            if not source.resolve().is_relative_to(self._kept.resolve()):
                raise InputError(f"{name!r} lies outside")
            if hashlib.sha256(source.read_bytes()).hexdigest() != digest:
                raise InputError(f"{name} is not what was written (its SHA-256 differs)")

    def _rescue(self, directory: Path, seconds: float) -> None:
        try:
            self._keep(directory, seconds)
        except OSError as error:
            self._say(f"  the result could not be logged, nor kept in {self._kept}: {error}")
        else:
            self._say(f"  the result is kept in {self._kept}: the same command, here, logs it")

    def _keep(self, directory: Path, seconds: float) -> None:
        digests = {
            path.relative_to(directory).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(directory.rglob("*"))
            if path.is_file()
        }
        about = {**_FORMAT, "environment": self._environment, "seconds": seconds, "files": digests}
        here = f"{socket.gethostname()}.{os.getpid()}"  # several machines may share the folder
        partial = self._kept.with_name(f".{self._kept.name}.{here}.tmp")
        shutil.rmtree(partial, ignore_errors=True)  # of a process of the same number that was killed here
        try:
            shutil.copytree(directory, partial)
            (partial / _ABOUT).write_text(json.dumps(about, indent=1))
            shutil.rmtree(self._kept, ignore_errors=True)
            partial.replace(self._kept)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
