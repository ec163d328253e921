"""What earlier versions stored: runs under keys of version 1 that hold what a task of now would find.

A solution counts if it was computed in the format of now, which its former key does not say, and all it starts
from counts too; a measurement or an analysis, if every solution it is of does.
"""

from __future__ import annotations

from collections import defaultdict
from functools import cached_property

from lth.plan.former_keys import counts
from lth.plan.keys import TaskKeys
from lth.plan.place import Place
from lth.plan.tasks import Task
from lth.tracking.store import COMPUTED_BY, KEY, PRECISION, FoundRun, Store, is_finished


class FormerRuns:
    """The finished runs of one study that an earlier version made; looked for when the first is asked for.

    Args:
        store: Where the runs are.
        keys: Of the study.
    """

    def __init__(self, store: Store, keys: TaskKeys) -> None:
        self._store, self._keys = store, keys
        self._by_key: dict[str, list[FoundRun]] | None = None  # latest first
        self._counting: dict[str, FoundRun | None] = {}  # by the task's key of now

    def of(self, task: Task, *, search: bool = False) -> FoundRun | None:
        """Return the run that holds the result of a task.

        Args:
            task: Of the study.
            search: Look for its key by itself, too: it may be of another study that shares the task.
        """
        if task.former is None:
            return None
        runs = self._runs()
        if search and task.former not in runs and self._is_of_before:
            runs[task.former] = self._store.of_key(task.former)
            self._counting.clear()
        if task.key not in self._counting:
            held = (run for run in runs.get(task.former, []) if is_finished(run) and self._counts(task, run))
            self._counting[task.key] = next(held, None)
        return self._counting[task.key]

    def refresh(self) -> None:
        """See anew what there is, the next time that something is asked for."""
        if self._by_key:  # else there was nothing, and an earlier version adds nothing meanwhile
            self._by_key = None
            self._counting.clear()

    def _counts(self, task: Task, run: FoundRun) -> bool:
        tags = run.data.tags
        if isinstance(task.node, Place) and not counts(tags.get(COMPUTED_BY), self._keys.computing):
            return False
        return all(self.of(need) is not None for need in task.needs)

    @cached_property
    def _is_of_before(self) -> bool:
        """Say whether the experiment was begun by version 1: its first result would else name its format."""
        first = self._store.first_before
        return first is not None and PRECISION not in first.data.tags

    def _runs(self) -> dict[str, list[FoundRun]]:
        if self._by_key is None:
            self._by_key = defaultdict(list)
            former = self._keys.former
            if former is not None and self._is_of_before:
                for run in self._store.of_study(former.study()):
                    self._by_key[run.data.tags.get(KEY, "")].append(run)
        return self._by_key
