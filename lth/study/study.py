"""A study: everything that is trained and measured of one network, data set, schedule and seed.

What there is to do is a graph of tasks (`lth.plan.tasks`). Each needs nothing of the others but the tracking
store, so any can be done anywhere once what it needs is there. What is finished under a key is not computed
again, what another process is at is left to it, and what a process left unfinished is taken over in the same
run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

from torch import Tensor

from lth.errors import InputError
from lth.evidence.evidence import Attained, Evidence, Read
from lth.evidence.summary import LevelRow
from lth.evidence.table import Table
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
    places_of,
    study_jobs,
    surface_job,
)
from lth.plan.place import Place, Point
from lth.plan.rest import Rest, roughly
from lth.plan.tasks import StudyTasks, Task
from lth.solution.problem import (
    Problem,
    check_layers,
    check_level,
    check_measurable,
    check_next_larger,
    check_paths_kept,
)
from lth.study.completion import complete
from lth.study.desk import StudyDesk
from lth.study.engine.here import Here
from lth.study.forecast import forecast, hardware_of
from lth.study.index import COMPLETE, StudyIndex
from lth.study.record.load import load_eigenvectors
from lth.study.record.solution import study_name
from lth.study.results import StudyResults
from lth.study.runs import StudyRuns, origin_of
from lth.study.scheduler import Scheduler, UnfinishedError
from lth.study.tasks import TaskWorker, check_basis
from lth.study.unsent import UNSENT
from lth.tracking.store import FoundRun, Store, is_finished

KEEP_EVERY = 30.0  # seconds


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
        self.store = store
        self._say = say
        self.tasks = StudyTasks(problem.keys, study_name(problem, origin_of(problem, pinned)))
        self._index = StudyIndex(store, problem.keys, self.tasks.by_key, pinned)
        self._runs = StudyRuns(problem, store, self._index, say, pinned)
        self._results = StudyResults(problem, store, self._index, self._runs, self.tasks)
        self.rest: Rest | None = None  # of what was asked for at once, with other studies or alone
        self._worker = TaskWorker(
            problem, store, self._index, self._runs, self._results, self._counted, say, keep_every, unsent
        )
        self.desk = StudyDesk(self._index, self._worker, self.predicted)
        self._scheduler = Scheduler(self.desk, Here(self._worker.do), say)

    def solution(self, place: Place, *, adopt: bool = False, fresh: bool = False) -> str:
        """Return the run of a solution, after training it and what it needs where that is missing."""
        return self._finish(self.tasks.training(place), adopt=adopt, fresh=fresh)

    def measurement(self, job: Job, *, adopt: bool = False, fresh: bool = False) -> str:
        """Return the run of a measurement, after taking it and training what it needs where that is missing."""
        return self._finish(self.tasks.measurement(job), adopt=adopt, fresh=fresh)

    def analysis(
        self,
        level: int,
        measures: Sequence[Measure] = MEASURES,
        *,
        adopt: bool = False,
        fresh: bool = False,
    ) -> str:
        """Return the run that sums up a level, after taking the measurements of it that are missing."""
        jobs = chosen(level_jobs(level), measures)
        if not jobs:
            raise InputError(f"{Place.imp(level).name} has no {', '.join(measures)} of its own; name others")
        return self._finish(self.tasks.analysis(level, jobs), adopt=adopt, fresh=fresh)

    def surface(self, level: int, *, adopt: bool = False, fresh: bool = False) -> str:
        """Return the run of the loss surface at a level, with what the study has trained up to it drawn."""
        check_measurable(self.problem)
        self._need(self._corners(level), f"the surface at level {level}")
        return self.measurement(self.surface_of(level), adopt=adopt, fresh=fresh)

    def distances(self, level: int, *, adopt: bool = False, fresh: bool = False) -> str:
        """Return the run of the distances between the levels up to one, and its baselines that are trained."""
        self._need([Place.imp(level)], f"distances at level {level}")
        return self.measurement(self.distances_of(level), adopt=adopt, fresh=fresh)

    def spectral_density(self, level: int, *, adopt: bool = False, fresh: bool = False) -> str:
        """Return the run of the density of the Hessian's eigenvalues at a level."""
        return self.measurement(DensityJob(Point.at(Place.imp(level))), adopt=adopt, fresh=fresh)

    def eigenvectors(self, point: Point) -> Tensor:
        """Return the leading eigenvectors at a point, after measuring what is missing.

        They are (k, dimension), float32, rows in the order of the eigenvalues, in the coordinates of the
        point's space (`lth.network.space.LevelSpace`).

        Raises:
            InputError: If the study does not keep them: `vectors=on`.
        """
        if self.problem.setting.analysis.vectors == "off":
            raise InputError(f"{self.name} keeps no eigenvectors; open it with vectors=on")
        return load_eigenvectors(self.store, self.measurement(CurvatureJob(point)))

    def surface_of(self, level: int) -> SurfaceJob:
        """Return the surface at a level, with what the study has trained up to it drawn."""
        return SurfaceJob(self._corners(level), self._trained(level))

    def distances_of(self, level: int) -> DistanceJob:
        """Return the distances between the levels up to one, and its baselines that are trained."""
        return DistanceJob(self._trained(level))

    def found(self, jobs: Iterable[Job]) -> list[tuple[Job, Any]]:
        """Return what measurements found, each with its job."""
        return [(job, self._results.measured(job)) for job in jobs]

    def measure_all(self, measures: Sequence[Measure] = MEASURES) -> str:
        """Measure every level, the baselines and the study as a whole; return the study's run."""
        every = self.tasks.measurements(measures)
        self.rest = Rest(self.predicted([*self.tasks.trainings(), *every]), self.finished())
        self._scheduler.finish([*self.tasks.of_levels(measures), *every], quiet=set(every))
        self._worker.release()
        return self._runs.parent()

    def complete(self) -> str:
        """Train every level and all baselines at the last one, measure everything, and sum up.

        What is finished is found, so that an interrupted study goes on where it stopped. Several processes that
        complete the same study share its tasks.
        """
        self.check()
        complete([self], self._say)
        return self._runs.parent()

    @property
    def run_id(self) -> str:
        """The study's own run; it is made when first needed."""
        return self._runs.parent()

    def begin(self) -> bool:
        """Say how much is to be done, and mark the study as not complete; False if it is complete."""
        self._index.refresh()
        parent, results, summary = self._runs.parent(), self.tasks.results(), self.tasks.summary()
        study = self._index.run(parent)
        missing = [task for task in results if self._index.known(task.key) is None]
        if study.data.tags.get(COMPLETE) == summary.key:
            missing = [task for task in missing if self._index.find(task.key) is None]
            if not missing and is_finished(study):
                self._say(f"{self.name}: complete in run {parent}, nothing to compute")
                return False
            self.store.append(parent).tags({COMPLETE: ""})  # until it is again
        predicted = self.predicted(missing)
        self._say(
            f"{self.name}: {len(missing)} of {len(results)} trainings and measurements to do, "
            f"{roughly(sum(predicted.values()))} by the rates of {hardware_of(self.problem).name}"
        )
        if self.rest is None:
            self.rest = Rest(self.predicted(results), self.finished())
        return True

    @contextmanager
    def under_way(self) -> Iterator[None]:
        """Show the study's run as running, for as long as the block lasts.

        Where it ends because tasks of other studies failed, this one is finished all the same.
        """
        of_others: UnfinishedError | None = None
        with self.store.resume(self._runs.parent()):
            try:
                yield
            except UnfinishedError as error:
                if self._index.known(self.tasks.summary().key) is None:
                    raise
                of_others = error
        self._worker.release()
        if of_others is not None:
            raise of_others

    def targets(self) -> list[Task]:
        """Return what a complete study consists of."""
        measurements = self.tasks.measurements()
        return [*self.tasks.trainings(), *self.tasks.of_levels(), *measurements, self.tasks.summary()]

    def quiet(self) -> list[Task]:
        """Return what of it is not told of where it is found."""
        return [*self.tasks.measurements(), self.tasks.summary()]

    def predicted(self, tasks: Iterable[Task]) -> dict[str, float]:
        """Return how many seconds tasks may take, by their keys."""
        return {task.key: self._forecast(task) for task in tasks}

    @cached_property
    def _forecast(self) -> Callable[[Task], float]:
        return forecast(self.problem)

    def finished(self) -> list[str]:
        """Return the keys of what is known to be trained and measured already; asks nobody."""
        return [task.key for task in self.tasks.results() if self._index.known(task.key) is not None]

    def _counted(self) -> str:
        """Return what to say of the rest of what was asked for, behind a task that is begun."""
        if self.rest is None:
            return ""
        own = (key for key in self.rest.keys if key in self.tasks.by_key)
        self.rest.note(key for key in own if self._index.known(key) is not None)
        return f" ({self.rest})"

    def first_result(self) -> tuple[str, str] | None:
        """Return name and run of a training that is there already; None if there is none, and so no result."""
        self._index.refresh()
        found = ((task.name, self._index.find(task.key)) for task in self.tasks.trainings())
        return next(((name, run) for name, run in found if run is not None), None)

    def check(self) -> None:
        """Check that everything a whole study does can be done, before anything is trained for it.

        Raises:
            ValueError: If a level can't be pruned or measured, a spectrum has no room in memory, or the surface
                names unknown solutions.
        """
        last, analysis = self.problem.setting.pruning.levels, self.problem.setting.analysis
        check_measurable(self.problem)
        check_level(self.problem, last, analysis.k)
        check_basis(self.problem)
        check_next_larger(self.problem, last)
        check_paths_kept(self.problem)
        if "layers" in analysis.beyond:
            check_layers(self.problem)
        study_jobs(last, analysis)

    def evidence(self) -> Evidence:
        """Load everything the study found; nothing is computed.

        Raises:
            MissingEvidenceError: If something was not trained or measured yet.
        """
        return self._results.evidence()

    def known(self) -> Evidence:
        """Return what was found so far, each part read when it is first asked for; nothing is computed."""
        return self._results.known()

    def evidence_on_demand(self) -> Evidence:
        """Return evidence of which each part is trained or measured when it is first read."""

        def attained(place: Place) -> Attained:
            self.solution(place)
            return self._results.attained(place)

        def measured(job: Job) -> Any:
            self.measurement(job)
            return self._results.measured(job)

        setting = self.problem.setting
        jobs = study_jobs(setting.pruning.levels, setting.analysis)
        trained = places_of(setting.pruning.levels, setting.analysis)
        return Evidence(setting, setting.pruning.levels, Read(trained, attained), Read(jobs, measured), runs={})

    def runs_of(self, found: Evidence) -> list[FoundRun]:
        """Return the runs that evidence is from, as they were when it was found."""
        return [self._index.run(run_id) for run_id in found.runs.values()]

    def missing(self, found: Evidence) -> list[str]:
        """Return the names of what evidence of this study lacks."""
        return self._results.missing(found)

    def rows(self) -> list[LevelRow]:
        """Return what the store knows of every level, and of the baselines at the last one."""
        self._index.refresh()
        return self._results.rows()

    def models(self) -> dict[str, str]:
        """Return the logged model of every solution there is by what it is called, as `level-3`.

        `best` is that of the pruned level with the highest test accuracy; of equals, the sparsest.
        """
        self._index.refresh()
        return self._results.models()

    def table(self) -> Table:
        """Return a row a solution with all that the store knows of it, as docs/results.md lists it."""
        self._index.refresh()
        return self._results.table()

    @property
    def name(self) -> str:
        """What a person calls the study: preset, seed, and what it changes."""
        return self._runs.name

    def _finish(self, task: Task, *, adopt: bool, fresh: bool) -> str:
        """Return the run of a task; done anew, an analysis takes its measurements anew."""
        anew = {task, *(need for need in task.needs if need.kind == "measurement")} if fresh else set()
        self._scheduler.finish([task], adopt=adopt, fresh=anew)
        run_id = self._index.known(task.key)
        assert run_id is not None
        return run_id

    def _need(self, needed: Sequence[Place], by: str) -> None:
        self._scheduler.finish([self.tasks.training(place) for place in needed], on_behalf=by)

    def _corners(self, level: int) -> tuple[Place, Place, Place]:
        return surface_job(level, self.problem.setting.analysis).corners

    def _trained(self, level: int) -> tuple[Place, ...]:
        """Return every solution up to a level that there is."""
        return tuple(
            place for place in places(level) if self._index.find(self.tasks.training(place).key) is not None
        )
