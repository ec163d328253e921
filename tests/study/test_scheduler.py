"""The next task is the first that is ready and that nobody is at; waiting is for when there is none."""

from collections.abc import Callable
from types import SimpleNamespace

import pytest

from lth.errors import InputError
from lth.plan.place import Place
from lth.plan.tasks import Task
from lth.study import scheduler as module
from lth.study.scheduler import Scheduler
from lth.tracking.process import HOST, PID

DENSE = Task("w0", Place.imp(0), ())
ONE = Task("w1", Place.imp(1), (DENSE,))
TWO = Task("w2", Place.imp(2), (ONE,))
BASELINE = Task("b1", Place("random_init", 1), (DENSE,))


class Index:
    """Results, and who is at what: another process changes it whenever this one looks again."""

    def __init__(self, finished: tuple[str, ...] = ()) -> None:
        self.runs = {key: f"run-{key}" for key in finished}
        self.others: dict[str, str] = {}  # process at a key
        self.refreshes = 0

    def refresh(self) -> None:
        self.refreshes += 1

    def add(self, key: str, run_id: str) -> None:
        self.runs[key] = run_id

    def known(self, key: str) -> str | None:
        return self.runs.get(key)

    find = known

    def busy(self, key: str) -> object:
        if key not in self.others:
            return None
        tags = {PID: self.others[key], HOST: "lab"}
        return SimpleNamespace(info=SimpleNamespace(run_id=f"run-{key}"), data=SimpleNamespace(tags=tags))


class Worker:
    """Notes what it does; refuses what another process begins at that moment."""

    def __init__(self) -> None:
        self.did: list[str] = []
        self.took: list[str] = []
        self.refuses: dict[str, Callable[[], object]] = {}  # what has happened by then
        self.impossible: set[str] = set()

    def check_found(self, task: Task, run_id: str) -> None:
        pass

    def check(self, task: Task) -> None:
        if task.key in self.impossible:
            raise InputError(f"{task.name} can't be done")

    def do(self, task: Task, *, adopt: bool, fresh: bool) -> str | None:
        if task.key in self.refuses:
            self.refuses.pop(task.key)()
            return None
        self.did.append(task.key)
        return f"run-{task.key}"

    def take(self, task: Task, run_id: str, *, adopt: bool) -> None:
        self.took.append(task.key)


class Bench:
    """A scheduler among others, whose time passes only in events."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *finished: str) -> None:
        self.index, self.worker = Index(finished), Worker()
        self.said: list[str] = []
        self.events: list[Callable[[], object]] = []
        monkeypatch.setattr(module, "time", SimpleNamespace(sleep=self._sleep))

    def _sleep(self, _seconds: float) -> None:
        assert self.events, "it waits although nothing more happens"
        self.events.pop(0)()

    def finish(self, *targets: Task, **options: object) -> list[str]:
        Scheduler(self.index, self.worker, self.said.append).finish(targets, **options)
        return self.worker.did

    def other_finishes(self, key: str) -> Callable[[], object]:
        def finish() -> None:
            self.index.others.pop(key, None)
            self.index.add(key, f"run-{key}")

        return finish


@pytest.fixture
def bench(monkeypatch) -> Callable[..., Bench]:
    return lambda *finished: Bench(monkeypatch, *finished)


def test_a_process_alone_does_everything_in_order_and_looks_at_the_store_once(bench):
    alone = bench()
    assert alone.finish(DENSE, ONE, TWO, BASELINE) == ["w0", "w1", "w2", "b1"]
    assert alone.index.refreshes == 1


def test_what_a_target_needs_is_done_before_it_and_said_from_the_outermost(bench):
    alone = bench()
    assert alone.finish(TWO) == ["w0", "w1", "w2"]
    assert alone.said == ["level 2 needs level 1, which is missing", "level 1 needs dense, which is missing"]


def test_what_a_finished_task_needs_is_not_done(bench):
    assert bench("w1").finish(TWO) == ["w2"]


def test_what_is_found_is_taken_and_said_in_its_turn(bench):
    alone = bench("w0", "b1")
    assert alone.finish(DENSE, ONE, BASELINE) == ["w1"]
    assert alone.worker.took == ["w0", "b1"]
    assert alone.said[-1] == "random_init at level 1: found in run run-b1, nothing to compute"


def test_a_task_that_another_is_at_is_left_to_it_while_there_is_other_work(bench):
    shared = bench("w0")
    shared.index.others = {"w1": "7"}
    shared.events = [shared.other_finishes("w1")]
    assert shared.finish(ONE, TWO, BASELINE) == ["b1", "w2"]
    assert "level 1: process 7 on lab is at it, in run run-w1; waiting" in shared.said
    assert "level 1: found in run run-w1, nothing to compute" in shared.said


def test_a_task_that_another_was_just_beginning_is_not_waited_for_while_there_is_other_work(bench):
    shared = bench("w0")
    shared.worker.refuses = {"w1": lambda: shared.index.others.update({"w1": "7"})}
    shared.events = [shared.other_finishes("w1")]
    assert shared.finish(ONE, BASELINE) == ["b1"]


def test_a_task_whose_process_ended_without_a_result_is_done_here(bench):
    shared = bench()
    shared.index.others = {"w0": "7"}
    shared.events = [lambda: None, lambda: shared.index.others.clear()]
    assert shared.finish(DENSE) == ["w0"]
    assert sum("waiting" in line for line in shared.said) == 1


def test_a_claim_that_came_to_nothing_is_tried_again(bench):
    shared = bench()
    shared.worker.refuses = {"w0": lambda: None}
    shared.events = [lambda: None]
    assert shared.finish(DENSE) == ["w0"]


def test_fresh_is_done_whatever_there_is_and_waits_for_nobody(bench):
    shared = bench("w0", "w1")
    shared.index.others = {"w1": "7"}
    assert shared.finish(ONE, fresh={ONE}) == ["w1"]


def test_what_can_not_be_done_is_said_before_anything_is_done_for_it(bench):
    alone = bench()
    alone.worker.impossible = {"w2"}
    with pytest.raises(InputError, match="level 2 can't be done"):
        alone.finish(TWO)
    assert alone.worker.did == []


def test_what_was_done_elsewhere_is_not_checked_here(bench):
    alone = bench("w2")
    alone.worker.impossible = {"w2"}
    assert alone.finish(TWO) == []
