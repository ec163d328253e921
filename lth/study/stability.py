"""From which step on a training is stable to SGD noise: copies trained, lines measured, and what they say."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from lth.errors import InputError
from lth.evidence.stability import Pair, Stability
from lth.plan.keys import content_key
from lth.plan.place import Copy
from lth.plan.rest import Rest, roughly
from lth.plan.stability import Probe
from lth.plan.tasks import Task
from lth.setting.numeral import parse_whole
from lth.setting.parameter import BY_NAME
from lth.setting.step import Step
from lth.setting.terms import speaking
from lth.solution.problem import Problem
from lth.study.completion import ALONE, Manner
from lth.study.desk import StudyDesk
from lth.study.forecast import hardware_of
from lth.study.planning import Plan
from lth.study.record.stability import FIGURE, Asked, log_stability
from lth.study.replication import Replication
from lth.study.study import Study
from lth.tracking.run import RunLog
from lth.tracking.store import KEY

_VERSION = 1  # of what is shown
_POLL_SECONDS = 2.0
_MOST_COPIES = 16
_HIGHEST_LEVEL = 100
_OPENING = ("preset", "data_dir", "device")
_NOT_GIVEN_ON = ("levels", "rewind_step", "seed")  # of which another line has its own


class StabilityWork:
    """The copies and lines of one study.

    Args:
        study: Whose network, data, schedule and seed they are of.
        probe: From which states, and how many.
        say: Tells the user.
    """

    def __init__(self, study: Study, probe: Probe, say: Callable[[str], None]) -> None:
        self.study, self.probe, self._say = study, probe, say
        self._tasks = probe.tasks(study.tasks)

    @property
    def desk(self) -> StudyDesk:
        """What is known of its tasks."""
        return self.study.desk

    def targets(self) -> list[Task]:
        """Return what it consists of."""
        return self._tasks

    def quiet(self) -> list[Task]:
        """Return what of it is not told of where it is found: all."""
        return self._tasks

    def begin(self) -> bool:
        """Say how much is to be done; False if nothing is."""
        self.desk.refresh()
        missing = [task for task in self._tasks if self.desk.find(task) is None]
        if not missing:
            self._say(f"{self.study.name}: all copies and lines are there, nothing to compute")
            return False
        seconds = sum(self.study.predicted(missing).values())
        self._say(
            f"{self.study.name}: {len(missing)} of {len(self._tasks)} trainings and lines to do, "
            f"{roughly(seconds)} by the rates of {hardware_of(self.study.problem).name}"
        )
        return True

    @contextmanager
    def under_way(self) -> Iterator[None]:
        """Give back the memory that it took, in the end."""
        try:
            yield
        finally:
            self.desk.release()

    def check(self) -> None:
        """Check that it can be done, before anything is trained for it.

        Raises:
            InputError: If it can't.
        """
        for task in self._tasks:
            self.desk.check(task)

    def pairs(self) -> list[Pair]:
        """Return what every line says.

        Raises:
            LostResultError: If the numbers of one are gone.
        """
        seed, found = self.study.problem.setting.seed, []
        for level, step in self.probe.sites():
            density = self._density(Copy.of(level, step, 1))
            lines = self.study.found(self.probe.lines(level, step))
            for copies, (_, line) in zip(self.probe.couples, lines, strict=True):
                found.append(Pair(seed, level, density, step, copies, line))
        return found

    def _density(self, copy: Copy) -> float:
        run_id = self.desk.find(self.study.tasks.training(copy))
        assert run_id is not None, "a line between copies was measured"
        return float(self.study.store.run(run_id).data.metrics["density"])


class StabilityOfTraining:
    """The stability of one training under every seed.

    Args:
        replication: Its studies, one a seed.
        given: What a user said of them, by name.
        steps: Candidates in writing, such as `0,500,2ep,5%`.
        levels: Whose masks copies have, such as `0,3`; 0 is dense.
        copies: Of each candidate and level, in writing.
        say: Tells the user.

    Raises:
        InputError: If something of it can't be read or is out of range.
    """

    def __init__(
        self,
        replication: Replication,
        given: Mapping[str, str | None],
        *,
        steps: str,
        levels: Sequence[int],
        copies: str,
        say: Callable[[str], None],
    ) -> None:
        self._replication, self._say = replication, say
        self._studies = replication.studies
        self._store = self._studies[0].store
        problem = self._studies[0].problem
        spelled = candidates(steps, problem)
        self._probe = Probe(tuple(spelled), tuple(levels), parse_copies(copies))
        self._works = [StabilityWork(study, self._probe, say) for study in self._studies]
        schedule = problem.schedule
        self._asked = Asked(
            title=self._studies[0].name.replace(f" · seed {problem.setting.seed}", ""),
            probe=self._probe,
            spelled=spelled,
            epochs={step: step / schedule.iterations_per_epoch for step in spelled},
            end=schedule.num_iterations,
            given=_given_on(given),
            seeds=",".join(str(study.problem.setting.seed) for study in self._studies),
        )

    @property
    def name(self) -> str:
        """What a person calls it."""
        return f"stability of {self._asked.title}, seeds {self._asked.seeds}"

    @property
    def worthwhile_workers(self) -> int:
        """How many processes are worth it on this machine; copies wait for none of the others."""
        return self._replication.worthwhile_workers

    def check(self) -> None:
        """Check that all of it can be done, before anything is.

        Raises:
            InputError: If something can't.
        """
        for work in self._works:
            work.check()

    def plan(self) -> Plan:
        """Say what is to be done, in how many hours, and with how many workers how fast; nothing is done."""
        self.check()
        return self._replication.plan_for(self._works)

    def complete(self, manner: Manner = ALONE) -> str:
        """Train and measure what is missing, and say what it tells; return the run that holds that.

        Args:
            manner: Where tasks are done, and what follows where one fails.

        Raises:
            UnfinishedError: If tasks failed; all is done that does not need them.
        """
        self.check()
        self._carry_out(manner)
        return self._replication.read_anew(self._tell, lambda: self._carry_out(manner))

    def summary(self, run_id: str) -> str:
        """Return what was found, as its run states it."""
        return self._store.note(run_id)

    def where(self, run_id: str) -> str:
        """Return where a person finds the figure."""
        return self._store.where(run_id, FIGURE)

    def fetch(self, run_id: str, folder: Path) -> None:
        """Copy the figure, its numbers and what was found into a folder."""
        for path in self._store.files(run_id, ""):
            if path.startswith(Path(FIGURE).stem):
                self._store.fetch(run_id, path, str(folder))

    def _carry_out(self, manner: Manner) -> None:
        predicted: dict[str, float] = {}
        done: list[str] = []
        for work in self._works:
            predicted |= work.study.predicted(work.targets())
            work.desk.refresh()
            done += [task.key for task in work.targets() if work.desk.known(task) is not None]
        rest = Rest(predicted, done)
        for study in self._studies:
            study.rest = rest
        self._replication.carry_out(self._works, manner, {"probe": self._probe.told()})

    def _tell(self) -> str:
        key = self._key()
        tags = {"kind": "stability", "seeds": self._asked.seeds, KEY: key}
        while (found := self._store.find(key)) is None:
            with self._store.open_alone(self.name, tags, adopt=True) as run:
                if run is not None:
                    self._log(run)
                    return run.run_id
            time.sleep(_POLL_SECONDS)  # another process draws it
        self._say(f"{self.name}: found in run {found}, nothing to compute")
        self._store.point_to(found, self.name)
        return found

    def _log(self, run: RunLog) -> None:
        problem = self._studies[0].problem
        self._say(f"drawing what {self._probe.copies} copies each say, in run {run.run_id}")
        pairs = tuple(pair for work in self._works for pair in work.pairs())
        found = Stability(
            pairs,
            margin=problem.setting.analysis.error_margin,
            resolution=0.5 / len(problem.data.test) if problem.terms.is_counted else 0.0,
            chance=_chance(problem),
        )
        with speaking(problem.terms):
            log_stability(run, problem, found, self._asked)

    def _key(self) -> str:
        lines = [task.key for work in self._works for task in work.targets() if task.kind == "measurement"]
        content = {
            "task": "stability",
            "version": _VERSION,
            "lines": lines,
            "steps": [[step, spelled] for step, spelled in self._asked.spelled.items()],
            "given": list(self._asked.given),
            "margin": self._studies[0].problem.setting.analysis.error_margin,
        }
        return content_key(content)


def candidates(written: str, problem: Problem) -> dict[int, str]:
    """Return the steps that a user wrote, ascending, each with how it was written.

    Shares of a short training may be one step: the first stays.

    Args:
        written: Such as `0,500,2ep,5%`.
        problem: Whose schedule they are of.

    Raises:
        InputError: If one can't be read or is not before the end.
    """
    training, schedule = problem.setting.training, problem.schedule
    found: dict[int, str] = {}
    for part in (each.strip() for each in written.split(",")):
        try:
            step = Step.parse(part)
        except InputError as error:
            raise InputError(f"steps={written!r}: {error}") from error
        iteration = step.iterations(schedule.iterations_per_epoch, training.epochs)
        if iteration >= schedule.num_iterations:
            raise InputError(
                f"steps={written!r}: {part} is step {iteration}, but training ends at step "
                f"{schedule.num_iterations}; name steps before it, or shares of it such as 5%"
            )
        found.setdefault(iteration, str(step.of(training.epochs)))
    return dict(sorted(found.items()))


def parse_levels(written: str) -> list[int]:
    """Read `0,3`: the levels whose masks copies have, ascending.

    Raises:
        InputError: If one is no level.
    """
    try:
        levels = {parse_whole(part.strip()) for part in written.split(",")}
    except ValueError:
        levels = {-1}
    if not all(0 <= level <= _HIGHEST_LEVEL for level in levels):
        raise InputError(
            f"levels={written!r} are not levels; write whole numbers from 0, the dense network, to "
            f"{_HIGHEST_LEVEL}, such as 0,3"
        )
    return sorted(levels)


def parse_copies(written: str) -> int:
    """Read how many copies there are of each state.

    Raises:
        InputError: If it is no number of copies.
    """
    try:
        copies = parse_whole(written)
    except ValueError:
        copies = 0
    if not 2 <= copies <= _MOST_COPIES:
        raise InputError(
            f"copies={written!r} is out of range; expected a whole number from 2 to {_MOST_COPIES}"
        )
    return copies


def _given_on(given: Mapping[str, str | None]) -> list[str]:
    """Return what another command of the same studies is told, each as `name=value`."""
    names = [name for name in (*_OPENING, *BY_NAME) if name not in _NOT_GIVEN_ON]
    return [f"{name}={value}" for name in names if (value := given.get(name)) is not None]


def _chance(problem: Problem) -> float | None:
    """Return the test error of guessing the most frequent class; None where the metric is no accuracy."""
    labels = problem.data.test.labels
    if not problem.terms.is_share or labels.is_floating_point():
        return None
    counts = np.bincount(labels.cpu().numpy().ravel())
    return 1 - float(counts.max()) / float(counts.sum())
