"""What is known of a study's runs, from one search: which results there are, and who is at which of the others.

The one place that says which runs hold the result of a key. Most are the study's own, and found together by its
tag. A result that belongs to another study too (one that differs in nothing that decides it), or that a lineage
begins with, is looked for by its key, and only where the task would else be done.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from lth.errors import InputError
from lth.plan.keys import TaskKeys
from lth.plan.tasks import Task
from lth.study.former import FormerRuns
from lth.tracking.process import PROCESS
from lth.tracking.store import KEY, FoundRun, Store, is_busy, is_finished, model_of

COMPLETE = "lth.complete"  # on the study's own run: the key of the evidence that it holds


class StudyIndex:
    """The runs of one study by the content key of their task, as they were at the last `refresh`.

    Args:
        store: Where the runs are.
        keys: Of the study.
        tasks: Of the study, by their keys.
        pinned: The run to use for a key, whichever others there are.
    """

    def __init__(
        self, store: Store, keys: TaskKeys, tasks: Mapping[str, Task], pinned: Mapping[str, str]
    ) -> None:
        self._store, self._study, self._tasks, self._pinned = store, keys.study(), tasks, pinned
        self._former = FormerRuns(store, keys)
        self._own: dict[str, list[FoundRun]] | None = None  # by key, latest first
        self._others: dict[str, list[FoundRun]] = {}  # the same, of keys that were looked for by themselves
        self._models: dict[str, str | None] = {}  # by run, of those that were asked for
        self._done: dict[str, str] = {}  # run by key, of what this process did since

    def refresh(self) -> None:
        """See what other processes have begun and finished; one search."""
        by_key: dict[str, list[FoundRun]] = defaultdict(list)
        for run in self._store.of_study(self._study):
            by_key[run.data.tags.get(KEY, "")].append(run)
            if COMPLETE in run.data.tags:
                by_key[run.data.tags[COMPLETE]].append(run)
        self._own = dict(by_key)
        self._others = {key: runs for key, runs in self._others.items() if any(map(is_finished, runs))}
        self._done.clear()
        self._former.refresh()

    def add(self, key: str, run_id: str) -> None:
        """Note that this process has done a task, in this run."""
        self._done[key] = run_id

    def give_up(self, run_id: str, sought: str) -> None:
        """Take a run for one that holds no result, for what it held is gone; a later one counts instead."""
        self._store.mark_lost(run_id, sought)
        self._others.clear()
        self.refresh()

    def known(self, key: str) -> str | None:
        """Return the run that holds the result of a key, if it is known; asks nobody."""
        if (run_id := self._done.get(key) or self._pinned.get(key)) is not None:
            return run_id
        held = next((run for run in self._runs(key) if self._holds(run, key)), None) or self._former_run(key)
        return None if held is None else str(held.info.run_id)

    def find(self, key: str) -> str | None:
        """Return the run that holds the result of a key, if there is one; may search once more."""
        if self.known(key) is None and key not in self._others:
            self._others[key] = self._store.of_key(key)
            if self.known(key) is None and key in self._tasks:
                self._former.of(self._tasks[key], search=True)
        return self.known(key)

    def own(self, key: str) -> FoundRun | None:
        """Return the run of a task of a key that is finished, if one is known; asks nobody."""
        return next(
            (run for run in self._runs(key) if is_finished(run) and run.data.tags.get(KEY) == key), None
        )

    def disown(self, key: str, process: str) -> None:
        """Mark what a process that is gone left running of a task, for others to go on with it at once."""
        self.refresh()
        for run in self._runs(key):
            if run.info.status == "RUNNING" and run.data.tags.get(PROCESS) == process:
                self._store.disown(str(run.info.run_id), "its worker is gone")
        self.refresh()

    def is_former(self, key: str) -> bool:
        """Say whether the result of a key is one that an earlier version stored under another."""
        former = self._former_run(key)
        return former is not None and self.known(key) == former.info.run_id

    def needed(self, key: str, name: str) -> str:
        """Return the run that holds the result of a key, which is needed.

        Raises:
            InputError: If there is none.
        """
        run_id = self.find(key)
        if run_id is None:
            raise InputError(f"{name} is not in this experiment (any more); ask for it again")
        return run_id

    def busy(self, key: str) -> FoundRun | None:
        """Return the run in which another process that is alive is at the task of a key, if one is known."""
        return next(filter(is_busy, self._runs(key)), None)

    def first(self, key: str) -> FoundRun | None:
        """Return the first run of a key, in whatever state, if one is known."""
        return next(reversed(self._runs(key)), None)

    def run(self, run_id: str) -> FoundRun:
        """Return a run of the index, its tags and last metrics as of the last refresh; else as it is now."""
        if run_id in self._done.values():  # what was seen of it may be of an attempt before ours
            return self._store.run(run_id)
        every = [run for runs in (*(self._own or {}).values(), *self._others.values()) for run in runs]
        every += [run for key in self._tasks if (run := self._former_run(key)) is not None]
        return next((run for run in every if run.info.run_id == run_id), None) or self._store.run(run_id)

    def models(self, keys: Iterable[str]) -> list[str]:
        """Return the logged models of the solutions of some keys, of those that have one."""
        found = []
        for key in keys:
            run_id = self.known(key)
            if run_id is not None and run_id not in self._models:
                self._models[run_id] = model_of(self.run(run_id))
            found.append(None if run_id is None else self._models[run_id])
        return [model for model in found if model is not None]

    def _former_run(self, key: str) -> FoundRun | None:
        return self._former.of(self._tasks[key]) if key in self._tasks else None

    def _runs(self, key: str) -> list[FoundRun]:
        if self._own is None:
            self.refresh()
        assert self._own is not None
        return [*self._own.get(key, []), *self._others.get(key, [])]

    @staticmethod
    def _holds(run: FoundRun, key: str) -> bool:
        """Say whether a run holds the whole result of a key. What the study's own run holds, a tag says."""
        return is_finished(run) if run.data.tags.get(KEY) == key else run.data.tags.get(COMPLETE) == key
