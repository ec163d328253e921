"""Other processes for the tests to meet: they do nothing until they are ended."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import psutil

from lth.tracking.process import PID, PROCESS, ownership


def this_machine() -> str:
    """Return what the tag of this process says before its pid and start time."""
    return ownership()[PROCESS].rsplit(" ", 2)[0]


def tags_of(pid: int, *, started: float | None = None, machine: str | None = None) -> dict[str, str]:
    """Return the tags of a run that the process of this pid writes."""
    began = psutil.Process(pid).create_time() if started is None else started
    place = this_machine() if machine is None else machine
    return {**ownership(), PID: str(pid), PROCESS: f"{place} {pid} {began:.2f}"}


class Child:
    """A process that waits; its tags are there after its end too."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        self.pid = self._process.pid
        self.tags = tags_of(self.pid)

    def die(self) -> None:
        """Kill it, and leave it as a zombie that nobody asked how it ended."""
        self._process.kill()
        os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)

    def end(self) -> None:
        """Kill it, if it is alive, and wait until nothing is left of it."""
        self._process.kill()
        self._process.communicate()


@contextmanager
def waiting_child() -> Iterator[Child]:
    """Start a child, and end it after the block."""
    child = Child()
    try:
        yield child
    finally:
        child.end()


@cache
def dead_tags() -> dict[str, str]:
    """Return the tags of a run whose process has ended."""
    with waiting_child() as child:
        return child.tags
