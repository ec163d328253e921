"""A study repeated under several seeds, and the report on which claims hold over them."""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Mapping, Sequence
from contextlib import ExitStack, closing
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeVar

from lth.cores import usable_cores
from lth.errors import InputError, MendableError
from lth.evidence.claim import claims_of
from lth.evidence.declaration import as_declared
from lth.evidence.evidence import Evidence
from lth.plan.keys import content_key
from lth.plan.order import walk
from lth.plan.rest import Rest
from lth.plan.tasks import Task, report_task
from lth.report import REPORT_VERSION, Exhibit, Scope, write_report
from lth.report.figure.interactive import has_plotly
from lth.setting.seeds import written_seeds
from lth.setting.terms import speaking
from lth.study.completion import ALONE, Manner, Work, complete, joint
from lth.study.engine.engine import Terms
from lth.study.engine.node import facts_of
from lth.study.engine.processes import Processes
from lth.study.forecast import hardware_of
from lth.study.planning import Plan, plan_of, rates_elsewhere
from lth.study.record.declaration import (
    declaration_name,
    declaration_tags,
    declarations,
    declarations_elsewhere,
    declared_settings,
    log_declaration,
)
from lth.study.record.load import LostResultError
from lth.study.record.origin import commit_of, origin_of
from lth.study.record.report import (
    earlier_reports,
    elsewhere_tags,
    log_report,
    part_tags,
    report_name,
    report_tags,
    report_title,
    reports_elsewhere,
)
from lth.study.record.solution import study_name
from lth.study.study import Study
from lth.tracking.registry import register
from lth.tracking.run import RunLog
from lth.tracking.store import KEY
from lth.training.sharing import Sharing

if TYPE_CHECKING:
    from lth.study.engine.ray import RayWorkers

_POLL_SECONDS = 2.0
Found = TypeVar("Found")


def _check_drawn_here() -> None:
    """Check that reports can be drawn on this machine, which may be one that only computes.

    Raises:
        MendableError: If not.
    """
    if not has_plotly():
        raise MendableError(
            "all is trained and measured, and the report is not drawn here, for which plotly is missing: "
            "pip install plotly, or give the same command on this store where it is installed"
        )


