"""Which task is done next: the ready one of longest rank that nobody is at (`lth.plan.order`).

Processes that share a tracking store so share the work: each takes what is free, and waits only when all that
is left needs what another is at. Where tasks are done is the engine's affair (`lth.study.engine`).
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from lth.errors import MendableError
from lth.plan.order import Frontier, time_with
from lth.plan.place import Place
from lth.plan.tasks import Task
from lth.study.engine.engine import Engine, LostWorkerError, Outcome
from lth.study.rates import Rates, group_of, is_prompt
from lth.study.record.load import LostResultError
from lth.tracking.client import StoreError, told
from lth.tracking.process import described
from lth.tracking.run import LostRunError
from lth.tracking.store import FoundRun

RETRIES = 3
_POLL_SECONDS = 2.0
_REST_SECONDS = 0.1  # until a task that another process is just beginning is looked at again
_LEAST_AGE_SECONDS = 2.0  # of what is known of others before they are looked at again
_SHARE = 50  # at most one part in so many of the time is spent on looking


class Desk(Protocol):
    """What is known of tasks, and what is to be seen to before and after them."""

    def refresh(self) -> None:
        """See what other processes have begun and finished."""

    def known(self, task: Task) -> str | None:
        """Return the run that holds the result of a task, if it is known; asks nobody."""

    def find(self, task: Task) -> str | None:
        """Return the run that holds the result of a task, if there is one."""

    def busy(self, task: Task) -> FoundRun | None:
        """Return the run in which another process that is alive is at a task, if one is known."""

    def note(self, task: Task, run_id: str) -> None:
        """Note that a task was done, in this run."""

    def give_up(self, task: Task, lost: LostResultError) -> None:
        """Take a run for one that holds no result."""

    def disown(self, task: Task, process: str) -> None:
        """Mark the run of a task as left by a process that is gone."""

    def check(self, task: Task) -> None:
        """Raise if a task can't be done, before anything is done for it."""

    def prepare(self) -> None:
        """Try what is to be done of a user's own network, before anything is done."""

    def check_found(self, task: Task, run_id: str) -> None:
        """Raise `LostResultError` if a run does not hold the result of a task any more."""

    def take(self, task: Task, run_id: str, *, adopt: bool) -> None:
        """Take the result of a task that was found in a run."""

    def rates(self, tasks: Iterable[Task]) -> Rates:
        """Return how long tasks take, by those of these that are finished, else as predicted."""


class UnfinishedError(MendableError):
    """Some tasks failed, and others could not be done without them; all else is done.

    Args:
        failed: Why, by task.
        skipped: What was not done for them.
        done: How many are finished.
    """

    def __init__(self, failed: Mapping[Task, Exception], skipped: Sequence[Task], done: int) -> None:
        self.failed = dict(failed)
        self.faults = [
            error for error in failed.values() if not isinstance(error, MendableError) and told(error) is None
        ]
        count = f"{len(failed)} task{'s' * (len(failed) > 1)} failed"
        without = f", {len(skipped)} could not be done without" if skipped else ""
        lines = [f"  {task.name}: {_told(error)}" for task, error in failed.items()]
        if skipped:
            shown = ", ".join(task.name for task in skipped[:5])
            lines.append(f"  not done: {shown}{f' and {len(skipped) - 5} more' * (len(skipped) > 5)}")
        super().__init__("\n".join([f"{count}{without}; {done} are finished", *lines]))


@dataclass(frozen=True)
class Progress:
    """How far the work is, for people.

    Args:
        done: Tasks that are finished.
        running: By whom, and since when by `time.monotonic`, a task is done here.
        elsewhere: Tasks that other commands are at.
        waiting: Tasks that are neither.
        failed: Tasks that failed, and those that can't be done without.
        targets: What was asked for.
        unfinished: What of it, and of what it needs, is not finished and has not failed.
        rates: How long tasks take.
        count: How many are done at once.
    """

    done: int
    running: Mapping[Task, tuple[str, float]]
    elsewhere: int
    waiting: int
    failed: int
    targets: Sequence[Task]
    unfinished: Collection[Task]
    rates: Rates
    count: int

    @property
    def rest(self) -> float:
        """The seconds that the rest takes, if nobody else works on it: the order simulated from now on."""
        now = time.monotonic()

        def left(task: Task) -> float:
            _, began = self.running.get(task, ("", now))
            return max(0.0, self.rates.seconds(task) - (now - began))

        rest = Frontier(self.targets, lambda task: task not in self.unfinished, self.rates.seconds, is_prompt)
        return time_with(rest, self.count, left)


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
    told_found: set[Task] = field(default_factory=set)
    waited_for: set[Task] = field(default_factory=set)
    told_missing: set[Task] = field(default_factory=set)
    refused: set[Task] = field(default_factory=set)  # by a process that was just beginning it
    refusals: int = 0  # in a row
    running: dict[Task, tuple[str, float]] = field(default_factory=dict)  # by whom, and since when
    tries: dict[Task, int] = field(default_factory=dict)  # of tasks whose process was lost
    failed: dict[Task, Exception] = field(default_factory=dict)
    skipped: list[Task] = field(default_factory=list)
    lost: set[str] = field(default_factory=set)  # runs whose files are gone
    needed_by: dict[Task, Task | None] = field(default_factory=dict)
    rates: Rates = field(default_factory=Rates)


