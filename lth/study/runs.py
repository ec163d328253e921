"""The runs of a study on the tracking store: found by content key, waited for, or opened by one process."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType

from lth.solution.problem import Problem
from lth.study.record.solution import log_setting, measuring, study_name, study_tags, task_tags
from lth.tracking.folder import clear_progress
from lth.tracking.process import described
from lth.tracking.run import RunLog
from lth.tracking.store import FRESH, FROM_RUN, KEY, Store

MEASURING = "lth.measuring"  # on the study's run: what its trends were measured with
_POLL_SECONDS = 2.0


class StudyRuns:
    """The runs of one study.

    Args:
        problem: The study's.
        store: Where the runs are.
        say: Tells the user.
        pinned: The run to use for a key, whichever others there are.
    """

    def __init__(
        self, problem: Problem, store: Store, say: Callable[[str], None], pinned: Mapping[str, str]
    ) -> None:
        self._problem, self._store, self._say, self._pinned = problem, store, say, pinned
        # The run whose lineage the study continues, if it is not its own.
        self._origin = ",".join(pinned.values()) if problem.keys.given else ""
        if self._origin:
            say(f"continuing the lineage of run {self._origin}, as a study of its own")
        self._parent_run: str | None = None
        self._measurements_run: str | None = None

    @property
    def name(self) -> str:
        """What a person calls the study: preset, seed, and what it changes."""
        return study_name(self._problem, self._origin)

    def lookup(self, key: str) -> str | None:
        """Return the run that holds the result of a key, if there is one."""
        return self._pinned.get(key) or self._store.find(key)

    def find_or_do(self, name: str, key: str, do: Callable[[], str | None], *, adopt: bool, fresh: bool) -> str:
        """Return the run that holds the result of a key, where there is none after doing the task.

        Args:
            name: What a person calls the task.
            key: Of the result.
            do: Does the task and returns its run, or None where `task` found another process at it.
            adopt: Let the run that `mlflow run` created point to what is found.
            fresh: Do it whatever there is.
        """
        while True:
            found = None if fresh else self.wait_for(name, key)
            if found is not None:
                self._say(f"{name}: found in run {found}, nothing to compute")
                clear_progress(self._store.append(found))  # of a process killed between its last two steps
                if adopt:
                    self._store.point_to(found, name, self.parent())
                return found
            if (done := do()) is not None:
                return done

    def wait_for(self, name: str, key: str) -> str | None:
        """Return the finished run of a key, after another process that is at it has ended."""
        told = False
        while (found := self.lookup(key)) is None and (busy := self._store.alive(key)) is not None:
            if not told:
                self._say(f"{name}: {described(busy.data.tags)} is at it, in run {busy.info.run_id}; waiting")
                told = True
            time.sleep(_POLL_SECONDS)
        return found

    @contextmanager
    def task(
        self,
        name: str,
        kind: str,
        level: int,
        density: float | None,
        key: str,
        *,
        adopt: bool,
        fresh: bool,
        tags: Mapping[str, str] = MappingProxyType({}),
    ) -> Iterator[RunLog | None]:
        """Open the run of a task; None where another process has done it meanwhile, or is at it."""
        own = {**task_tags(self._problem, kind, level, density, key), **tags}
        if self._problem.keys.given:
            own[FROM_RUN] = self._origin
        if fresh:
            own[FRESH] = "true"
        parent = self.measurements() if kind == "measurement" else self.parent()
        with self._store.open_alone(name, own, parent=parent, adopt=adopt) as run:
            if run is not None:
                log_setting(run, self._problem, level, density)
                # Also shows, before the work and not after it, that artifacts can be written.
                run.json(self._problem.setting.flat(), "setting.json")
            yield run

    def parent(self) -> str:
        """Return the run all others of this study are shown under; it is made when first needed."""
        if self._parent_run is None:
            self._parent_run = self._find_or_open(self._problem.keys.study(), self.name, "study", None)
        return self._parent_run

    def measurements(self) -> str:
        """Return the run that the measurements are shown under, so that they do not bury the solutions."""
        if self._measurements_run is None:
            key = self._problem.keys.measurements()
            self._measurements_run = self._find_or_open(key, "measurements", "measurements", self.parent())
        return self._measurements_run

    def _find_or_open(self, key: str, name: str, kind: str, parent: str | None) -> str:
        tags = {**study_tags(self._problem), "kind": kind, MEASURING: measuring(self._problem), KEY: key}
        while not (runs := self._store.search(f"tags.`{KEY}` = '{key}'")):
            with self._store.open_alone(name, tags, parent=parent) as run:
                if run is not None:
                    log_setting(run, self._problem, None, None)
        return str(runs[-1].info.run_id)  # the first, if an earlier version made two
