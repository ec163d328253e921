"""What does tasks, several at a time: takes one where a worker is free, and says what became of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from lth.errors import MendableError
from lth.plan.tasks import Task


class RemoteFaultError(MendableError):
    """An error in another process that no user made; it says where its traceback is."""


class LostWorkerError(MendableError):
    """The process that was at a task is gone.

    Args:
        how: What is known of it.
        process: As its runs name it, if the engine knows and this machine can't look it up.
    """

    def __init__(self, how: str, process: str | None = None) -> None:
        super().__init__(how)
        self.process = process


@dataclass(frozen=True)
class Outcome:
    """What became of a task.

    Args:
        task: Which.
        run_id: The run that holds its result; None where there is an error, or another process was first.
        error: Why there is no result.
    """

    task: Task
    run_id: str | None = None
    error: Exception | None = None


class Engine(Protocol):
    """Does tasks whose needs are there."""

    @property
    def count(self) -> int:
        """How many tasks it does at once."""

    @property
    def free(self) -> int:
        """How many more tasks it takes now."""

    def submit(self, task: Task, *, adopt: bool, fresh: bool, runs: Mapping[str, str]) -> str:
        """Have a task done, and return what a person calls who does it.

        Args:
            task: Which; at most `free` are taken.
            adopt: Whether its result may go to the run that `mlflow run` created for this process.
            fresh: Whether it is done whatever there is.
            runs: The runs of what it needs, by their keys.
        """

    def outcome(self, seconds: float) -> Outcome | None:
        """Return what became of a task that was submitted; None if nothing is known after so many seconds."""

    def cancel(self) -> None:
        """Have all tasks that are under way keep their progress and end, and wait until they have."""
