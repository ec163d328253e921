"""The tasks of a study's graph, each found by its content key or else done and logged.

`lth.graph` says which there are. Tasks need nothing of each other but the tracking store, so any of them can be
done anywhere once what it needs is there. What is finished under a key is not computed again, what another
process is at is waited for, and what a process left unfinished is taken over in the same run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

from lth.errors import InputError
from lth.evidence.caveat import caveats
from lth.evidence.evidence import Attained, Evidence
from lth.evidence.summary import LevelRow
from lth.measure.kind.take import kind_of, read
from lth.measure.progress_file import measured_by
from lth.measure.surveyor import Surveyor
from lth.plan.jobs import (
    MEASURES,
    CurvatureJob,
    DensityJob,
    DistanceJob,
    Job,
    Measure,
    SurfaceJob,
    chosen,
    level_jobs,
    places,
    study_jobs,
    surface_job,
)
from lth.plan.place import Place, Point
from lth.solution.problem import Problem, check_level, check_measurable, check_next_larger, plan
from lth.solution.solution import Solution
from lth.study.measuring import measure_on
from lth.study.record.load import load_measurement, load_outcome, load_solution
from lth.study.record.solution import (
    ANALYSIS_TREND,
    log_analysis,
    log_analysis_trend,
    log_results,
    log_solution_trend,
    measuring,
    solution_trend,
)
from lth.study.runs import MEASURING, StudyRuns
from lth.study.training import computed_by, train_on
from lth.study.unsent import UNSENT, Unsent, forget
from lth.tracking.folder import clear_progress
from lth.tracking.run import RunLog
from lth.tracking.store import COMPUTED_BY, Store

COMPLETE = "lth.complete"  # on the study's run: the key of the evidence that it holds
KEEP_EVERY = 30.0  # seconds
_MOST_HELD = 4  # solutions in memory


class MissingEvidenceError(InputError):
    """A report was asked for before everything in it was measured."""


class Study:
    """All tasks of one network, data set, schedule and seed, on one tracking store.

    Methods return the id of the run that holds the result. With `adopt`, the result is logged to the run that
    `mlflow run` created, or that run points to where the result was found. With `fresh`, the task is done
    again even if its result exists; what it needs is reused all the same. `pinned` names the run to use for a
    key, whichever others there are. The progress of a training or a curvature is kept every `keep_every`
    seconds. What is finished and can't be logged is kept in `unsent`.
    """

    def __init__(
        self,
        problem: Problem,
        store: Store,
        say: Callable[[str], None],
        pinned: Mapping[str, str] = MappingProxyType({}),
        keep_every: float = KEEP_EVERY,
        unsent: Path = UNSENT,
    ) -> None:
        self.problem = problem
        self._unsent = unsent
        self._keep_every = keep_every
        self.store = store
        self._say = say
        self._runs = StudyRuns(problem, store, say, pinned)
        self._results_by_run: dict[str, Any] = {}
        self._recent: dict[str, Solution] = {}  # by key, the one used last at the end

    def solution(self, place: Place, *, adopt: bool = False, fresh: bool = False) -> str:
        """Return the run of a solution, after training it and what it needs where that is missing."""
        key = self._key(place)

        def train() -> str | None:
            return self._train(place, key, adopt=adopt, fresh=fresh)

        run = self._runs.find_or_do(place.name, key, train, adopt=adopt, fresh=fresh)
        forget(self._unsent, key, fresh=fresh)
        return run

    def _train(self, place: Place, key: str, *, adopt: bool, fresh: bool) -> str | None:
        name, level = place.name, place.level
        if place.kind == "imp" and level < len(self.problem.keys.given):
            raise InputError(f"{name}, an ancestor of from_run, is not in this experiment (any more)")
        check_level(self.problem, level)
        previous = self._needed(level - 1, name) if level > 0 else None
        dense = self._needed(0, name) if place.kind == "one_shot" else None
        start = plan(self.problem, place, previous, dense)
        environment = computed_by(self.problem)
        tags = {COMPUTED_BY: environment}
        unsent = Unsent(self._unsent, key, environment, fresh=fresh, say=self._say)
        with (
            unsent.rescuing() as directory,
            self._runs.task(
                name, place.kind, level, start.mask.density, key, adopt=adopt, fresh=fresh, tags=tags
            ) as run,
        ):
            if run is None:
                return None
            self._say(f"training {name}, density {start.mask.density:.1%}, in run {run.run_id}")
            solution = train_on(
                run,
                self.problem,
                place,
                start,
                previous,
                directory,
                keep_every=self._keep_every,
                unsent=unsent,
                say=self._say,
            )
        clear_progress(run)
        last = solution.history[-1]
        log_solution_trend(self.store.append(self._runs.parent()), place, solution.density, last)
        return run.run_id

    def measurement(self, job: Job, *, adopt: bool = False, fresh: bool = False) -> str:
        """Return the run of a measurement, after taking it and training what it needs where that is missing."""
        key = self.problem.keys.measurement(job)

        def measure() -> str | None:
            return self._measure(job, key, adopt=adopt, fresh=fresh)

        run = self._runs.find_or_do(job.name, key, measure, adopt=adopt, fresh=fresh)
        forget(self._unsent, key, fresh=fresh)
        return run

    def _measure(self, job: Job, key: str, *, adopt: bool, fresh: bool) -> str | None:
        check_measurable(self.problem)
        check_level(self.problem, job.level, self.problem.setting.analysis.k if job.measure == "spectra" else 0)
        for place in job.needs:
            self._needed_run(place, job.name)
        environment = measured_by(self.problem.devices, self.problem.measuring_threads)
        # What is resumed must go on where it was begun.
        resumed = {COMPUTED_BY: environment} if kind_of(job).goes_on else {}
        tags = {"measure": job.measure, **resumed}
        unsent = Unsent(self._unsent, key, environment, fresh=fresh, say=self._say)
        with (
            unsent.rescuing() as directory,
            self._runs.task(
                job.name, "measurement", job.level, None, key, adopt=adopt, fresh=fresh, tags=tags
            ) as run,
        ):
            if run is None:
                return None
            self._say(f"measuring {job.name}, in run {run.run_id}")
            measure_on(
                run,
                self.problem,
                job,
                self._load,
                self._surveyor,
                directory,
                keep_every=self._keep_every,
                unsent=unsent,
                say=self._say,
            )
        clear_progress(run)
        return run.run_id

    def analysis(
        self,
        level: int,
        measures: Sequence[Measure] = MEASURES,
        *,
        adopt: bool = False,
        fresh: bool = False,
    ) -> str:
        """Return the run that sums up a level, after taking the measurements of it that are missing."""
        name = f"analysis of {Place.imp(level).name}"
        jobs = chosen(level_jobs(level), measures)
        if not jobs:
            raise InputError(f"{Place.imp(level).name} has no {', '.join(measures)} of its own; name others")
        key = self.problem.keys.analysis(level, jobs)

        def analyse() -> str | None:
            return self._analyse(level, jobs, name, key, adopt=adopt, fresh=fresh)

        return self._runs.find_or_do(name, key, analyse, adopt=adopt, fresh=fresh)

    def _analyse(
        self, level: int, jobs: Sequence[Job], name: str, key: str, *, adopt: bool, fresh: bool
    ) -> str | None:
        measured = {job: self._result(job, self.measurement(job, fresh=fresh)) for job in jobs}
        here, setting = Place.imp(level), self.problem.setting
        attained = Attained(*load_outcome(self.store, self._needed_run(here, name)))
        evidence = Evidence(setting, level, {here: attained}, measured, runs={})
        with self._runs.task(name, "analysis", level, attained.density, key, adopt=adopt, fresh=fresh) as run:
            if run is None:
                return None
            numbers = log_analysis(run, evidence, level)
        if self._fits_trends():
            log_analysis_trend(self.store.append(self._runs.parent()), numbers, level)
        else:
            self._say("  measured otherwise than the study's trends: not added to them")
        for caveat in caveats(numbers, setting.analysis):
            self._say(f"  warning: {caveat.warning}")
        return run.run_id

    def _result(self, job: Job, run_id: str) -> Any:
        """Return what a measurement found, downloaded once: a level's analysis and the report both show it."""
        if run_id not in self._results_by_run:
            self._results_by_run[run_id] = read(load_measurement(self.store, run_id), job)
        return self._results_by_run[run_id]

    def surface(self, level: int, *, adopt: bool = False, fresh: bool = False) -> str:
        """Return the run of the loss surface at a level, with what the study has trained up to it drawn."""
        check_measurable(self.problem)
        corners = surface_job(level, self.problem.setting.analysis).corners
        name = f"the surface at level {level}"
        for place in corners:
            self._needed_run(place, name)
        drawn = [place for place in places(level) if self._runs.lookup(self._key(place)) is not None]
        return self.measurement(SurfaceJob(corners, tuple(drawn)), adopt=adopt, fresh=fresh)

    def distances(self, level: int, *, adopt: bool = False, fresh: bool = False) -> str:
        """Return the run of the distances between the levels up to one, and its baselines that are trained."""
        self._needed_run(Place.imp(level), f"distances at level {level}")
        there = [place for place in places(level) if self._runs.lookup(self._key(place)) is not None]
        return self.measurement(DistanceJob(tuple(there)), adopt=adopt, fresh=fresh)

    def spectral_density(self, level: int, *, adopt: bool = False, fresh: bool = False) -> str:
        """Return the run of the density of the Hessian's eigenvalues at a level."""
        return self.measurement(DensityJob(Point.at(Place.imp(level))), adopt=adopt, fresh=fresh)

    def measure_all(self, measures: Sequence[Measure] = MEASURES) -> str:
        """Measure every level, the baselines and the study as a whole; return the study's run."""
        last, analysis = self.problem.setting.pruning.levels, self.problem.setting.analysis
        for level in range(last + 1):
            if chosen(level_jobs(level), measures):
                self.analysis(level, measures)
            if "density" in measures:
                self.spectral_density(level)
        for job in chosen(study_jobs(last, analysis), measures):
            if self._runs.lookup(self.problem.keys.measurement(job)) is None:
                self.measurement(job)
        self._surveyor.release()
        self._recent.clear()
        return self._runs.parent()

    def complete(self) -> str:
        """Train every level and all baselines at the last one, measure everything, and sum up.

        What is finished is found, so that an interrupted study goes on where it stopped.
        """
        self.check()
        key, parent, runs = self.problem.keys.evidence(), self._runs.parent(), self._results()
        missing = list(runs.values()).count(None)
        if self.store.run(parent).data.tags.get(COMPLETE) == key and missing == 0 and self._is_finished(parent):
            self._say(f"{self.name}: complete in run {parent}, nothing to compute")
            return parent
        self._say(f"{self.name}: {missing} of {len(runs)} trainings and measurements to do")
        with self.store.resume(parent) as run:
            for place in self._places():
                self.solution(place)
            self.measure_all()
            self._mend_trends(run)
            log_results(run, self.rows())
            run.tags({COMPLETE: key})
        return parent

    def _is_finished(self, run_id: str) -> bool:
        return bool(self.store.run(run_id).info.status == "FINISHED")

    def check(self) -> None:
        """Check that everything a whole study does can be done, before anything is trained for it.

        Raises:
            ValueError: If a level can't be pruned or measured, or the surface names unknown solutions.
        """
        last, analysis = self.problem.setting.pruning.levels, self.problem.setting.analysis
        check_measurable(self.problem)
        check_level(self.problem, last, analysis.k)
        check_next_larger(self.problem, last)
        study_jobs(last, analysis)

    def evidence(self) -> Evidence:
        """Load everything the study found; nothing is computed.

        Raises:
            MissingEvidenceError: If something was not trained or measured yet.
        """
        runs, setting = self._results(), self.problem.setting
        if missing := [name for name, run in runs.items() if run is None]:
            shown = ", ".join(missing[:3]) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
            raise MissingEvidenceError(
                f"{self.name} lacks {shown}; `mlflow run . -e study` with the same parameters completes it"
            )
        found = {name: run for name, run in runs.items() if run is not None}
        attained = {place: Attained(*load_outcome(self.store, found[place.name])) for place in self._places()}
        jobs = study_jobs(setting.pruning.levels, setting.analysis)
        measured = {job: self._result(job, found[job.name]) for job in jobs}
        return Evidence(setting, setting.pruning.levels, attained, measured, found)

    def rows(self) -> list[LevelRow]:
        """Return what the store knows of every level, and of the baselines at the last one."""
        return [row for place in self._places() if (row := self._row(place)) is not None]

    @property
    def name(self) -> str:
        """What a person calls the study: preset, seed, and what it changes."""
        return self._runs.name

    @cached_property
    def _surveyor(self) -> Surveyor:
        problem = self.problem
        return Surveyor(
            problem.network,
            problem.data,
            problem.setting.analysis.hessian_examples,
            problem.setting.seed,
            problem.others,
        )

    def _fits_trends(self) -> bool:
        """Say whether the study's trends are of measurements like these; the first to come decide."""
        parent, alike = self.store.run(self._runs.parent()).data, measuring(self.problem)
        if parent.tags.get(MEASURING) != alike and not any(map(_is_landscape, parent.metrics)):
            self.store.append(self._runs.parent()).tags({MEASURING: alike})
            return True
        return bool(parent.tags.get(MEASURING) == alike)

    def _mend_trends(self, study: RunLog) -> None:
        """Add to the study's trends what a process could not that was killed between a task and its trend."""
        for place in self._places():
            found = self._runs.lookup(self._key(place))
            if found is not None and place.level not in self.store.steps(study.run_id, solution_trend(place)):
                density, history = load_outcome(self.store, found)
                log_solution_trend(study, place, density, history[-1])
        if not self._fits_trends():
            return
        there = self.store.steps(study.run_id, ANALYSIS_TREND)
        for level in set(range(self.problem.setting.pruning.levels + 1)) - there:
            found = self._measured_at(Place.imp(level))
            if found is not None:
                log_analysis_trend(study, self.store.latest_metrics(found), level)

    def _places(self) -> list[Place]:
        return places(self.problem.setting.pruning.levels, self.problem.setting.analysis.every_level)

    def _results(self) -> dict[str, str | None]:
        """Return the run of every solution and measurement by its name, None where it is missing."""
        last, analysis = self.problem.setting.pruning.levels, self.problem.setting.analysis
        keys = {place.name: self._key(place) for place in self._places()}
        keys |= {job.name: self.problem.keys.measurement(job) for job in study_jobs(last, analysis)}
        return {name: self._runs.lookup(key) for name, key in keys.items()}

    def _key(self, place: Place) -> str:
        return self.problem.keys.solution(place)

    def _needed_run(self, place: Place, by: str) -> str:
        """Return the run of a solution that another task needs, after training it where it is missing."""
        found = self._runs.lookup(self._key(place))
        if found is None:
            self._say(f"{by} needs {place.name}, which is missing")
            found = self.solution(place)
        return found

    def _needed(self, level: int, by: str) -> Solution:
        self._needed_run(Place.imp(level), by)
        return self._load(Place.imp(level))

    def _load(self, place: Place) -> Solution:
        """Return a solution that is there, the last few from memory: neighbouring measurements share them."""
        key = self._key(place)
        solution = self._recent.pop(key, None)
        if solution is None:
            run = self._runs.lookup(key)
            if run is None:
                raise InputError(f"{place.name} is not in this experiment (any more); train it again")
            solution = load_solution(self.store, run)
        self._recent[key] = solution
        while len(self._recent) > _MOST_HELD:
            del self._recent[next(iter(self._recent))]
        return solution

    def _row(self, place: Place) -> LevelRow | None:
        found = self._runs.lookup(self._key(place))
        if found is None:
            return None
        numbers = self.store.latest_metrics(found)
        measured = self._measured_at(place)
        landscape = self.store.latest_metrics(measured) if measured is not None else {}
        flaws = caveats(landscape, self.problem.setting.analysis)
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
            barrier_loss=landscape.get("landscape/barrier_loss"),
            barrier_error=landscape.get("landscape/barrier_error"),
            remarks=", ".join(flaw.remark for flaw in flaws),
        )

    def _measured_at(self, place: Place) -> str | None:
        """Return the run with the landscape at a solution: a level's analysis, or a baseline's curvature."""
        if place.kind == "imp":
            return self._runs.lookup(self.problem.keys.analysis(place.level, level_jobs(place.level)))
        return self._runs.lookup(self.problem.keys.measurement(CurvatureJob(Point.at(place))))


def _is_landscape(metric: str) -> bool:
    return metric.startswith("landscape/")
