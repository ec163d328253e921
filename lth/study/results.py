"""What the tasks of a study found, read from its runs: a table, trends, and the evidence for a report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

from lth.errors import InputError
from lth.evidence.caveat import caveats
from lth.evidence.evidence import Attained, Evidence, Read
from lth.evidence.summary import LevelRow, without_rounding
from lth.evidence.table import Table
from lth.measure.kind.take import read
from lth.network.mask import Mask
from lth.plan.jobs import CurvatureJob, Job, level_jobs, study_jobs
from lth.plan.place import Place, Point
from lth.plan.tasks import StudyTasks, Task
from lth.report.figure.mask import LayerShares, layer_shares
from lth.setting.door import command_line
from lth.solution.problem import Problem
from lth.study.index import COMPLETE, StudyIndex
from lth.study.record.layers import MASK, layer_metrics, layer_sizes, layers_in
from lth.study.record.load import load_measurement, load_outcome, load_solution
from lth.study.record.row import MEASURING, geometry, jobs_of_baseline, log_row
from lth.study.record.solution import (
    ANALYSIS_TREND,
    log_analysis_trend,
    log_results,
    log_solution_trend,
    measuring,
    solution_trend,
)
from lth.study.record.tidy import tidy, tidy_row
from lth.study.runs import StudyRuns
from lth.tracking.run import RunLog
from lth.tracking.store import FAILURE, Store, model_of

_SECONDS = ("time/training_seconds", "time/measuring_seconds")


class MissingEvidenceError(InputError):
    """A report was asked for before everything in it was measured."""


class StudyResults:
    """What the runs of one study hold.

    Args:
        problem: The study's.
        store: Where the runs are.
        index: Of the runs.
        runs: Of the study.
        tasks: Of the study.
    """

    def __init__(
        self, problem: Problem, store: Store, index: StudyIndex, runs: StudyRuns, tasks: StudyTasks
    ) -> None:
        self._problem, self._store, self._index = problem, store, index
        self._runs, self._tasks = runs, tasks
        self._masks: dict[str, dict[str, float]] = {}  # the density of each layer of a run's solution
        # What runs hold: analyses, the summary and the report show the same.
        self._read: dict[str, Any] = {}
        self._attained: dict[str, Attained] = {}

    def attained(self, place: Place) -> Attained:
        """Return what a training reached."""
        run_id = self._index.needed(self._tasks.training(place).key, place.name)
        return self._outcome(run_id)

    def hold_outcome(self, run_id: str, attained: Attained) -> None:
        """Note what the training of a run has reached, which then is not asked for."""
        self._attained[run_id] = attained

    def hold_measured(self, run_id: str, found: Any) -> None:
        """Note what a measurement found that its run holds, which then is not asked for."""
        self._read[run_id] = found

    def _outcome(self, run_id: str) -> Attained:
        if run_id not in self._attained:
            self._attained[run_id] = Attained(*load_outcome(self._store, run_id))
        return self._attained[run_id]

    def measured(self, job: Job) -> Any:
        """Return what a measurement found, downloaded once."""
        run_id = self._index.needed(self._tasks.measurement(job).key, job.name)
        if run_id not in self._read:
            self._read[run_id] = read(load_measurement(self._store, run_id), job)
        return self._read[run_id]

    def evidence(self) -> Evidence:
        """Load everything the study found; nothing is computed.

        Raises:
            MissingEvidenceError: If something was not trained or measured yet.
        """
        whole = self.known()
        if missing := self.missing(whole):
            shown = ", ".join(missing[:3]) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
            raise MissingEvidenceError(
                f"{self._runs.name} lacks {shown}; "
                f"`{command_line('study')}` with the same parameters completes it"
            )
        return replace(whole, attained=dict(whole.attained), measured=dict(whole.measured))

    def known(self) -> Evidence:
        """Return what the study has found so far, each part read when it is first asked for.

        What is not there raises `LackingError` where it is asked for.
        """
        self._index.refresh()
        found = [(task, self._index.find(task.key)) for task in self._tasks.results()]
        runs = {task.name: run_id for task, run_id in found if run_id is not None}
        setting = self._problem.setting
        places = [place for place in self._places() if place.name in runs]
        jobs = [job for job in study_jobs(setting.pruning.levels, setting.analysis) if job.name in runs]
        former = frozenset(task.name for task, _ in found if self._index.is_former(task.key))
        return Evidence(
            setting=setting,
            last=setting.pruning.levels,
            attained=Read(places, cache(self.attained)),
            measured=Read(jobs, self.measured),
            runs=runs,
            former=former,
            seconds=self._seconds(runs.values()),
        )

    def missing(self, found: Evidence) -> list[str]:
        """Return the names of the trainings and measurements that evidence lacks, in their order."""
        return [task.name for task in self._tasks.results() if task.name not in found.runs]

    def rows(self) -> list[LevelRow]:
        """Return what the runs say of every level, and of the baselines at the last one."""
        found = ((place, self._index.find(self._tasks.training(place).key)) for place in self._places())
        return [self._row(place, run_id) for place, run_id in found if run_id is not None]

    def summarise(self, task: Task) -> str | None:
        """Complete the trends on the study's run, and show all results there; None if another process does."""
        with self._store.leased(task.key) as granted:
            self._index.refresh()
            if not granted or self._index.known(task.key) is not None:
                return None
            found = self._runs.parent_now()
            parent = str(found.info.run_id)
            study = self._store.append(parent)
            if FAILURE in found.data.tags:  # of one that was interrupted beside us
                study.remove_tag(FAILURE)
            self._mend_trends(study)
            for place in self._places():
                self.show(place, {**self._geometry(place), **self._layers(place)})
            log_results(study, self.rows(), self.table(), self._layer_shares())
            study.tags({COMPLETE: task.key})
        return parent

    def show(self, place: Place, numbers: Mapping[str, float]) -> None:
        """Put what was measured of a solution on its own run, beside what it attains.

        Args:
            place: Of the solution, which is there.
            numbers: By their names on a row, of the landscape and of how sure it is.
        """
        run_id = self._index.find(self._tasks.training(place).key)
        if run_id is not None:
            log_row(self._store.append(run_id), self._index.run(run_id), numbers, self._problem)

    def fits_trends(self) -> bool:
        """Say whether the study's trends are of measurements like these; the first to come decide."""
        parent, alike = self._runs.parent_now().data, measuring(self._problem)
        if parent.tags.get(MEASURING) != alike and not any(map(_is_landscape, parent.metrics)):
            self._store.append(self._runs.parent()).tags({MEASURING: alike})
            return True
        return bool(parent.tags.get(MEASURING) == alike)

    def _mend_trends(self, study: RunLog) -> None:
        """Add to the study's trends what a process could not that was killed between a task and its trend."""
        logged = {
            metric: self._store.steps(study.run_id, metric)
            for metric in {solution_trend(place) for place in self._places()}
        }
        for place in self._places():
            run_id = self._index.find(self._tasks.training(place).key)
            if run_id is not None and place.level not in logged[solution_trend(place)]:
                attained = self._outcome(run_id)
                log_solution_trend(study, place, attained.density, attained.history[-1], self._layers(place))
        if not self.fits_trends():
            return
        there = self._store.steps(study.run_id, ANALYSIS_TREND)
        for level in set(range(self._problem.setting.pruning.levels + 1)) - there:
            metrics = self._landscape(Place.imp(level))
            if metrics:
                log_analysis_trend(study, metrics, level)

    def _seconds(self, runs: Iterable[str]) -> float | None:
        """Return how long it took to train and to measure what runs hold; None if one does not say."""
        took = [
            next((metrics[name] for name in _SECONDS if name in metrics), None)
            for metrics in (self._index.run(run_id).data.metrics for run_id in runs)
        ]
        known = [seconds for seconds in took if seconds is not None]
        return sum(known) if len(known) == len(took) else None

    def _places(self) -> list[Place]:
        return [task.node for task in self._tasks.trainings() if isinstance(task.node, Place)]

    def _row(self, place: Place, run_id: str) -> LevelRow:
        numbers, landscape = self._index.run(run_id).data.metrics, self._landscape(place)
        return LevelRow(
            name=place.name,
            kind=place.kind,
            level=place.level,
            density=numbers["density"],
            train_loss=numbers["train/loss"],
            test_accuracy=numbers["test/accuracy"],
            log_eig_product=landscape.get("landscape/log_eig_product"),
            log_eig_product_projected=landscape.get("landscape/log_eig_product_projected"),
            log_eig_product_reverse=landscape.get("landscape/log_eig_product_reverse"),
            radius_mean=landscape.get("landscape/radius_mean"),
            radius_mean_projected=landscape.get("landscape/radius_mean_projected"),
            barrier_loss=without_rounding(landscape.get("landscape/barrier_loss")),
            barrier_error=without_rounding(landscape.get("landscape/barrier_error")),
            log_eig_width=landscape.get("solver/log_eig_product_interval"),
            radius_standard_error=landscape.get("solver/radius_standard_error"),
            remarks=", ".join(flaw.remark for flaw in caveats(landscape, self._problem.setting.analysis)),
        )

    def _layer_shares(self) -> LayerShares:
        sizes = layer_sizes(Mask.dense(self._problem.network))
        found = {place: layers_in(self._layers(place)) for place in self._places()}
        return layer_shares(sizes, {place: shares for place, shares in found.items() if shares})

    def _layers(self, place: Place) -> dict[str, float]:
        """Return the density of each layer of a solution, by metric name; of before, from its checkpoint."""
        run_id = self._index.find(self._tasks.training(place).key)
        if run_id is None:
            return {}
        if run_id not in self._masks:
            metrics = self._index.run(run_id).data.metrics
            found = {name: value for name, value in metrics.items() if name.startswith(MASK)}
            self._masks[run_id] = found or layer_metrics(load_solution(self._store, run_id).mask)
        return self._masks[run_id]

    def models(self) -> dict[str, str]:
        """Return the logged model of every solution there is by its alias, and of the best pruned level."""
        found: dict[Place, tuple[float, str]] = {}
        for place in self._places():
            run_id = self._index.find(self._tasks.training(place).key)
            run = None if run_id is None else self._index.run(run_id)
            if run is not None and (model := model_of(run)) is not None:
                found[place] = run.data.metrics["test/accuracy"], model
        models = {place.name.replace(" ", "-"): model for place, (_, model) in found.items()}
        pruned = [place for place in found if place.kind == "imp" and place.level > 0]
        if pruned:
            best = max(pruned, key=lambda place: (found[place][0], place.level))
            models["best"] = found[best][1]
        return models

    def table(self) -> Table:
        """Return a row a solution with all that is known of it."""
        found = [(place, self._index.find(self._tasks.training(place).key)) for place in self._places()]
        return tidy(
            [
                tidy_row(self._index.run(run_id), self._geometry(place))
                for place, run_id in found
                if run_id is not None
            ]
        )

    def _geometry(self, place: Place) -> dict[str, float]:
        """Return what was measured of a solution, by metric name on its row."""
        if place.kind == "imp":
            return geometry(self._landscape(place))
        found: dict[str, float] = {}
        for job, ending in jobs_of_baseline(place, self._problem.setting.pruning.levels).items():
            run_id = self._index.known(self._tasks.measurement(job).key)
            if run_id is not None:
                found |= geometry(self._index.run(run_id).data.metrics, ending)
        return found

    def _landscape(self, place: Place) -> dict[str, float]:
        """Return the numbers at a solution, of a level's analysis or a baseline's curvature, if any."""
        if place.kind == "imp":
            task = self._tasks.analysis(place.level, level_jobs(place.level))
        else:
            task = self._tasks.measurement(CurvatureJob(Point.at(place)))
        run_id = self._index.find(task.key)
        return {} if run_id is None else dict(self._index.run(run_id).data.metrics)


def _is_landscape(metric: str) -> bool:
    return metric.startswith("landscape/")
