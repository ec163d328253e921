"""Completing studies: the tasks of all of them in one order, wherever they are done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from typing import Protocol

from lth.plan.tasks import Task
from lth.study.desk import JointDesk, StudyDesk
from lth.study.engine.engine import Engine
from lth.study.engine.here import Here
from lth.study.scheduler import RETRIES, Progress, Scheduler


class Work(Protocol):
    """What is completed: a study, or what else is trained and measured of one."""

    @property
    def desk(self) -> StudyDesk:
        """What is known of its tasks."""

    def begin(self) -> bool:
        """Say how much is to be done; False if nothing is."""

    def targets(self) -> list[Task]:
        """Return what it consists of."""

    def quiet(self) -> list[Task]:
        """Return what of it is not told of where it is found."""

    def under_way(self) -> AbstractContextManager[None]:
        """Show that it is worked on, for as long as the block lasts."""


@dataclass(frozen=True)
class Manner:
    """How studies are completed.

    Args:
        workers: How many do the tasks; one is this process itself. For Ray, 0 is as many as there is place for.
        address: Of the Ray cluster that does them; None for processes of this machine.
        gpu_share: The part of a GPU that Ray keeps free for a task; None for a whole one where the study is
            computed on GPUs.
        retries: How often a task is done again whose process was lost.
        keep_going: Whether, where a task fails, all is done that does not need it.
        watch: Is told how far the work is.
    """

    workers: int = 1
    address: str | None = None
    gpu_share: float | None = None
    retries: int = RETRIES
    keep_going: bool = True
    watch: Callable[[Progress], None] = lambda _progress: None


ALONE = Manner()


def complete(
    studies: Sequence[Work],
    say: Callable[[str], None],
    manner: Manner = ALONE,
    engine: Callable[[], Engine] | None = None,
) -> None:
    """Do everything of studies that is not done yet.

    Args:
        studies: Which.
        say: Tells the user.
        manner: What follows where a task fails, and who is told how far the work is.
        engine: Returns what does the tasks; by default this process.

    Raises:
        UnfinishedError: If tasks failed, and `manner` keeps going.
    """
    todo = [study for study in studies if study.begin()]
    if not todo:
        return
    desk, targets = joint(todo)
    scheduler = Scheduler(
        desk,
        Here(desk.do) if engine is None else engine(),
        say,
        retries=manner.retries,
        keep_going=manner.keep_going,
        watch=manner.watch,
    )
    with ExitStack() as shown:
        for study in todo:
            shown.enter_context(study.under_way())
        scheduler.finish(targets, quiet={task for study in todo for task in study.quiet()})


def joint(studies: Sequence[Work]) -> tuple[JointDesk, list[Task]]:
    """Return one desk for several studies, and all they consist of."""
    desks: list[tuple[StudyDesk, Sequence[Task]]] = [(study.desk, study.targets()) for study in studies]
    return JointDesk(desks), [task for _, targets in desks for task in targets]
