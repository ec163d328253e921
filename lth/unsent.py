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
from contextlib import contextmanager
from pathlib import Path
from typing import Final

UNSENT: Final = Path("lth-unsent")  # in the working directory
_ABOUT: Final = "about.json"
_FORMAT: Final = {"format": "lth-unsent", "version": 1}


class Unsent:
    """The results in one directory, which is made when there is the first.

    Args:
        root: The directory.
        say: Tells the user.
    """

    def __init__(self, root: Path, say: Callable[[str], None]) -> None:
        self._root, self._say = root.absolute(), say

    @contextmanager
    def rescuing(self, key: str, directory: Path, seconds: float) -> Iterator[None]:
        """Keep the result in `directory` if the block, which logs it, does not come to its end."""
        try:
            yield
        except BaseException:
            try:
                self._keep(key, directory, seconds)
            except OSError as error:
                self._say(f"  the result could not be logged, nor kept in {self._root}: {error}")
            else:
                self._say(f"  the result is kept in {self._root / key}: the same command, here, logs it")
            raise

    def fetch(self, key: str, directory: Path) -> float | None:
        """Copy the result of a key into `directory` and return how long it took; None if there is none."""
        kept = self._root / key
        if not kept.is_dir():
            return None
        try:
            about = json.loads((kept / _ABOUT).read_text())
            if {name: about.get(name) for name in _FORMAT} != _FORMAT:
                raise ValueError(f"{kept / _ABOUT} is of another version of lth")
            for name, digest in about["files"].items():
                if not (kept / name).resolve().is_relative_to(kept.resolve()):
                    raise ValueError(f"{name!r} lies outside {kept}")
                content = (kept / name).read_bytes()
                if hashlib.sha256(content).hexdigest() != digest:
                    raise ValueError(f"{kept / name} is not what was written (its SHA-256 differs)")
                (directory / name).parent.mkdir(parents=True, exist_ok=True)
                (directory / name).write_bytes(content)
            return float(about["seconds"])
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            self._say(f"  the result kept in {kept} is of no use ({error}); it is computed again")
            return None

    def remove(self, key: str) -> None:
        """Delete the result of a key, if it is there: it was logged."""
        shutil.rmtree(self._root / key, ignore_errors=True)
        if self._root.is_dir() and not any(self._root.iterdir()):
            self._root.rmdir()

    def _keep(self, key: str, directory: Path, seconds: float) -> None:
        digests = {
            path.relative_to(directory).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(directory.rglob("*"))
            if path.is_file()
        }
        partial = self._root / f".{key}.{os.getpid()}.tmp"
        shutil.copytree(directory, partial)
        about = {**_FORMAT, "seconds": seconds, "files": digests}
        (partial / _ABOUT).write_text(json.dumps(about, indent=1))
        shutil.rmtree(self._root / key, ignore_errors=True)
        partial.replace(self._root / key)
