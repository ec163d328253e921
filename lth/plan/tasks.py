"""A study as a graph of tasks: trainings, measurements, analyses of levels, the summary, and the report.

    w(0) <- w(1) <- w(2) <- …                      a training needs the level before, some w(0) too
      ^------ ^------ ^---- measurements           each of the solutions it reads
                               ^---- analyses      each of the measurements of a level
                                        ^---- the summary of a study <- the report on several

A task is a plain value: what it is about (its node), the content key of its result, and the tasks whose results
it needs. Nothing here says in which order, process or machine they are done.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from lth.plan.former_keys import knew
from lth.plan.jobs import MEASURES, Job, Measure, chosen, level_jobs, places_of, study_jobs
from lth.plan.keys import TaskKeys
from lth.plan.place import METHODS, Beside, Copy, DenseState, Kind, OtherDense, Place


@dataclass(frozen=True)
class Analysis:
    """What measurements of a level say of it together."""

    level: int
    jobs: tuple[Job, ...]

    @property
    def name(self) -> str:
        """What a person calls it."""
        return f"analysis of {Place.imp(self.level).name}"


@dataclass(frozen=True)
class Summary:
    """Everything a study found, on its own run."""

    name: str
    level: int  # the last


@dataclass(frozen=True)
class ReportNode:
    """Claims judged and figures drawn from what several studies found."""

    name: str
    level: int  # the last


Node = Place | Job | Analysis | Summary | ReportNode


@dataclass(frozen=True)
class Task:
    """One thing to do, once, wherever the results that it needs can be loaded.

    Tasks of the same key are equal: they have the same result.
    """

    key: str  # content key of its result
    node: Node = field(compare=False)
    needs: tuple[Task, ...] = field(compare=False, repr=False)
    former: str | None = field(default=None, compare=False, repr=False)  # its key of version 1

    @property
    def name(self) -> str:
        """What a person calls it."""
        return self.node.name

    @property
    def level(self) -> int:
        """The level it is shown at."""
        return self.node.level

    @property
    def kind(self) -> str:
        """How its run is marked: the kind of a solution, `measurement`, `analysis`, `study` or `report`."""
        if isinstance(self.node, Place):
            return self.node.kind
        others = {Analysis: "analysis", Summary: "study", ReportNode: "report"}
        return others.get(type(self.node), "measurement")

    @property
    def is_beside(self) -> bool:
        """Whether it is a training beside the study's, or a measurement of such."""
        if isinstance(self.node, Place):
            return isinstance(self.node, Beside)
        return any(isinstance(need.node, Beside) for need in self.needs)


_FROM_ANOTHER: frozenset[Kind] = frozenset({"permuted", "unpermuted"})


def starts_from(place: Place, states: Collection[int] = ()) -> tuple[Place, ...]:
    """Return the solutions that a training starts from.

    Args:
        place: Of what is trained.
        states: Steps after which the state of the dense training is kept: each is reached from the one before.
    """
    if isinstance(place, Copy):
        states = (place.step,)
    elif isinstance(place, DenseState):
        states = [step for step in states if step < place.step]
    else:
        states = ()
    reached = max(states, default=0)  # the state after no step is the initialisation
    state = (DenseState.after(reached),) if reached > 0 else ()
    if place.level == 0:
        return state
    before = Place.imp(place.level - 1)
    if isinstance(place, Copy):
        return (*state, before)  # whose smallest weights m(L) leaves out
    from_dense = place.kind == "one_shot" or place.kind in METHODS
    dense = (Place.imp(0),) if from_dense and place.level > 1 else ()
    other = (OtherDense.trained(),) if place.kind in _FROM_ANOTHER else ()
    return (before, *dense, *other)


class StudyTasks:
    """The tasks of one study.

    Args:
        keys: Of its results.
        name: What a person calls the study.
    """

    def __init__(self, keys: TaskKeys, name: str) -> None:
        self._keys, self._former, self._name = keys, keys.former, name
        self._trainings: dict[Place, Task] = {}
        self._measurements: dict[Job, Task] = {}
        self._states: frozenset[int] = frozenset()
        self.by_key: dict[str, Task] = {}  # every task that was asked for

    def training(self, place: Place) -> Task:
        """Return the task of a solution."""
        if place not in self._trainings:
            inherited = place.kind == "imp" and place.level < len(self._keys.given)
            before = () if inherited else starts_from(place, self._states)
            needs = tuple(map(self.training, before))
            is_known = self._former is not None and not isinstance(place, Beside)
            former = self._former.solution(place) if self._former is not None and is_known else None
            self._trainings[place] = self._noted(Task(self._keys.solution(place), place, needs, former))
        return self._trainings[place]

    def measurement(self, job: Job) -> Task:
        """Return the task of a measurement."""
        if job not in self._measurements:
            needs = (*map(self.training, job.needs), *map(self.measurement, job.reads))
            is_known = self._former is not None and knew(job, self._keys.setting.analysis)
            former = self._former.measurement(job) if self._former is not None and is_known else None
            self._measurements[job] = self._noted(Task(self._keys.measurement(job), job, needs, former))
        return self._measurements[job]

    def analysis(self, level: int, jobs: Sequence[Job]) -> Task:
        """Return the task that sums up measurements of a level."""
        needs = (*(self.measurement(job) for job in jobs), self.training(Place.imp(level)))
        former = None if self._former is None else self._former.analysis(level, jobs)
        return self._noted(Task(self._keys.analysis(level, jobs), Analysis(level, tuple(jobs)), needs, former))

    def keep_states(self, steps: Iterable[int]) -> None:
        """Have the states of the dense training after these steps kept too, each reached from the one before.

        Only which state another is reached from depends on it; those asked for already stay as they are.
        """
        self._states |= frozenset(steps)

    def _noted(self, task: Task) -> Task:
        return self.by_key.setdefault(task.key, task)

    def trainings(self) -> list[Task]:
        """Return every training of the study, each after those it needs."""
        setting = self._keys.setting
        return [self.training(place) for place in places_of(setting.pruning.levels, setting.analysis)]

    def of_levels(self, measures: Iterable[Measure] = MEASURES) -> list[Task]:
        """Return what is taken of each level by these measures, level by level."""
        levels = range(self._keys.setting.pruning.levels + 1)
        taken = {level: chosen(level_jobs(level), measures) for level in levels}
        return [self.analysis(level, jobs) for level, jobs in taken.items() if jobs]

    def measurements(self, measures: Iterable[Measure] = MEASURES) -> list[Task]:
        """Return every measurement of the study by these measures: of levels, baselines and the whole."""
        setting = self._keys.setting
        jobs = study_jobs(setting.pruning.levels, setting.analysis)
        return [self.measurement(job) for job in chosen(jobs, measures)]

    def results(self) -> list[Task]:
        """Return what a report reads: every training and measurement."""
        return [*self.trainings(), *self.measurements()]

    def summary(self) -> Task:
        """Return the task that puts together what all others of the study found."""
        needs = (*self.results(), *self.of_levels())
        return Task(self._keys.evidence(), Summary(self._name, self._keys.setting.pruning.levels), needs)


def report_task(key: str, name: str, summaries: Sequence[Task]) -> Task:
    """Return the task of a report on the studies of these summaries."""
    return Task(key, ReportNode(name, max(task.level for task in summaries)), tuple(summaries))
