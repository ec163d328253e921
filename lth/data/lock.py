"""One process at a time where a data set is made ready: the others wait, and say so."""

from __future__ import annotations

import sys

from filelock import FileLock, Timeout


def acquire(lock: FileLock, waiting: str) -> None:
    """Acquire the lock, and say on standard error that this process waits, if it does."""
    try:
        lock.acquire(timeout=0)
    except Timeout:
        sys.stderr.write(f"{waiting}\n")
        sys.stderr.flush()
        lock.acquire()