class Scheduler:
    """Has tasks done.

    Args:
        desk: Knows of them.
        engine: Does them.
        say: Tells the user.
        retries: How often a task is done again whose process was lost.
        keep_going: Whether, where a task fails, all is done that does not need it.
        watch: Is told how far the work is.
    """

    def __init__(
        self,
        desk: Desk,
        engine: Engine,
        say: Callable[[str], None],
        *,
        retries: int = RETRIES,
        keep_going: bool = False,
        watch: Callable[[Progress], None] = lambda _progress: None,
    ) -> None:
        self._desk, self._engine, self._say = desk, engine, say
        self._retries, self._keep_going, self._watch = retries, keep_going, watch
        self._looked, self._looking = 0.0, 0.0  # when at the store, and for how many seconds

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
            targets: Where ranks are equal, they are done in this order.
            adopt: Let the results of the targets go to the run that `mlflow run` created for this process.
            fresh: What is done whatever results there are.
            quiet: Targets that are not told of where they are found.
            on_behalf: Who needs the targets, if it is not the user.

        Raises:
            UnfinishedError: If tasks failed, and the others were done all the same.
        """
        here = _Round(targets, adopt, fresh, quiet, on_behalf)
        self._look()
        try:
            while not self._went_through(here):
                pass
        except BaseException:
            self._engine.cancel()
            raise
        if here.failed:
            raise UnfinishedError(here.failed, here.skipped, len(here.done))

    def _went_through(self, here: _Round) -> bool:
        """Do all there is; False where what held a result turned out to be gone, and it is to be done again."""
        frontier = self._frontier(here)
        try:
            self._tell_found([task for task in frontier.steps if task not in frontier.unfinished], here)
            while frontier.unfinished:
                self._submit(frontier, here)
                self._tell(frontier, here)
                if here.running:
                    outcome = self._engine.outcome(_POLL_SECONDS)
                    if outcome is not None:
                        self._settle(outcome, frontier, here)
                    self._look_again(frontier, here)
                elif frontier.unfinished:
                    self._wait(frontier, here)
        except LostResultError as lost:
            self._give_up(lost, frontier.steps, here)
            return False
        self._tell(frontier, here)
        return True

    def _frontier(self, here: _Round) -> Frontier:
        """Return what is to be done, after checking that it can be done."""
        seen = Frontier(here.targets, lambda task: self._is_finished(task, here), lambda _task: 1.0, is_prompt)
        for target in here.targets:
            here.needed_by.setdefault(target, None)
        for task in seen.steps:
            for need in task.needs if task in seen.unfinished else ():
                here.needed_by.setdefault(need, task)
        for task in reversed(seen.steps):  # what was asked for first
            if task in seen.unfinished:
                self._check(task, here)
        if seen.unfinished:
            self._desk.prepare()
        here.rates.include(self._desk.rates([*seen.steps, *here.targets]))
        frontier = Frontier(
            here.targets, lambda task: self._is_finished(task, here), here.rates.seconds, is_prompt
        )
        for task in here.failed:
            frontier.drop(task)
        return frontier

    def _submit(self, frontier: Frontier, here: _Round) -> None:
        """Have as many tasks done as there are workers free, and tasks."""
        while self._engine.free > 0 and (task := self._next(frontier, here)) is not None:
            is_fresh = task in here.fresh
            if not is_fresh and (self._desk.find(task) is not None or self._desk.busy(task) is not None):
                self._see_others(frontier, here)  # of another study
                continue
            self._tell_missing(task, here)
            runs = {need.key: run for need in task.needs if (run := self._desk.known(need)) is not None}
            adopt = here.adopt and task in here.targets
            began = time.monotonic()
            by = self._engine.submit(task, adopt=adopt, fresh=is_fresh, runs=runs)
            here.running[task] = by, began

    def _next(self, frontier: Frontier, here: _Round) -> Task | None:
        """Return the first task that can be begun here and now.

        One that was refused before, since others are as quick, takes one of the next by chance: else all of
        many would ask for the same again.
        """
        free = [task for task in frontier.ready if self._is_free(task, here)]
        if not free:
            return None
        return free[secrets.randbelow(min(len(free), 2**here.refusals)) if here.refusals else 0]

    def _is_free(self, task: Task, here: _Round) -> bool:
        if task in here.refused or task in here.running:
            return False
        return task in here.fresh or self._desk.busy(task) is None

    def _settle(self, outcome: Outcome, frontier: Frontier, here: _Round) -> None:
        """Take what became of a task."""
        task, error = outcome.task, outcome.error
        _, began = here.running.pop(task)
        if error is None and outcome.run_id is not None:
            here.rates.add(group_of(task), time.monotonic() - began)
            here.done.add(task)
            here.refused.clear()
            here.refusals = 0
            self._desk.note(task, outcome.run_id)
            frontier.finish(task)
        elif error is None or isinstance(error, LostRunError):
            here.refused.add(task)
            here.refusals += 1
            self._look()
            self._see_others(frontier, here)
        elif isinstance(error, LostWorkerError) and here.tries.get(task, 0) < self._retries:
            here.tries[task] = here.tries.get(task, 0) + 1
            if error.process is not None:  # else others wait until it was silent for long
                self._desk.disown(task, error.process)
            self._say(f"{task.name}: {error}; it is gone on with ({here.tries[task]} of {self._retries} times)")
        elif self._keep_going and not isinstance(error, LostResultError | StoreError):
            here.failed[task] = error
            here.skipped += frontier.drop(task)
            self._say(f"{task.name} failed: {_told(error)}")
        else:
            raise error

    def _give_up(self, lost: LostResultError, steps: Sequence[Task], here: _Round) -> None:
        """Take a result whose files are gone for one that is not there."""
        if lost.run_id in here.lost:
            raise lost
        here.lost.add(lost.run_id)
        self._say(f"{lost.name}: what run {lost.run_id} held is gone from {lost.sought}; it is computed again")
        of_it = next((task for task in steps if self._desk.known(task) == lost.run_id), steps[-1])
        self._desk.give_up(of_it, lost)
        here.done = {task for task in here.done if self._desk.known(task) is not None}
        here.told_found &= here.done

    def _check(self, task: Task, here: _Round) -> None:
        """Raise what speaks against a task before anything is done for it, unless it was done elsewhere."""
        if task not in here.checked:
            here.checked.add(task)
            try:
                self._desk.check(task)
            except MendableError:
                if self._desk.find(task) is None:
                    raise

    def _is_finished(self, task: Task, here: _Round) -> bool:
        return task in here.done or (task not in here.fresh and self._desk.known(task) is not None)

    def _look(self) -> None:
        """See what others have begun and finished."""
        began = time.monotonic()
        self._desk.refresh()
        self._looked = time.monotonic()
        self._looking = self._looked - began

    def _look_again(self, frontier: Frontier, here: _Round) -> None:
        """See what others did, if that may have changed and does not cost too much."""
        if time.monotonic() - self._looked >= max(_LEAST_AGE_SECONDS, _SHARE * self._looking):
            here.refused.clear()
            self._look()
            self._see_others(frontier, here)

    def _see_others(self, frontier: Frontier, here: _Round) -> None:
        """Take what others have finished."""
        found = [
            task for task in frontier.steps if task in frontier.unfinished and self._is_finished(task, here)
        ]
        for task in found:
            if task not in here.running:
                frontier.finish(task)
        self._tell_found(found, here)

    def _wait(self, frontier: Frontier, here: _Round) -> None:
        """Wait for another process: for a moment where it is just beginning a task, else longer, and say so."""
        if here.refused:
            time.sleep(_REST_SECONDS)
        elif busy := [(task, run) for task in frontier.ready if (run := self._desk.busy(task)) is not None]:
            task, run = busy[0]
            if task not in here.waited_for:
                self._tell_missing(task, here)
                who = described(run.data.tags)
                self._say(f"{task.name}: {who} is at it, in run {run.info.run_id}; waiting")
                here.waited_for.add(task)
            time.sleep(_POLL_SECONDS)
        here.refused.clear()
        self._look()
        self._see_others(frontier, here)

    def _tell(self, frontier: Frontier, here: _Round) -> None:
        left = frontier.unfinished
        elsewhere = sum(
            task not in here.running and self._desk.busy(task) is not None for task in frontier.ready
        )
        failed = len(here.failed) + len(here.skipped)
        self._watch(
            Progress(
                done=len(frontier.steps) - len(left) - failed,
                running=dict(here.running),
                elsewhere=elsewhere,
                waiting=len(left) - len(here.running) - elsewhere,
                failed=failed,
                targets=here.targets,
                unfinished=frozenset(left),
                rates=here.rates,
                count=self._engine.count,
            )
        )

    def _tell_found(self, steps: Sequence[Task], here: _Round) -> None:
        """Take what was finished by others, and tell the user of what was asked for."""
        for task in steps:
            if task in here.told_found or task in here.done:
                continue
            here.told_found.add(task)
            run_id = self._desk.known(task)
            assert run_id is not None
            is_told = here.on_behalf is None and task not in here.quiet
            if is_told if here.needed_by[task] is None else not _is_training(task):
                self._desk.check_found(task, run_id)
                self._say(f"{task.name}: found in run {run_id}, nothing to compute")
                self._desk.take(task, run_id, adopt=here.adopt and task in here.targets)
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


def _told(error: Exception) -> str:
    return str(error) if isinstance(error, MendableError) else told(error) or f"{type(error).__name__}: {error}"
