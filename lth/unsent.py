"""Finished results that could not be logged, kept on the machine that computed them until they can be.

    lth-unsent/<content key>/about.json      seconds it took, and the SHA-256 of every other file
    lth-unsent/<content key>/…               the checkpoint of a solution, or the numbers of a measurement

A result appears under its key all at once, and is read back only if every file is what was written.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

UNSENT: Final = Path("lth-unsent")  # in the working directory
_ABOUT: Final = "about.json"
_FORMAT: Final = {"format": "lth-unsent", "version": 1}


class Unsent:
    """The result of one task, where it could not be logged.

    Args:
        root: The directory of all of them, which is made when there is the first.
        key: Of the result.
        fresh: Whether the task was asked for anew: that finds only what such a one left.
        say: Tells the user.
    """

    def __init__(self, root: Path, key: str, *, fresh: bool, say: Callable[[str], None]) -> None:
        self._kept = root.absolute() / (f"{key}-fresh" if fresh else key)
        self._say = say

    @contextmanager
    def rescuing(self, directory: Path, seconds: float) -> Iterator[None]:
        """Keep the result in `directory` if the block, which logs it, does not come to its end."""
        try:
            yield
        except BaseException:
            try:
                self._keep(directory, seconds)
            except OSError as error:
                self._say(f"  the result could not be logged, nor kept in {self._kept}: {error}")
            else:
                self._say(f"  the result is kept in {self._kept}: the same command, here, logs it")
            raise

    def fetch(self, directory: Path) -> float | None:
        """Copy the result into `directory` and return how many seconds it took; None if there is none."""
        if not self._kept.is_dir():
            return None
        try:
            about = json.loads((self._kept / _ABOUT).read_text())
            if {name: about.get(name) for name in _FORMAT} != _FORMAT:
                raise ValueError(f"{_ABOUT} is of another version of lth")
            for name, digest in about["files"].items():
                source = self._kept / name
                if not source.resolve().is_relative_to(self._kept.resolve()):
                    raise ValueError(f"{name!r} lies outside")
                content = source.read_bytes()
                if hashlib.sha256(content).hexdigest() != digest:
                    raise ValueError(f"{name} is not what was written (its SHA-256 differs)")
                (directory / name).parent.mkdir(parents=True, exist_ok=True)
                (directory / name).write_bytes(content)
            return float(about["seconds"])
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            self._say(f"  the result kept in {self._kept} is of no use ({error}); it is computed again")
            return None

    def remove(self) -> None:
        """Delete the result, if it is there: it was logged."""
        shutil.rmtree(self._kept, ignore_errors=True)
        with suppress(OSError):  # where there are others
            self._kept.parent.rmdir()

    def _keep(self, directory: Path, seconds: float) -> None:
        digests = {
            path.relative_to(directory).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(directory.rglob("*"))
            if path.is_file()
        }
        partial = self._kept.with_name(f".{self._kept.name}.{os.getpid()}.tmp")
        try:
            shutil.copytree(directory, partial)
            about = {**_FORMAT, "seconds": seconds, "files": digests}
            (partial / _ABOUT).write_text(json.dumps(about, indent=1))
            shutil.rmtree(self._kept, ignore_errors=True)
            partial.replace(self._kept)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
