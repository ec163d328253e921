"""A tracking store that does not answer, is locked or full: waited for, then given up with what to do."""

from __future__ import annotations

import errno
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

PATIENCE = 300.0  # seconds
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 15.0  # seconds between two attempts
_FULL = {errno.ENOSPC, errno.EDQUOT}
_REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS}  # which no waiting mends
_AWAY = {
    errno.EIO,
    errno.ESTALE,
    errno.ETIMEDOUT,
    errno.ECONNREFUSED,
    errno.ECONNRESET,
    errno.EHOSTUNREACH,
    errno.ENETUNREACH,
}
# How MLflow says that a server was not there, or had no better answer than 5xx.
_UNANSWERED = re.compile(r"API request to .* failed with (timeout |exception |error code (429|5\d\d))")
_STATUS = re.compile(r"\b(429|5\d\d) (Server|Client) Error\b")
_KEPT = "what was finished is kept: once this is mended, the same command goes on"


class StoreError(Exception):
    """The tracking store or its artifacts can't be written or read now; nothing is known to be damaged."""


class PatientClient:
    """The methods of an `MlflowClient`; those that meet a store which does not answer are called again.

    Args:
        patience: Seconds after which it is given up.
        say: Tells the user that it is waited for.
    """

    def __init__(self, patience: float = PATIENCE, say: Callable[[str], None] = lambda _line: None) -> None:
        self.at_once = MlflowClient()  # the same without patience, and with MLflow's own errors
        self._patience, self._say = patience, say

    def __getattr__(self, name: str) -> Any:
        return partial(self.persist, getattr(self.at_once, name))

    @contextmanager
    def in_a_hurry(self) -> Iterator[None]:
        """Give up at the first attempt, for as long as the block lasts."""
        patience, self._patience = self._patience, 0.0
        try:
            yield
        finally:
            self._patience = patience

    def persist(self, call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """Return what `call` returns, after calling it again for as long as the store does not answer.

        Raises:
            StoreError: If it does not for longer than the patience, or refuses access.
        """
        began, pause, told = time.monotonic(), _FIRST_PAUSE, False
        while True:
            try:
                found = call(*arguments, **named)
            except (MlflowException, OSError) as error:
                waited = time.monotonic() - began
                if (reason := _reason(error)) is None:
                    raise
                refused = isinstance(error, OSError) and bool(_numbers(error) & _REFUSED)
                if refused or waited + pause > self._patience:
                    raise StoreError(f"{reason}; {_KEPT}") from error
                if not told:
                    self._say(f"{reason}; trying again for up to {self._patience:.0f} s")
                    told = True
                time.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
                continue
            if told:
                self._say(f"the tracking store answers again, after {time.monotonic() - began:.0f} s")
            return found


def told(error: Exception) -> str | None:
    """Return what a user can do about an error of the store, the disk or the memory; None if it is another.

    Such errors are said in one line. All others are faults of lth, whose traceback is wanted.
    """
    text = " ".join(str(error).split())[:500]
    if isinstance(error, StoreError):
        return text
    if isinstance(error, MlflowException):
        return f"the tracking store refused: {text}"
    if isinstance(error, OSError):
        return _reason(error) or f"a file can't be read or written: {text}"
    if isinstance(error, MemoryError) or "out of memory" in text or "can't allocate memory" in text:
        return f"the memory did not suffice ({text}); lower batch_size or, for measuring, hessian_examples"
    return None


def _reason(error: MlflowException | OSError) -> str | None:
    """Return what is wrong with the store and what to do; None if it answered, and said something else."""
    text = " ".join(str(error).split())[:500]
    if isinstance(error, OSError):
        numbers = _numbers(error)
        if numbers & _FULL:
            return f"the disk of the artifacts is full ({text}): make room there"
        if numbers & _REFUSED:
            return f"the artifacts can't be written ({text}): make their folder writable"
        if numbers & _AWAY or _STATUS.search(text):
            return f"the artifacts can't be reached ({text}): see that their place is there"
    elif error.error_code == "TEMPORARILY_UNAVAILABLE":
        return f"the tracking store does not answer ({text}): see that it runs and is not locked or full"
    elif _UNANSWERED.match(text):
        return f"the tracking server does not answer ({text}): see that it runs"
    return None


def _numbers(error: OSError) -> set[int]:
    """Return the errno; where a tree was copied, those of all files that failed."""
    if isinstance(error, shutil.Error):
        return {int(number) for number in re.findall(r"\[Errno (\d+)\]", str(error))}
    return set() if error.errno is None else {error.errno}
