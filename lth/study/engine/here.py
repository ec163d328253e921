"""One task at a time, in this process."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lth.plan.tasks import Task
from lth.study.engine.engine import Outcome


class Here:
    """Does a task when it is submitted; what interrupts it is raised at once.

    Args:
        do: Returns the run in which a task was done; None where another process is at it or has done it.
    """

    count = 1

    def __init__(self, do: Callable[..., str | None]) -> None:
        self._do = do
        self._outcome: Outcome | None = None

    @property
    def free(self) -> int:
        """One, unless what became of the last task was not asked for yet."""
        return 1 if self._outcome is None else 0

    def submit(self, task: Task, *, adopt: bool, fresh: bool, runs: Mapping[str, str]) -> str:  # noqa: ARG002
        """Do a task; this process knows the runs of its needs by itself."""
        try:
            self._outcome = Outcome(task, self._do(task, adopt=adopt, fresh=fresh))
        except Exception as error:  # the scheduler says what follows of it
            self._outcome = Outcome(task, error=error)
        return "this process"

    def outcome(self, seconds: float) -> Outcome | None:  # noqa: ARG002
        """Return what became of the last task."""
        outcome, self._outcome = self._outcome, None
        return outcome

    def cancel(self) -> None:
        """Do nothing: what is under way here was interrupted itself."""
