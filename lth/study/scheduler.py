"""Which task of a study is done next: the first that is ready and that nobody is at.

Processes that share a tracking store so share the work: each takes what is free, and waits only when all that
is left needs what another is at. One process alone does everything in order.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from lth.errors import MendableError
from lth.plan.place import Place
from lth.plan.tasks import Task
from lth.study.index import StudyIndex
from lth.study.record.load import LostResultError
from lth.tracking.process import described

_POLL_SECONDS = 2.0
_REST_SECONDS = 0.1  # until a task that another process is just beginning is looked at again


class Worker(Protocol):
    """Does tasks whose needs are there."""

    def check(self, task: Task) -> None:
        """Raise if a task can't be done, before anything is done for it."""

    def do(self, task: Task, *, adopt: bool, fresh: bool) -> str | None:
        """Return the run in which a task was done; None where another process has done it, or is at it."""

    def check_found(self, task: Task, run_id: str) -> None:
        """Raise `LostResultError` if a run does not hold the result of a task any more."""

    def take(self, task: Task, run_id: str, *, adopt: bool) -> None:
        """Take the result of a task that was found in a run."""


@dataclass
class _Round:
    """What was asked for at once, and what has become of it.

    Args:
        targets: What was asked for.
        adopt: Whether it goes to the run that `mlflow run` made.
        fresh: What is done whatever there is.
        quiet: What is not told where it is found.
        on_behalf: Who needs the targets, if that is no task.
    """

    targets: Sequence[Task]
    adopt: bool
    fresh: Collection[Task]
    quiet: Collection[Task]
    on_behalf: str | None
    done: set[Task] = field(default_factory=set)
    checked: set[Task] = field(default_factory=set)
    waited_for: set[Task] = field(default_factory=set)
    told_missing: set[Task] = field(default_factory=set)
    refused: set[Task] = field(default_factory=set)  # by a process that was just beginning it
    lost: set[str] = field(default_factory=set)  # runs whose files are gone
    needed_by: dict[Task, Task | None] = field(default_factory=dict)  # of the last walk


