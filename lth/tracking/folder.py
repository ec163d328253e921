"""What a task keeps among the artifacts of its run to go on from, and when it is time for more."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import TypeVar

from mlflow.exceptions import MlflowException

from lth.sealed import CheckpointError, step_of
from lth.tracking.client import StoreError
from lth.tracking.run import LostRunError, RunLog

PROGRESS = "progress"  # the artifact folder
KEPT = "lth.kept"  # on a run that may have one
MOST_KEPT = 2  # the one before is whole if the latest was not written to its end
_SHARE = 0.01  # of the time that keeping may take
_SHARE_IN_VAIN = 0.1  # the same after an attempt that failed: the store may soon be there again

Found = TypeVar("Found")


def clear_progress(run: RunLog) -> None:
    """Delete what a run kept, when it is finished; a store that does not answer now keeps it."""
    if not run.may_have(PROGRESS):
        return
    with suppress(StoreError, MlflowException, OSError), run.in_a_hurry():
        if run.files(PROGRESS):
            run.remove(PROGRESS)
        run.remove_tag(KEPT)


class ProgressFolder:
    """The files that a task keeps among the artifacts of its run, and when it is time for more.

    Args:
        run: The task's.
        every: Seconds between two times; more, where keeping takes more than a hundredth of that.
        say: Tells the user.
    """

    def __init__(self, run: RunLog, every: float, say: Callable[[str], None]) -> None:
        self._run, self._every, self._pause, self._say = run, every, every, say
        self._last = self._began = time.monotonic()
        self._seconds_before = 0.0
        self._is_marked = False
        self.spent = 0.0  # seconds on keeping, in this process

    @property
    def seconds(self) -> float:
        """How long the task has taken, in this process and those before it."""
        return self._seconds_before + time.monotonic() - self._began

    def names(self, kind: str) -> list[str]:
        """Return the files of one kind, those of the latest step first."""
        there = self._run.files(PROGRESS) if self._run.may_have(PROGRESS) else []
        return sorted((name for name in there if step_of(name, kind) is not None), reverse=True)

    def latest(self, kind: str, restore: Callable[[str, bytes], tuple[Found, float]]) -> Found | None:
        """Return what the latest file of a kind holds that can be gone on from, and say why others can't.

        Args:
            kind: Of the files.
            restore: Gets name and content; returns what they hold and the seconds the task had taken, or
                raises CheckpointError.
        """
        for name in self.names(kind):
            try:
                found, self._seconds_before = restore(name, self.read(name))
            except (CheckpointError, MlflowException, OSError) as error:
                self._say(f"  can't go on from {name}: {error}")
                continue
            return found
        return None

    def read(self, name: str) -> bytes:
        """Return the content of a file."""
        return self._run.read(f"{PROGRESS}/{name}")

    def write(self, name: str, content: bytes) -> None:
        """Write a file."""
        self._run.file(f"{PROGRESS}/{name}", content)

    def remove_others(self, kind: str, valid: Collection[str]) -> None:
        """Delete the files of a kind but those that are named, also what could not be gone on from."""
        for other in set(self.names(kind)) - set(valid):
            self._run.remove(f"{PROGRESS}/{other}")

    def is_due(self) -> bool:
        """Say whether so much time has passed."""
        return time.monotonic() - self._last >= self._pause

    def keep(self, what: str, write: Callable[[], None]) -> None:
        """Have `write` keep something, after all that led to it was sent.

        A store that does not take it now is asked again later: the task does not end for it.

        Raises:
            LostRunError: If another process has taken the run over.
        """
        began, share = time.monotonic(), _SHARE
        try:
            with self._run.in_a_hurry():
                self._run.check_owner()
                self._run.flush()
                self._mark()
                write()
        except LostRunError:
            raise
        except Exception as error:  # MLflow lets through whatever its stores raise
            self._say(f"  {what} could not be kept: {error}")
            share = _SHARE_IN_VAIN
        self._last = time.monotonic()
        self.spent += self._last - began
        self._pause = max(self._every, (self._last - began) / share)

    def _mark(self) -> None:
        """Say on the run that it may have the folder, so that it is known without looking."""
        if not self._is_marked:
            self._run.tags({KEPT: "true"})
            self._is_marked = True