class Replication:
    """Studies that differ in nothing but their seed.

    Methods return the id of the run that holds the report; it is the run that `mlflow run` created, if it did.

    Args:
        studies: One a seed.
        say: Tells the user.
        opening: How another process opens the same studies (`lth.study.engine.worker`), in plain values.
    """

    def __init__(
        self,
        studies: Sequence[Study],
        say: Callable[[str], None],
        opening: Mapping[str, object] | None = None,
    ) -> None:
        self.studies = tuple(studies)
        self._store = studies[0].store
        self._say, self._opening = say, opening

    @property
    def worthwhile_workers(self) -> int:
        """How many processes are worth it on this machine: on a CPU, as many as its cores have threads for."""
        problem = self.studies[0].problem
        if any(device.type != "cpu" for device in problem.devices):
            return 1
        # Trainings follow one another; beside each there are measurements for about one more process.
        return max(1, min(usable_cores() // problem.measuring_threads, 2 * len(self.studies)))

    def engine(
        self, manner: Manner, works: Sequence[Work] = (), told: Mapping[str, object] = MappingProxyType({})
    ) -> Processes | RayWorkers:
        """Return what does tasks of these studies in other processes: those of this machine, or of Ray.

        Args:
            manner: Where, and how many.
            works: What is done, one a study; by default the studies themselves.
            told: What a worker is told of that besides the opening (`lth.study.engine.worker`).

        Raises:
            InputError: If Ray is asked for and not here, or its cluster can't do them.
        """
        assert self._opening is not None, "studies that were opened from what a user said"
        tasks = {
            task: number
            for number, work in reversed(list(enumerate(works or self.studies)))
            for task in walk(work.targets(), lambda _task: False)
        }
        opening = {**self._opening, **told}
        terms = Terms(manner.workers, opening, self._say, self._lost, tasks.__getitem__)
        if manner.address is None:
            return Processes(terms, self._sharing(manner.workers))
        try:
            from lth.study.engine.ray import RayWorkers, Room
        except ImportError as error:
            raise InputError(f"engine=ray needs Ray: pip install '.[ray]' in lth's folder ({error})") from error
        room = Room(*self._room(manner.gpu_share))
        return RayWorkers(terms, address=manner.address, room=room, facts=facts_of(self.studies[0]))

    def _room(self, gpu_share: float | None) -> tuple[int, float]:
        """Return the cores and the part of a GPU that a task takes."""
        device = self.studies[0].problem.devices[0].type
        if gpu_share is None:
            gpu_share = 1.0 if device == "cuda" else 0.0
        elif self._asked_device == "cpu":
            raise InputError(f"gpu_share={gpu_share:g} with device=cpu: leave one of them out")
        return (1 if gpu_share else self.studies[0].problem.measuring_threads), gpu_share

    @property
    def _asked_device(self) -> str:
        assert self._opening is not None
        asked = self._opening["opening"]
        assert isinstance(asked, Mapping)
        return str(asked["device"])

    def _sharing(self, workers: int) -> Sharing | None:
        """Return how processes of this machine share the GPUs that compute these studies; None of a CPU."""
        if self.studies[0].problem.devices[0].type != "cuda":
            return None
        return Sharing(self._asked_device, workers)

    def _lost(self, run_id: str, sought: str) -> LostResultError:
        return LostResultError(self._store.run(run_id), sought)

    def declare(self) -> str:
        """Write down claims, seeds, margins and settings before there is any result; what is declared is found.

        Raises:
            InputError: If something of it has been trained or measured already.
        """
        problems = [study.problem for study in self.studies]
        tags, name = declaration_tags(problems), declaration_name(problems[0])
        if (found := self._store.find(tags[KEY])) is not None:
            self._say(f"{name}: found in run {found}")
            return found
        for study in self.studies:
            if (first := study.first_result()) is not None:
                raise InputError(
                    f"declare=true comes too late: {first[0]} of {study.name} is in run {first[1]} already; "
                    "declare other seeds, or leave declare out"
                )
        with self._store.open(name, tags) as run:
            log_declaration(run, problems)
        self._say(f"{name}: written in run {run.run_id}")
        return run.run_id

    def count_reports(self, reports: Sequence[Sequence[int]]) -> None:
        """Count reports of this study that were made in another store among its looks, before all of this one.

        Args:
            reports: The seeds of each, the first one first.
        """
        problems = [study.problem for study in self.studies]
        for study in self.studies:
            study.check()
        known = list(map(set, earlier_reports(self._store, problems)))
        for seeds in reports:
            if set(seeds) not in known:
                over = f"seeds {written_seeds(seeds)}, reported elsewhere"
                name = f"{study_name(problems[0], '')} · {over}"
                with self._store.open(name, elsewhere_tags(problems, seeds)):
                    self._say(f"counted as a look at this study: {over}")

    def complete(self, manner: Manner = ALONE) -> str:
        """Complete every study, and report on them; what is finished is found.

        Args:
            manner: Where tasks are done, and what follows where one fails.

        Raises:
            UnfinishedError: If tasks failed; all is done that does not need them, but there is no report.
            MendableError: If reports can't be drawn on this machine.
        """
        for study in self.studies:
            study.check()
        self.finish(manner)
        _check_drawn_here()
        task = self.task()
        if (found := self._store.find(task.key)) is None:
            evidences = self._computed(manner)
            while (found := self._store.find(task.key)) is None:
                with self._store.open_alone(task.name, self._tags(task), adopt=True) as run:
                    if run is not None:
                        self._draw(run, evidences)
                        return run.run_id
                time.sleep(_POLL_SECONDS)  # another process draws it
        self._say(f"{self.name}: found in run {found}, nothing to compute")
        self._store.point_to(found, self.name)
        return found

    def draw(self, exhibits: Sequence[Exhibit]) -> str:
        """Train and measure what figures and tables are drawn of, nothing else, and draw them; judge no claim.

        What they are drawn of is found by drawing them. Several processes that draw figures of the same study
        share its tasks.

        Args:
            exhibits: The figures and tables.
        """
        _check_drawn_here()
        for study in self.studies:
            study.check()
        for study in self.studies:
            evidence = study.evidence_on_demand()
            for exhibit in exhibits:
                self._say(f"{study.name}: what {exhibit.file} is drawn of")
                with speaking(study.problem.terms):
                    exhibit.numbers(evidence)
                    exhibit.found(evidence)
                    if exhibit.draw is not None:
                        exhibit.draw(evidence)
        return self.report(exhibits)

    def plan(self, done_before: Container[str] = ()) -> Plan:
        """Say what is to be done, in how many hours, and with how many workers how fast; nothing is done.

        Args:
            done_before: Keys of tasks that will be done when this begins.
        """
        for study in self.studies:
            study.check()
        return self.plan_for(self.studies, done_before)

    def plan_for(self, works: Sequence[Work], done_before: Container[str] = ()) -> Plan:
        """Say the same of what is trained and measured of these studies."""
        desk, targets = joint(works)
        desk.refresh()
        problem = self.studies[0].problem
        rates = desk.rates(walk(targets, lambda _task: False))
        if not rates.measured:
            rates.include(rates_elsewhere(self._store, problem))

        def is_there(task: Task) -> bool:
            return task.key in done_before or desk.known(task) is not None

        return plan_of(targets, is_there, rates, hardware_of(problem).name)

    def report(self, exhibits: Sequence[Exhibit] | None = None) -> str:
        """Draw and judge everything anew from stored numbers; nothing is computed.

        Of studies that are not complete it is a report of what is there so far, which judges no claim.

        Args:
            exhibits: The figures and tables that are drawn, without anything else; None for all.

        Raises:
            MissingEvidenceError: If nothing was trained yet.
        """
        return self._stored(exhibits)

    def task(self) -> Task:
        """Return the report as a task, which needs the summaries of all studies."""
        return report_task(self._key(), self.name, [study.tasks.summary() for study in self.studies])

    def report_run(self) -> str | None:
        """Return the run that holds the finished report; None if there is none."""
        return self._store.find(self.task().key)

    def register(self, name: str | None = None) -> list[str]:
        """Make the trained solutions versions of a registered model a seed, under aliases; say which.

        Args:
            name: Of the registered model; of several seeds, the start of it.

        Raises:
            InputError: If nothing was trained, or it has no models.
        """
        said = []
        for study in self.studies:
            setting = study.problem.setting
            own = name or f"lth-{setting.preset}"
            if len(self.studies) > 1 or (name is None and setting.seed):
                own = f"{own}-seed-{setting.seed}"
            models = study.models()
            if not models:
                raise InputError(
                    f"{study.name} has no models yet; `mlflow run . -e study` with the same parameters makes "
                    "them"
                )
            versions = register(own, models)
            said += [f"models:/{own}@{alias} is version {version}" for alias, version in versions.items()]
        return said

    def where(self, run_id: str, path: str) -> str:
        """Return where a person finds a file of a report."""
        return self._store.where(run_id, path)

    def verdicts(self, run_id: str) -> str:
        """Return the claims and their verdicts, as the run of a report states them."""
        return self._store.note(run_id)

    @property
    def name(self) -> str:
        """What a person calls the report."""
        return report_name([study.problem for study in self.studies])

    def finish(self, manner: Manner = ALONE) -> None:
        """Complete every study, without a report.

        Args:
            manner: Where tasks are done, and what follows where one fails.

        Raises:
            UnfinishedError: If tasks failed; all is done that does not need them.
        """
        self._count()
        self.carry_out(self.studies, manner)

    def carry_out(
        self, works: Sequence[Work], manner: Manner, told: Mapping[str, object] = MappingProxyType({})
    ) -> None:
        """Do all that is not done yet of what is trained and measured of these studies; see `engine`.

        Raises:
            UnfinishedError: If tasks failed; all is done that does not need them.
        """
        if manner.workers == 1 and manner.address is None:
            complete(works, self._say, manner)
            return
        with ExitStack() as started:
            complete(
                works,
                self._say,
                manner,
                lambda: started.enter_context(closing(self.engine(manner, works, told))),
            )

    def _count(self) -> None:
        """Let all studies count their tasks together."""
        predicted: dict[str, float] = {}
        for study in self.studies:
            predicted |= study.predicted(study.tasks.results())
        rest = Rest(predicted, [key for study in self.studies for key in study.finished()])
        for study in self.studies:
            study.rest = rest

    def _computed(self, manner: Manner) -> list[Evidence]:
        """Return what was found; what is gone since is computed again."""
        return self.read_anew(self._read, lambda: self.finish(manner))

    def read_anew(self, read: Callable[[], Found], compute: Callable[[], object]) -> Found:
        """Return what is read of finished runs; what is gone since is given up and computed again, once each.

        Args:
            read: Reads it.
            compute: Computes what is missing.

        Raises:
            LostResultError: If what was computed again is gone, too.
        """
        given_up: set[str] = set()
        while True:
            try:
                return read()
            except LostResultError as lost:
                if lost.run_id in given_up:
                    raise
                given_up.add(lost.run_id)
                self._give_up(lost)
                compute()

    def _stored(self, exhibits: Sequence[Exhibit] | None) -> str:
        """Draw what was found; what is gone since is missing."""
        try:
            return self._redraw(exhibits)
        except LostResultError as lost:
            self._give_up(lost)
            return self._redraw(exhibits)

    def _redraw(self, exhibits: Sequence[Exhibit] | None) -> str:
        evidences = [study.known() for study in self.studies]
        missing = {
            study.problem.setting.seed: study.missing(evidence)
            for study, evidence in zip(self.studies, evidences, strict=True)
        }
        scope = Scope(None if exhibits is None else tuple(exhibits), missing)
        if scope.is_whole:
            evidences, tags = self._read(), self._tags(self.task())
        else:
            if not any(evidence.attained for evidence in evidences):
                self.studies[0].evidence()  # says what is missing, which is everything
            tags = part_tags([study.problem for study in self.studies], scope)
        with self._store.open(report_title(self.name, scope), tags, adopt=True) as run:
            self._draw(run, evidences, scope)
        return run.run_id

    def _give_up(self, lost: LostResultError) -> None:
        """Take a result whose files are gone for one that is not there."""
        self._say(f"{lost.name}: what run {lost.run_id} held is gone from {lost.sought}")
        self._store.mark_lost(lost.run_id, lost.sought)

    def _read(self) -> list[Evidence]:
        self._say(f"reading what {len(self.studies)} {'study' if len(self.studies) == 1 else 'studies'} found")
        return [study.evidence() for study in self.studies]

    def _draw(self, run: RunLog, evidences: Sequence[Evidence], scope: Scope | None = None) -> None:
        self._say(f"drawing the report, in run {run.run_id}")
        problems = [study.problem for study in self.studies]
        resolved = problems[0].keys.computing.written()
        seeds = [problem.setting.seed for problem in problems]
        claims = claims_of(problems[0].setting)
        of_study = declarations(self._store, problems[0])
        elsewhere = () if of_study else declarations_elsewhere(self._store, problems[0])
        declared = as_declared(of_study, seeds, claims, declared_settings(problems[0]), elsewhere)
        earlier = earlier_reports(self._store, problems)
        runs = [
            each for study, found in zip(self.studies, evidences, strict=True) for each in study.runs_of(found)
        ]
        origin = origin_of(problems, evidences, runs, commit_of(self._store.run(run.run_id)))
        with speaking(problems[0].terms):
            report = write_report(
                evidences, self._store.link, resolved, earlier, declared, scope=scope, origin=origin
            )
            log_report(run, report, problems)

    def _tags(self, task: Task) -> dict[str, str]:
        return {**report_tags([study.problem for study in self.studies]), KEY: task.key}

    def _key(self) -> str:
        problems = [study.problem for study in self.studies]
        told = reports_elsewhere(self._store, problems)  # without any the key is that of before
        return content_key(
            {
                "task": "report",
                "report_version": REPORT_VERSION,
                "evidence": [problem.keys.evidence() for problem in problems],
                **({"reported elsewhere": told} if told else {}),
            }
        )
