"""The runs of a study on the tracking store: named, tagged, shown under one another, opened by one process."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType

from lth.plan.place import OtherDense, Place
from lth.plan.tasks import Task
from lth.solution.problem import Problem
from lth.study.index import StudyIndex
from lth.study.record.row import MEASURING
from lth.study.record.solution import (
    log_made_of,
    log_place,
    log_setting,
    measuring,
    study_name,
    study_tags,
    task_tags,
)
from lth.study.record.views import views
from lth.tracking.client import TrackingError
from lth.tracking.run import RunLog
from lth.tracking.store import FRESH, FROM_RUN, KEY, FoundRun, Store, is_active

OPENING = "time/opening_seconds"  # from the claim of a task until its run is there


def origin_of(problem: Problem, pinned: Mapping[str, str]) -> str:
    """Return the run whose lineage a study continues; empty if that is its own."""
    return ",".join(pinned.values()) if problem.keys.given else ""


class StudyRuns:
    """The runs of one study.

    Args:
        problem: The study's.
        store: Where the runs are.
        index: Of the runs there are.
        say: Tells the user.
        pinned: The run to use for a key, whichever others there are.
    """

    def __init__(
        self,
        problem: Problem,
        store: Store,
        index: StudyIndex,
        say: Callable[[str], None],
        pinned: Mapping[str, str],
    ) -> None:
        self._problem, self._store, self._index, self._say = problem, store, index, say
        self._origin = origin_of(problem, pinned)
        if self._origin:
            say(f"continuing the lineage of run {self._origin}, as a study of its own")
        self._common: dict[str, str] = {}  # runs that others are shown under, by key

    @property
    def name(self) -> str:
        """What a person calls the study: preset, seed, and what it changes."""
        return study_name(self._problem, self._origin)

    @contextmanager
    def task(
        self,
        task: Task,
        density: float | None,
        *,
        adopt: bool,
        fresh: bool,
        tags: Mapping[str, str] = MappingProxyType({}),
    ) -> Iterator[RunLog | None]:
        """Open the run of a task; None where another process has done it meanwhile, or is at it."""
        began = time.monotonic()
        own = {**task_tags(self._problem, task.kind, task.level, density, task.key), **tags}
        if self._problem.keys.given:
            own[FROM_RUN] = self._origin
        if fresh:
            own[FRESH] = "true"
        parent = self._parent_of(task)
        with self._store.open_alone(task.name, own, parent=parent, adopt=adopt) as run:
            if run is not None:
                models = self._index.models(need.key for need in task.needs if isinstance(need.node, Place))
                # A parameter `level` would list what is beside a study among its solutions (`views`).
                log_setting(run, self._problem, None if task.is_beside else task.level, models=models)
                # Also shows, before the work and not after it, that artifacts can be written.
                run.json(self._problem.setting.flat(), "setting.json")
                if not isinstance(task.node, Place):
                    log_place(run, task.level, density)
            opening, is_solution = {OPENING: time.monotonic() - began}, isinstance(task.node, Place)
            if run is not None and not is_solution:
                run.metrics(opening)
            yield run
            if run is not None and is_solution:  # last, for MLflow draws and compares what came first
                run.metrics(opening)

    def parent(self) -> str:
        """Return the run all others of this study are shown under; it is made when first needed."""
        return self._find_or_open(self._problem.keys.study(), self.name, "study", None)

    def parent_now(self) -> FoundRun:
        """Return that run as it is now; another one where it was deleted since."""
        run = self._store.run(self.parent())
        if is_active(run):
            return run
        self._say(f"{self.name}: its run {run.info.run_id} was deleted; what follows is under another")
        self._common.clear()
        self._index.refresh()
        return self._store.run(self.parent())

    def add(self, log: Callable[[RunLog], None]) -> None:
        """Have something logged on the study's run: on another one, where it was deleted since."""
        try:
            log(self._store.append(self.parent()))
        except TrackingError:
            now = self.parent_now()
            log(self._store.append(str(now.info.run_id)))

    def measurements(self) -> str:
        """Return the run that the measurements are shown under, so that they do not bury the solutions."""
        return self._find_or_open(
            self._problem.keys.measurements(), "measurements", "measurements", self.parent()
        )

    def stability(self) -> str:
        """Return the run that all is shown under by which the study's stability is told."""
        key = self._problem.keys.stability()
        return self._find_or_open(key, "copies under other SGD noise", "copies", self.parent())

    def _parent_of(self, task: Task) -> str:
        if task.is_beside:
            return self.parent() if isinstance(task.node, OtherDense) else self.stability()
        return self.measurements() if task.kind == "measurement" else self.parent()

    def _find_or_open(self, key: str, name: str, kind: str, parent: str | None) -> str:
        tags = {**study_tags(self._problem), "kind": kind, MEASURING: measuring(self._problem), KEY: key}
        while key not in self._common:
            if (first := self._index.first(key)) is not None:  # if an earlier version made two
                self._common[key] = str(first.info.run_id)
                break
            with self._store.open_alone(name, tags, parent=parent) as run:
                if run is not None:
                    log_setting(run, self._problem, None)
                    if kind == "study":
                        self._store.offer_views(views())
                        log_made_of(run, self._problem)
                    self._common[key] = run.run_id
            self._index.refresh()
        return self._common[key]
