"""How each kind of task is done: its needs loaded, its run opened, its result logged and added to trends."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from lth.errors import InputError
from lth.evidence.caveat import caveats
from lth.evidence.evidence import Attained, Evidence
from lth.measure.curvature.spectrum import budget_on, vectors_in
from lth.measure.kind.take import kind_of, numbers
from lth.measure.progress_file import measured_by
from lth.measure.surveyor import Surveyor
from lth.network.space import LevelSpace
from lth.network.weights import Weights
from lth.plan.jobs import CurvatureJob, Job
from lth.plan.place import Beside, DenseState, OtherDense, Place, Point
from lth.plan.tasks import Analysis, ReportNode, Summary, Task
from lth.setting.own_fault import own_faults
from lth.setting.reference import is_foreign
from lth.setting.terms import speaking
from lth.solution.checkpoint import read_solution
from lth.solution.problem import (
    Problem,
    check_kind,
    check_layers,
    check_level,
    check_measurable,
    plan,
    plan_beside,
)
from lth.solution.recipe import Start
from lth.solution.solution import Solution
from lth.study.index import StudyIndex
from lth.study.measuring import measure_on
from lth.study.record.beside import beside_tags
from lth.study.record.layers import layer_metrics
from lth.study.record.load import KeptWeights, check_kept, load_eigenvectors, load_solution
from lth.study.record.row import baseline_of, geometry, jobs_of_baseline
from lth.study.record.solution import log_analysis, log_analysis_trend, log_solution_trend
from lth.study.results import StudyResults
from lth.study.runs import StudyRuns
from lth.study.training import computed_by, train_on
from lth.study.trial.trial import Trial
from lth.study.unsent import Unsent, forget
from lth.tracking.folder import KEPT, clear_progress
from lth.tracking.store import COMPUTED_BY, Store
from lth.training.schedule import rewind_iteration
from lth.training.train import TrainingState

_COUNTED = ("spectra", "matched", "subspaces", "parts", "forecast", "volume")  # measures of k eigenvalues
_OF_WEIGHTS = ("distances", "subspaces", "path")  # that need no network
_MOST_HELD = 2**30  # bytes of solutions in memory, beside the one that is used


def check_basis(problem: Problem) -> None:
    """Check that the basis of a spectrum has the memory that it takes, before anything is trained for it.

    It is asked of the dense network, whose vectors are the longest, and of no device: a smaller GPU may be
    where what is stored is looked at.

    Raises:
        InputError: If it has not.
    """
    dimension = LevelSpace(problem.dense, Weights.of(problem.network)).dimension
    analysis = problem.setting.analysis
    vectors_in(int(analysis.basis_gib * 2**30), dimension, torch.float32.itemsize, analysis.k)


class TaskWorker:
    """Does the tasks of one study, each in a run of its own.

    Args:
        problem: The study's.
        store: Where results are logged.
        index: Of the study's runs.
        runs: Opens them.
        results: Of the study, which its summary is made of.
        counted: Returns what to say of the rest behind a task that is begun.
        say: Tells the user.
        keep_every: Seconds between two times that a task keeps its progress, at the least.
        unsent: Where finished results are kept that can't be logged.
    """

    def __init__(
        self,
        problem: Problem,
        store: Store,
        index: StudyIndex,
        runs: StudyRuns,
        results: StudyResults,
        counted: Callable[[], str],
        say: Callable[[str], None],
        keep_every: float,
        unsent: Path,
    ) -> None:
        self._problem, self._store, self._index, self._runs = problem, store, index, runs
        self._results, self._counted, self._say = results, counted, say
        self._keep_every, self._unsent = keep_every, unsent
        self._trial = Trial(problem, say)
        self._recent: dict[str, Solution] = {}  # by run, the one used last at the end

    def check(self, task: Task) -> None:
        """Check that a task can be done, and note what it needs of the network, before anything is done for it.

        Raises:
            ValueError: If its level can't be pruned or measured, its method does not go with the data, or it is
                of another study that is not here.
        """
        place, problem = task.node, self._problem
        if isinstance(place, Place):
            if place.kind == "imp" and place.level < len(problem.keys.given):
                raise InputError(f"{place.name}, an ancestor of from_run, is not in this experiment (any more)")
            check_level(problem, place.level)
            check_kind(problem, place.kind)
            self._trial.need("training")
        elif not isinstance(place, Analysis | Summary | ReportNode):
            check_measurable(problem)
            counted = problem.setting.analysis.k if place.measure in _COUNTED else 0
            check_level(problem, place.level, counted)
            if counted:
                check_basis(problem)
            if place.measure == "layers":
                check_layers(problem)
            if place.measure not in _OF_WEIGHTS:
                self._trial.need("curvature" if kind_of(place).of_hessian else "measuring")

    def prepare(self) -> None:
        """Try what tasks that were checked need of a user's own network."""
        with self._own_faults():
            self._trial.run()

    def do(self, task: Task, *, adopt: bool, fresh: bool) -> str | None:
        """Return the run in which a task was done; None where another process has done it, or is at it."""
        self.prepare()
        with self._own_faults(), speaking(self._problem.terms):
            run_id = self._do(task, adopt=adopt, fresh=fresh)
        if run_id is not None and not isinstance(task.node, Analysis | Summary | ReportNode):
            forget(self._unsent, task.key, fresh=fresh)
        return run_id

    def check_found(self, task: Task, run_id: str) -> None:
        """Check that a solution that is asked for is still there; what is only looked at is not looked for.

        Raises:
            LostResultError: If it is not.
        """
        if isinstance(task.node, Place):
            check_kept(self._store, run_id)

    def take(self, task: Task, run_id: str, *, adopt: bool) -> None:
        """Tidy up after a task that was found in a run, and let the run of `mlflow run` point to it."""
        if KEPT in self._index.run(run_id).data.tags:  # of a process killed between its last two steps
            clear_progress(self._store.append(run_id))
        if adopt:
            self._store.point_to(run_id, task.name, self._runs.parent())
        if not isinstance(task.node, Analysis | Summary | ReportNode):
            forget(self._unsent, task.key, fresh=False)

    def release(self) -> None:
        """Give back the memory that is held for measuring more."""
        self._surveyor.release()
        self._recent.clear()

    def _do(self, task: Task, *, adopt: bool, fresh: bool) -> str | None:
        node = task.node
        if isinstance(node, Analysis):
            return self._analyse(task, node, adopt=adopt, fresh=fresh)
        if isinstance(node, Summary):
            return self._results.summarise(task)
        assert not isinstance(node, ReportNode), "a report is of several studies"
        if isinstance(node, Place):
            return self._train(task, node, adopt=adopt, fresh=fresh)
        return self._measure(task, node, adopt=adopt, fresh=fresh)

    def _own_faults(self) -> AbstractContextManager[None]:
        """Tell what a user's own network raises by the line of theirs that it came from."""
        name = self._problem.keys.spec.name
        return (
            own_faults(f"network={name} raised", name, only_theirs=True) if is_foreign(name) else nullcontext()
        )

    def _train(self, task: Task, place: Place, *, adopt: bool, fresh: bool) -> str | None:
        start, previous = self._start(task, place)
        environment = computed_by(self._problem)
        unsent = Unsent(self._unsent, task.key, environment, fresh=fresh, say=self._say)
        tags, density = {COMPUTED_BY: environment, **self._trial.tags}, start.density
        if isinstance(place, Beside):
            tags |= beside_tags(place)
        with (
            unsent.rescuing() as directory,
            self._runs.task(task, density, adopt=adopt, fresh=fresh, tags=tags) as run,
        ):
            if run is None:
                return None
            shown = f"{density:.1%} ({start.density_of_all:.1%} of all parameters)"
            self._say(f"training {task.name}, density {shown}, in run {run.run_id}{self._counted()}")
            with self._own_faults():  # for the run to say it too
                solution = train_on(
                    run,
                    self._problem,
                    place,
                    start,
                    previous,
                    directory,
                    keep_every=self._keep_every,
                    unsent=unsent,
                    say=self._say,
                )
            written = read_solution(directory, trajectory=False)  # as others will find it
            self._hold(run.run_id, written)
            self._results.hold_outcome(run.run_id, Attained(written.density, written.history))
        clear_progress(run)
        if task.is_beside:
            return run.run_id
        last = solution.history[-1]
        layers = layer_metrics(solution.mask)
        self._runs.add(lambda study: log_solution_trend(study, place, solution.density, last, layers))
        return run.run_id

    def _start(self, task: Task, place: Place) -> tuple[Start, Solution | None]:
        """Return what a training starts from, and w(L-1) if its solution has the rewind point of that."""
        before = {need.node: self._load(need.node) for need in task.needs if isinstance(need.node, Place)}
        previous = before.get(Place.imp(place.level - 1))
        if not isinstance(place, Beside):
            dense, other = before.get(Place.imp(0)), before.get(OtherDense.trained())
            return plan(self._problem, place, previous, dense, other), previous
        state = next((each.rewind for where, each in before.items() if isinstance(where, DenseState)), None)
        if isinstance(place, DenseState):
            state = self._nearest(place, state)
        return plan_beside(self._problem, place, state, previous), None

    def _nearest(self, place: DenseState, state: TrainingState | None) -> TrainingState | None:
        """Return the rewind point of w(0), if that is trained already and nearer to a state than another is."""
        keys, setting = self._problem.keys, self._problem.setting.training
        step = rewind_iteration(setting, self._problem.schedule)
        reached = 0 if state is None else state.step
        if (
            keys.given
            or not reached < step <= place.step
            or self._index.find(keys.solution(Place.imp(0))) is None
        ):
            return state
        return self._load(Place.imp(0)).rewind

    def _measure(self, task: Task, job: Job, *, adopt: bool, fresh: bool) -> str | None:
        environment = measured_by(self._problem.devices, self._problem.measuring_threads)
        # What is resumed must go on where it was begun.
        resumed = {COMPUTED_BY: environment} if kind_of(job).goes_on else {}
        tags = {"measure": job.measure, **resumed, **self._trial.tags}
        unsent = Unsent(self._unsent, task.key, environment, fresh=fresh, say=self._say)
        with (
            unsent.rescuing() as directory,
            self._runs.task(task, None, adopt=adopt, fresh=fresh, tags=tags) as run,
        ):
            if run is None:
                return None
            self._say(f"measuring {task.name}, in run {run.run_id}{self._counted()}")
            with self._own_faults():
                found = measure_on(
                    run,
                    self._problem,
                    job,
                    self._load,
                    self._trajectory,
                    self._vectors,
                    self._surveyor,
                    directory,
                    keep_every=self._keep_every,
                    unsent=unsent,
                    say=self._say,
                )
        self._results.hold_measured(run.run_id, found)
        clear_progress(run)
        last = self._problem.setting.pruning.levels
        if (baseline := baseline_of(job, last)) is not None:
            self._results.show(baseline, geometry(numbers(job, found), jobs_of_baseline(baseline, last)[job]))
        return run.run_id

    def _analyse(self, task: Task, node: Analysis, *, adopt: bool, fresh: bool) -> str | None:
        here, setting = Place.imp(node.level), self._problem.setting
        measured = {job: self._results.measured(job) for job in node.jobs}
        attained = self._results.attained(here)
        evidence = Evidence(setting, node.level, {here: attained}, measured, runs={})
        with self._runs.task(task, attained.density, adopt=adopt, fresh=fresh) as run:
            if run is None:
                return None
            numbers = log_analysis(run, evidence, node.level)
        self._results.show(here, geometry(numbers))
        if self._results.fits_trends():
            self._runs.add(lambda study: log_analysis_trend(study, numbers, node.level))
        else:
            self._say("  measured otherwise than the study's trends: not added to them")
        for caveat in caveats(numbers, setting.analysis):
            self._say(f"  warning: {caveat.warning}")
        return run.run_id

    @cached_property
    def _surveyor(self) -> Surveyor:
        problem = self._problem
        analysis, seed = problem.setting.analysis, problem.setting.seed
        return Surveyor(
            problem.network,
            problem.data,
            analysis.hessian_examples,
            seed,
            problem.others,
            memory_budget=budget_on(problem.devices[0], analysis.basis_gib),
            objective=problem.objective,
        )

    def _trajectory(self, place: Place) -> KeptWeights:
        """Return the weights that a solution kept along its training; none is read yet."""
        run_id = self._index.needed(self._problem.keys.solution(place), place.name)
        return KeptWeights(self._store, run_id)

    def _vectors(self, point: Point) -> Tensor:
        """Return the eigenvectors that were kept at a point."""
        job = CurvatureJob(point)
        return load_eigenvectors(self._store, self._index.needed(self._problem.keys.measurement(job), job.name))

    def _load(self, place: Place) -> Solution:
        """Return a solution that is there, the last ones from memory: neighbouring tasks share them."""
        run_id = self._index.needed(self._problem.keys.solution(place), place.name)
        solution = self._recent.pop(run_id, None)
        if solution is None:
            solution = load_solution(self._store, run_id, run=self._index.run(run_id))
        self._hold(run_id, solution)
        return solution

    def _hold(self, run_id: str, solution: Solution) -> None:
        self._recent[run_id] = solution
        while len(self._recent) > 1 and sum(held.num_bytes for held in self._recent.values()) > _MOST_HELD:
            del self._recent[next(iter(self._recent))]
