"""What the user's own code raises, told in one line with the file and the line of theirs that it came from."""

from __future__ import annotations

import inspect
import sys
import sysconfig
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lth.errors import InputError, MendableError

_LONGEST = 500  # characters of what an exception says


@contextmanager
def own_faults(lead: str, name: str = "", *, only_theirs: bool = False) -> Iterator[None]:
    """Turn whatever the user's own code raises into one line: `lead`, the exception, and their file and line.

    What a user can mend is said already, and a lack of memory is nobody's fault: both pass, as Ctrl-C does.

    Args:
        lead: What failed, such as `network=zoo:net fails in training mode:`.
        name: The function `package.module:function` that names their code, of whichever package it is.
        only_theirs: Leave what is raised where no line of theirs ran; else nothing but theirs runs here.

    Raises:
        InputError: If their code raised anything, `SystemExit` and exceptions of their own included.
    """
    try:
        yield
    except (MendableError, KeyboardInterrupt, GeneratorExit, MemoryError):
        raise
    except BaseException as error:
        where = _own_line(error, name, only_theirs=only_theirs)
        if is_out_of_memory(error) or (only_theirs and where is None):
            raise
        raise InputError(f"{lead} {described(error)} ({where or _last_line(error)})") from error


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether torch or Python ran out of memory."""
    said = _said(error)
    return isinstance(error, MemoryError) or "out of memory" in said or "can't allocate memory" in said


def described(error: BaseException) -> str:
    """Return the type of an exception and what it says, in one line that is not too long."""
    said = " ".join(_said(error).split())[:_LONGEST]
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def _said(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # an exception of theirs may fail at that too
        return ""


def is_own(path: Path, name: str) -> bool:
    """Return whether a file is the user's own: of the package of `name`, or neither installed nor of lth."""
    own = _package_folder(name)
    if own is not None and path.is_relative_to(own):
        return True
    return path.is_absolute() and not any(map(path.is_relative_to, _foreign_folders()))


def _own_line(error: BaseException, name: str, *, only_theirs: bool) -> str | None:
    """Return the deepest line of the user's own files that led to an exception; None if there is none.

    Args:
        error: What was raised.
        name: As of `own_faults`.
        only_theirs: Leave out a function that lth calls itself, such as one that it tells things. What is
            looked for is called by torch, or while Python imports.
    """
    frames, ours = _frames(error), Path(__file__).parents[1]
    own = {path: is_own(path, name) for path in {path for path, _ in frames}}
    first = next((place for place, (path, _) in enumerate(frames) if own[path]), None)
    if first is None or (only_theirs and first > 0 and frames[first - 1][0].is_relative_to(ours)):
        return None
    return next(f"{path}, line {line}" for path, line in reversed(frames) if own[path])


def _last_line(error: BaseException) -> str:
    frames = _frames(error)
    return f"{frames[-1][0]}, line {frames[-1][1]}" if frames else "no line is known"


def _frames(error: BaseException) -> list[tuple[Path, int]]:
    return [(Path(frame.f_code.co_filename), line) for frame, line in traceback.walk_tb(error.__traceback__)]


def _foreign_folders() -> tuple[Path, ...]:
    """Return where Python, what is installed, and `lth` lie."""
    python = [sysconfig.get_path(kind) for kind in ("stdlib", "platstdlib", "purelib", "platlib")]
    installed = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
    package = Path(__file__).parents[1]
    return (*map(Path, [*python, *installed]), package)


def _package_folder(name: str) -> Path | None:
    """Return the folder or the file of the package that a function named so is of, if it was imported."""
    package = sys.modules.get(name.partition(":")[0].partition(".")[0])
    try:
        file = Path(inspect.getfile(package)) if package is not None else None
    except TypeError:  # built in, or a namespace
        return None
    return file if file is None or file.name != "__init__.py" else file.parent
