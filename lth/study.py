"""A study as a graph of tasks, each found by its content key or else computed and logged.

    dense <- level 1 <- level 2 <- …            training
                 ^-- seven baselines of a level
    analysis of a level, surface of a level     measuring

Tasks need nothing of each other but the tracking store. What is finished under a key is not computed again;
two processes that start the same task at once both do it.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

from lth.analysis import analyse_level
from lth.checkpoint import write_snapshot, write_solution
from lth.level_surface import survey_level
from lth.recipe import BASELINES, Start
from lth.solution import Kind, Solution, solution_name
from lth.solve import Workbench, check_level, check_measurable, plan, solve
from lth.summary import LevelRow
from lth.tracking.model import log_model
from lth.tracking.record import (
    log_analysis,
    log_analysis_trend,
    log_epoch,
    log_results,
    log_setting,
    log_solution,
    log_solution_trend,
    log_surface,
    measuring,
    study_name,
    study_tags,
    task_tags,
)
from lth.tracking.run import RunLog
from lth.tracking.store import FROM_RUN, KEY, Store
from lth.train import EpochRecord, snapshot_epochs
from lth.weights import Weights

MEASURING = "lth.measuring"  # on the study's run: what its trends were measured with


class Study:
    """All tasks of one network, data set, schedule and seed, on one tracking store.

    Methods return the id of the run that holds the result. With `adopt`, the result is logged to the run that
    `mlflow run` created, or that run points to where the result was found. With `fresh`, the task is done
    again even if its result exists; what it needs is reused all the same. `pinned` names the run to use for a
    key, whichever others there are.
    """

    def __init__(
        self,
        bench: Workbench,
        store: Store,
        say: Callable[[str], None],
        pinned: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.bench = bench
        self._pinned = pinned
        self._store = store
        self._say = say
        self._parent_run: str | None = None
        # The run whose lineage this study continues, if it is not its own.
        self._origin = ",".join(pinned.values()) if bench.keys.given else ""
        if self._origin:
            say(f"continuing the lineage of run {self._origin}, as a study of its own")

    def solution(self, kind: Kind, level: int, *, adopt: bool = False, fresh: bool = False) -> str:
        """Return the run of a solution, after training it and what it needs where that is missing."""
        name, key = solution_name(kind, level), self.bench.keys.solution(kind, level)
        if (found := self._find(name, key, adopt=adopt, fresh=fresh)) is not None:
            return found
        if kind == "imp" and level < len(self.bench.keys.given):
            raise ValueError(f"{name}, an ancestor of from_run, is not in this experiment (any more)")
        check_level(self.bench, level)
        previous = self._needed(level - 1, name) if level > 0 else None
        dense = self._needed(0, name) if kind == "one_shot" else None
        start = plan(self.bench, kind, level, previous, dense)
        with self._task(name, kind, level, start.mask.density, key, adopt=adopt) as run:
            self._say(f"training {name}, density {start.mask.density:.1%}, in run {run.run_id}")
            solution = self._solve_and_log(run, kind, level, start, previous)
        log_solution_trend(self._store.append(self._parent()), solution)
        return run.run_id

    def analysis(self, level: int, *, adopt: bool = False, fresh: bool = False) -> str:
        """Return the run of the analysis of a level, after measuring it and training what it needs."""
        name, key = f"analysis of {solution_name('imp', level)}", self.bench.keys.analysis(level)
        if (found := self._find(name, key, adopt=adopt, fresh=fresh)) is not None:
            return found
        check_measurable(self.bench)
        check_level(self.bench, level, self.bench.setting.analysis.k)
        solution = self._needed(level, name)
        previous = self._needed(level - 1, name) if level > 0 else None
        with self._task(name, "analysis", level, solution.density, key, adopt=adopt) as run:
            self._say(f"measuring {solution.name}, in run {run.run_id}")
            began = time.monotonic()
            bench = self.bench
            analysis = analyse_level(
                bench.network, solution, previous, bench.data, bench.setting.analysis, seed=bench.setting.seed
            )
            seconds = time.monotonic() - began
            log_analysis(run, analysis, seconds)
        if self._store.run(self._parent()).data.tags.get(MEASURING) == measuring(self.bench):
            log_analysis_trend(self._store.append(self._parent()), analysis)
        else:
            self._say("  measured otherwise than the study's trends: not added to them")
        for warning in analysis.warnings():
            self._say(f"  warning: {warning}")
        self._say(f"  {seconds:.0f} s")
        return run.run_id

    def surface(self, level: int, *, adopt: bool = False, fresh: bool = False) -> str:
        """Return the run of the loss surface at a level, with every solution of the study up to it drawn."""
        name = f"surface at level {level}"
        check_measurable(self.bench)
        for needed in sorted({0, level // 2, level}):
            self._needed_run(needed, name)
        runs = self._trained(level)
        key = self.bench.keys.surface(
            level, {solution_name(*task): self.bench.keys.solution(*task) for task in runs}
        )
        if (found := self._find(name, key, adopt=adopt, fresh=fresh)) is not None:
            return found
        solutions = {solution_name(*task): self._store.load_solution(run) for task, run in runs.items()}
        density = solutions[solution_name("imp", level)].density
        with self._task(name, "surface", level, density, key, adopt=adopt) as run:
            self._say(f"drawing the loss surface with {len(solutions)} solutions, in run {run.run_id}")
            bench = self.bench
            log_surface(
                run,
                survey_level(
                    bench.network,
                    level,
                    solutions,
                    bench.data,
                    bench.setting.analysis,
                    seed=bench.setting.seed,
                ),
            )
        return run.run_id

    def run_all(self) -> str:
        """Train every level and all baselines at the last one, measure every level, and sum up."""
        check_measurable(self.bench)
        check_level(self.bench, self.bench.setting.pruning.levels, self.bench.setting.analysis.k)
        found = self._find_parent()
        if found is None:
            with self._new_parent(adopt=True) as run:
                self._complete(run)
            return run.run_id
        with self._store.resume(found) as run:
            self._complete(run)
        self._store.point_to(found, "study", found)
        return found

    def rows(self) -> list[LevelRow]:
        """Return what the store knows of every level, and of the baselines at the last one."""
        places = _places(self.bench.setting.pruning.levels)
        return [row for kind, level in places if (row := self._row(kind, level)) is not None]

    def _complete(self, parent: RunLog) -> None:
        last = self.bench.setting.pruning.levels
        for kind, level in _places(last):
            self.solution(kind, level)
        for level in range(last + 1):
            self.analysis(level)
        self.surface(last)
        log_results(parent, self.rows())

    def _solve_and_log(
        self, run: RunLog, kind: Kind, level: int, start: Start, previous: Solution | None
    ) -> Solution:
        """Train, writing the checkpoint as it goes, and log what came of it."""
        keep = snapshot_epochs(self.bench.setting.training.trajectory, start.schedule.num_epochs)
        with tempfile.TemporaryDirectory() as directory:

            def on_epoch(record: EpochRecord, weights: Callable[[], Weights]) -> None:
                log_epoch(run, record)
                if record.epoch in keep:
                    write_snapshot(Path(directory), record.epoch, weights())

            began = time.monotonic()
            solution = solve(self.bench, kind, level, start, previous, on_epoch)
            seconds = time.monotonic() - began
            write_solution(Path(directory), solution)
            log_solution(run, solution, Path(directory), self.bench.data.drawn, seconds)
        run.flush()
        if (reason := log_model(run.run_id, solution, self.bench.network)) is not None:
            run.tags({"lth.warnings": reason})
            self._say(f"  warning: {reason}")
        last = solution.history[-1]
        self._say(
            f"  training loss {last.train.loss:.4g}, test accuracy {last.test.accuracy:.2%}, {seconds:.0f} s"
        )
        return solution

    def _find(self, name: str, key: str, *, adopt: bool, fresh: bool) -> str | None:
        found = None if fresh else self._lookup(key)
        if found is not None:
            self._say(f"{name}: found in run {found}, nothing to compute")
            if adopt:
                self._store.point_to(found, name, self._parent())
        return found

    def _lookup(self, key: str) -> str | None:
        return self._pinned.get(key) or self._store.find(key)

    def _needed_run(self, level: int, by: str) -> str:
        """Return the run of a level that another task needs, after training it where it is missing."""
        found = self._lookup(self.bench.keys.solution("imp", level))
        if found is None:
            self._say(f"{by} needs {solution_name('imp', level)}, which is missing")
            found = self.solution("imp", level)
        return found

    def _needed(self, level: int, by: str) -> Solution:
        return self._store.load_solution(self._needed_run(level, by))

    def _trained(self, level: int) -> dict[tuple[Kind, int], str]:
        """Return the runs of all levels up to `level`, and of those of its baselines that exist."""
        found = {place: self._lookup(self.bench.keys.solution(*place)) for place in _places(level)}
        return {place: run for place, run in found.items() if run is not None}

    def _row(self, kind: Kind, level: int) -> LevelRow | None:
        found = self._lookup(self.bench.keys.solution(kind, level))
        if found is None:
            return None
        numbers = self._store.latest_metrics(found)
        measured = self._lookup(self.bench.keys.analysis(level)) if kind == "imp" else None
        landscape = self._store.latest_metrics(measured) if measured is not None else {}
        return LevelRow(
            name=solution_name(kind, level),
            kind=kind,
            level=level,
            density=numbers["density"],
            train_loss=numbers["train/loss"],
            test_accuracy=numbers["test/accuracy"],
            log_eig_product=landscape.get("landscape/log_eig_product"),
            log_eig_product_projected=landscape.get("landscape/log_eig_product_projected"),
            log_eig_product_reverse=landscape.get("landscape/log_eig_product_reverse"),
            radius_mean=landscape.get("landscape/radius_mean"),
            radius_mean_projected=landscape.get("landscape/radius_mean_projected"),
            barrier_loss=landscape.get("landscape/barrier_loss"),
            barrier_error=landscape.get("landscape/barrier_error"),
        )

    @contextmanager
    def _task(
        self, name: str, kind: str, level: int, density: float, key: str, *, adopt: bool
    ) -> Iterator[RunLog]:
        tags = task_tags(self.bench, kind, level, density, key)
        if self.bench.keys.given:
            tags[FROM_RUN] = self._origin
        with self._store.open(name, tags, parent=self._parent(), adopt=adopt) as run:
            log_setting(run, self.bench, level, density)
            yield run

    def _parent(self) -> str:
        """Return the run all others of this study are shown under; it is made when first needed."""
        if self._parent_run is None:
            self._parent_run = self._find_parent()
        if self._parent_run is None:
            with self._new_parent(adopt=False):
                pass
        assert self._parent_run is not None
        return self._parent_run

    def _find_parent(self) -> str | None:
        runs = self._store.search(f"tags.`{KEY}` = '{self.bench.keys.study()}'")
        return runs[-1].info.run_id if runs else None  # the first one, if two processes made one each

    @contextmanager
    def _new_parent(self, *, adopt: bool) -> Iterator[RunLog]:
        tags = {**study_tags(self.bench), "kind": "study", MEASURING: measuring(self.bench)}
        tags[KEY] = self.bench.keys.study()
        with self._store.open(study_name(self.bench, self._origin), tags, adopt=adopt) as run:
            self._parent_run = run.run_id
            log_setting(run, self.bench, None, None)
            yield run


def _places(last: int) -> list[tuple[Kind, int]]:
    """Return kind and level of every solution up to level `last`: all levels, then its baselines."""
    return [*[("imp", level) for level in range(last + 1)], *[(kind, last) for kind in BASELINES]]
