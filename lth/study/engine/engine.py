"""What does tasks, several at a time: takes one where a worker is free, and says what became of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from lth.errors import MendableError
from lth.plan.tasks import Task
from lth.study.record.load import LostResultError

LOGS = Path("lth-logs")  # in the working directory
SECONDS_TO_END = 60.0  # in which a task that is interrupted keeps its progress


class RemoteFaultError(MendableError):
    """An error in another process that no user made; it says where its traceback is."""


class OutOfMemoryError(MendableError):
    """The memory did not suffice for a task in another process."""


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


@dataclass(frozen=True)
class Terms:
    """What workers in other processes are told, and what is made of what they tell.

    Args:
        count: How many tasks they do at once.
        opening: How each opens the studies: plain values (`lth.study.engine.worker`).
        say: Tells the user what they say.
        lost: Returns the error that says that what a run held is gone from a place.
        study_of: Returns the number of the study that a task is of.
        logs: Where each task's own log is written, on the machine that does it.
    """

    count: int
    opening: Mapping[str, object]
    say: Callable[[str], None]
    lost: Callable[[str, str], LostResultError]
    study_of: Callable[[Task], int]
    logs: Path = LOGS

    @property
    def opened(self) -> dict[str, object]:
        """What a worker is told first."""
        return {**self.opening, "logs": str(self.logs.absolute())}

    def asked(self, task: Task, *, fresh: bool, runs: Mapping[str, str]) -> dict[str, Any]:
        """Return how a worker is asked for a task, of which it is told the runs of the needs by their keys."""
        return {"do": task.key, "study": self.study_of(task), "fresh": fresh, "runs": dict(runs)}

    def label(self, worker: str, task: Task | None) -> str:
        """Return what a person calls a worker, with the seed that it is at where there are several."""
        seeds = self.opening.get("seeds")
        if task is None or not isinstance(seeds, list) or len(seeds) < 2:
            return worker
        return f"{worker}, seed {seeds[self.study_of(task)]}"

    def say_ending(self, tasks: int) -> None:
        """Tell the user what is waited for, where so many tasks under way are interrupted."""
        if tasks:
            what = "a task keeps its" if tasks == 1 else f"{tasks} tasks keep their"
            self.say(f"interrupting: {what} progress, which may take up to {SECONDS_TO_END:.0f} s")


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
