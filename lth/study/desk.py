"""What a scheduler asks about the tasks of a study, or of several at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from lth.plan.order import walk
from lth.plan.tasks import Task
from lth.study.index import StudyIndex
from lth.study.rates import Rates, by_group, group_of, took
from lth.study.record.load import LostResultError
from lth.study.tasks import TaskWorker
from lth.tracking.store import FoundRun


class StudyDesk:
    """The desk of one study.

    Args:
        index: Of its runs.
        worker: Does its tasks in this process.
        predicted: Returns how many seconds tasks may take, by their keys.
    """

    def __init__(
        self,
        index: StudyIndex,
        worker: TaskWorker,
        predicted: Callable[[Iterable[Task]], Mapping[str, float]],
    ) -> None:
        self._index, self._worker, self._predicted = index, worker, predicted

    def refresh(self) -> None:
        """See what other processes have begun and finished."""
        self._index.refresh()

    def known(self, task: Task) -> str | None:
        """Return the run that holds the result of a task, if it is known; asks nobody."""
        return self._index.known(task.key)

    def find(self, task: Task) -> str | None:
        """Return the run that holds the result of a task, if there is one."""
        return self._index.find(task.key)

    def busy(self, task: Task) -> FoundRun | None:
        """Return the run in which another process that is alive is at a task, if one is known."""
        return self._index.busy(task.key)

    def note(self, task: Task, run_id: str) -> None:
        """Note that a task was done, in this run."""
        self._index.add(task.key, run_id)

    def give_up(self, _task: Task, lost: LostResultError) -> None:
        """Take a run for one that holds no result."""
        self._index.give_up(lost.run_id, lost.sought)

    def refer(self, runs: Mapping[str, str]) -> None:
        """Note which runs hold the results of keys, as another process knows."""
        for key, run_id in runs.items():
            self._index.add(key, run_id)

    def disown(self, task: Task, process: str) -> None:
        """Mark the run of a task as left by a process that is gone."""
        self._index.disown(task.key, process)

    def check(self, task: Task) -> None:
        """Raise if a task can't be done, before anything is done for it."""
        self._worker.check(task)

    def prepare(self) -> None:
        """Try what is to be done of a user's own network, before anything is done."""
        self._worker.prepare()

    def check_found(self, task: Task, run_id: str) -> None:
        """Raise `LostResultError` if a run does not hold the result of a task any more."""
        self._worker.check_found(task, run_id)

    def take(self, task: Task, run_id: str, *, adopt: bool) -> None:
        """Take the result of a task that was found in a run."""
        self._worker.take(task, run_id, adopt=adopt)

    def rates(self, tasks: Iterable[Task]) -> Rates:
        """Return how long tasks take, by those of these that are finished, else as predicted."""
        tasks = list(tasks)
        rates = Rates(by_group(tasks, self._predicted(tasks)))
        for task in tasks:
            run = self._index.own(task.key)
            if run is not None and (seconds := took(run)) is not None:
                rates.add(group_of(task), seconds)
        return rates

    def do(self, task: Task, *, adopt: bool, fresh: bool) -> str | None:
        """Return the run in which a task was done; None where another process has done it, or is at it."""
        return self._worker.do(task, adopt=adopt, fresh=fresh)

    def release(self) -> None:
        """Give back the memory that is held for doing more."""
        self._worker.release()


class JointDesk:
    """The desks of several studies as one; each task is asked about where it belongs.

    Args:
        desks: Of the studies, with the targets of each.
    """

    def __init__(self, desks: Sequence[tuple[StudyDesk, Sequence[Task]]]) -> None:
        self._desks = [desk for desk, _ in desks]
        self._of: dict[Task, StudyDesk] = {}
        self._last: StudyDesk | None = None
        for desk, targets in desks:
            for task in walk(targets, lambda _task: False):
                self._of.setdefault(task, desk)

    def refresh(self) -> None:
        """See what other processes have begun and finished."""
        for desk in self._desks:
            desk.refresh()

    def known(self, task: Task) -> str | None:
        """Return the run that holds the result of a task, if it is known; asks nobody."""
        return self._of[task].known(task)

    def find(self, task: Task) -> str | None:
        """Return the run that holds the result of a task, if there is one."""
        return self._of[task].find(task)

    def busy(self, task: Task) -> FoundRun | None:
        """Return the run in which another process that is alive is at a task, if one is known."""
        return self._of[task].busy(task)

    def note(self, task: Task, run_id: str) -> None:
        """Note that a task was done, in this run."""
        self._of[task].note(task, run_id)

    def give_up(self, task: Task, lost: LostResultError) -> None:
        """Take a run for one that holds no result."""
        self._of[task].give_up(task, lost)

    def disown(self, task: Task, process: str) -> None:
        """Mark the run of a task as left by a process that is gone."""
        self._of[task].disown(task, process)

    def check(self, task: Task) -> None:
        """Raise if a task can't be done, before anything is done for it."""
        self._of[task].check(task)

    def prepare(self) -> None:
        """Try the first study's network, if it is the user's own; the others' in their turn."""
        self._desks[0].prepare()

    def check_found(self, task: Task, run_id: str) -> None:
        """Raise `LostResultError` if a run does not hold the result of a task any more."""
        self._of[task].check_found(task, run_id)

    def take(self, task: Task, run_id: str, *, adopt: bool) -> None:
        """Take the result of a task that was found in a run."""
        self._of[task].take(task, run_id, adopt=adopt)

    def rates(self, tasks: Iterable[Task]) -> Rates:
        """Return how long tasks take: seeds differ in nothing that decides it."""
        by_desk: dict[int, list[Task]] = {}
        for task in tasks:
            by_desk.setdefault(id(self._of[task]), []).append(task)
        together = Rates()
        for desk in self._desks:
            together.include(desk.rates(by_desk.get(id(desk), [])))
        return together

    def do(self, task: Task, *, adopt: bool, fresh: bool) -> str | None:
        """Do a task in this process; the memory of one study is given back before another begins."""
        desk = self._of[task]
        if self._last is not None and self._last is not desk:
            self._last.release()
        self._last = desk
        return desk.do(task, adopt=adopt, fresh=fresh)