class Scheduler:
    """Has the tasks of a study done.

    Args:
        index: Of the study's runs.
        worker: Does them.
        say: Tells the user.
    """

    def __init__(self, index: StudyIndex, worker: Worker, say: Callable[[str], None]) -> None:
        self._index, self._worker, self._say = index, worker, say

    def finish(
        self,
        targets: Sequence[Task],
        *,
        adopt: bool = False,
        fresh: Collection[Task] = (),
        quiet: Collection[Task] = (),
        on_behalf: str | None = None,
    ) -> None:
        """Return when all targets are finished: here, or by other processes.

        Args:
            targets: In the order in which they are done where this process is alone.
            adopt: Let the results of the targets go to the run that `mlflow run` created for this process.
            fresh: What is done whatever results there are.
            quiet: Targets that are not told of where they are found.
            on_behalf: Who needs the targets, if it is not the user.
        """
        self._index.refresh()
        here = _Round(targets, adopt, fresh, quiet, on_behalf)
        while True:
            steps = list(self._walk(here))
            task = next((task for task in steps if self._is_free(task, here)), None)
            try:
                self._tell_found(steps if task is None else steps[: steps.index(task)], here)
                if task is not None:
                    self._do(task, here)
                elif all(self._is_finished(task, here) for task in steps):
                    return
                else:
                    self._wait(steps, here)
            except LostResultError as lost:
                self._give_up(lost, here)

    def _do(self, task: Task, here: _Round) -> None:
        is_fresh = task in here.fresh
        if not is_fresh and (self._index.find(task.key) is not None or self._index.busy(task.key) is not None):
            return  # of another study
        self._tell_missing(task, here)
        run_id = self._worker.do(task, adopt=here.adopt and task in here.targets, fresh=is_fresh)
        if run_id is None:
            here.refused.add(task)
            self._index.refresh()
        else:
            here.done.add(task)
            here.refused.clear()
            self._index.add(task.key, run_id)

    def _give_up(self, lost: LostResultError, here: _Round) -> None:
        """Take a result whose files are gone for one that is not there."""
        if lost.run_id in here.lost:
            raise lost
        here.lost.add(lost.run_id)
        self._say(f"{lost.name}: what run {lost.run_id} held is gone from {lost.sought}; it is computed again")
        self._index.give_up(lost.run_id, lost.sought)
        here.done = {task for task in here.done if self._index.known(task.key) is not None}

    def _walk(self, here: _Round) -> Iterator[Task]:
        """Yield all tasks that the targets need, each after its own needs; not what finished ones need."""
        here.needed_by.clear()
        seen: set[Task] = set()
        for target in here.targets:
            here.needed_by.setdefault(target, None)
            yield from self._visit(target, seen, here)

    def _visit(self, task: Task, seen: set[Task], here: _Round) -> Iterator[Task]:
        if task in seen:
            return
        seen.add(task)
        if not self._is_finished(task, here):
            self._check(task, here)
            for need in task.needs:
                here.needed_by.setdefault(need, task)
                yield from self._visit(need, seen, here)
        yield task

    def _check(self, task: Task, here: _Round) -> None:
        """Raise what speaks against a task before anything is done for it, unless it was done elsewhere."""
        if task not in here.checked:
            here.checked.add(task)
            try:
                self._worker.check(task)
            except MendableError:
                if self._index.find(task.key) is None:
                    raise

    def _is_finished(self, task: Task, here: _Round) -> bool:
        return task in here.done or (task not in here.fresh and self._index.known(task.key) is not None)

    def _is_ready(self, task: Task, here: _Round) -> bool:
        return not self._is_finished(task, here) and all(self._is_finished(need, here) for need in task.needs)

    def _is_free(self, task: Task, here: _Round) -> bool:
        """Say whether a task can be begun here and now."""
        if task in here.refused or not self._is_ready(task, here):
            return False
        return task in here.fresh or self._index.busy(task.key) is None

    def _wait(self, steps: Sequence[Task], here: _Round) -> None:
        """Wait for another process: for a moment where it is just beginning a task, else longer, and say so."""
        ready = [task for task in steps if self._is_ready(task, here) and task not in here.refused]
        if here.refused:
            time.sleep(_REST_SECONDS)
        elif busy := [(task, run) for task in ready if (run := self._index.busy(task.key)) is not None]:
            task, run = busy[0]
            if task not in here.waited_for:
                self._tell_missing(task, here)
                who = described(run.data.tags)
                self._say(f"{task.name}: {who} is at it, in run {run.info.run_id}; waiting")
                here.waited_for.add(task)
            time.sleep(_POLL_SECONDS)
        here.refused.clear()
        self._index.refresh()

    def _tell_found(self, steps: Sequence[Task], here: _Round) -> None:
        """Take what was finished by others, and tell the user of what was asked for."""
        for task in steps:
            if task in here.done or not self._is_finished(task, here):
                continue
            run_id = self._index.known(task.key)
            assert run_id is not None
            is_told = here.on_behalf is None and task not in here.quiet
            if is_told if here.needed_by[task] is None else not _is_training(task):
                self._worker.check_found(task, run_id)
                self._say(f"{task.name}: found in run {run_id}, nothing to compute")
                self._worker.take(task, run_id, adopt=here.adopt and task in here.targets)
            here.done.add(task)

    def _tell_missing(self, task: Task, here: _Round) -> None:
        """Say once of each training that nobody asked for which other task needs it, the outermost first."""
        chain = [task]
        while (by := here.needed_by.get(chain[-1])) is not None:
            chain.append(by)
        for need in reversed(chain):
            by_task = here.needed_by.get(need)
            by_name = here.on_behalf if by_task is None else by_task.name
            if by_name is not None and _is_training(need) and need not in here.told_missing:
                self._say(f"{by_name} needs {need.name}, which is missing")
                here.told_missing.add(need)


def _is_training(task: Task) -> bool:
    return isinstance(task.node, Place)
