"""The next task is the ready one of longest rank that nobody is at; waiting is for when there is none."""

from collections.abc import Callable, Mapping
from types import SimpleNamespace

import pytest

from lth.errors import InputError
from lth.plan.place import Place
from lth.plan.tasks import Task
from lth.study import scheduler as module
from lth.study.engine.engine import LostWorkerError, Outcome
from lth.study.rates import Rates
from lth.study.record.load import LostResultError
from lth.study.scheduler import Progress, Scheduler, UnfinishedError
from lth.tracking.client import StoreError
from lth.tracking.process import HOST, PID
from lth.tracking.run import LostRunError
from lth.training.train import TrainingDivergedError

DENSE = Task("w0", Place.imp(0), ())
ONE = Task("w1", Place.imp(1), (DENSE,))
TWO = Task("w2", Place.imp(2), (ONE,))
BASELINE = Task("b1", Place("random_init", 1), (DENSE,))


class Desk:
    """Results, and who is at what: another process changes it whenever this one looks again.

    Notes what is taken; refuses what another process begins at that moment.
    """

    def __init__(self, finished: tuple[str, ...] = ()) -> None:
        self.runs = {key: f"run-{key}" for key in finished}
        self.others: dict[str, str] = {}  # process at a key
        self.refreshes = 0
        self.took: list[str] = []
        self.impossible: set[str] = set()
        self.gone: dict[str, LostResultError] = {}

    def refresh(self) -> None:
        self.refreshes += 1

    def note(self, task: Task, run_id: str) -> None:
        self.runs[task.key] = run_id

    def known(self, task: Task) -> str | None:
        return self.runs.get(task.key)

    find = known

    def busy(self, task: Task) -> object:
        if task.key not in self.others:
            return None
        tags = {PID: self.others[task.key], HOST: "lab"}
        return SimpleNamespace(info=SimpleNamespace(run_id=f"run-{task.key}"), data=SimpleNamespace(tags=tags))

    def prepare(self) -> None:
        pass

    def rates(self, _tasks: object) -> Rates:
        return Rates()

    def check_found(self, task: Task, run_id: str) -> None:
        if task.key in self.gone:
            raise self.gone.pop(task.key)

    def give_up(self, task: Task, lost: LostResultError) -> None:
        del self.runs[task.key]

    def check(self, task: Task) -> None:
        if task.key in self.impossible:
            raise InputError(f"{task.name} can't be done")

    def take(self, task: Task, run_id: str, *, adopt: bool) -> None:
        self.took.append(task.key)


class Workers:
    """An engine of so many workers: a task ends when one is asked what became of it, the first begun first."""

    def __init__(self, count: int = 1) -> None:
        self.count, self.under_way = count, []
        self.did: list[str] = []
        self.at_once: list[set[str]] = []
        self.refuses: dict[str, Callable[[], object]] = {}  # what has happened by then
        self.fails: dict[str, list[Exception]] = {}
        self.cancelled = False

    @property
    def free(self) -> int:
        return self.count - len(self.under_way)

    def submit(self, task: Task, *, adopt: bool, fresh: bool, runs: Mapping[str, str]) -> str:
        assert set(runs) == {need.key for need in task.needs}, "a task is done after all it needs"
        self.under_way.append(task)
        self.at_once.append({task.key for task in self.under_way})
        return f"worker {len(self.under_way)}"

    def outcome(self, _seconds: float) -> Outcome | None:
        task = self.under_way.pop(0)
        if task.key in self.refuses:
            self.refuses.pop(task.key)()
            return Outcome(task)
        if self.fails.get(task.key):
            return Outcome(task, error=self.fails[task.key].pop(0))
        self.did.append(task.key)
        return Outcome(task, f"run-{task.key}")

    def cancel(self) -> None:
        self.cancelled = True


class Bench:
    """A scheduler among others, whose time passes only in events."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *finished: str, count: int = 1) -> None:
        self.index, self.worker = Desk(finished), Workers(count)
        self.said: list[str] = []
        self.events: list[Callable[[], object]] = []
        self.now = 0.0
        self.told: list[Progress] = []
        monkeypatch.setattr(module, "time", SimpleNamespace(sleep=self._sleep, monotonic=lambda: self.now))

    def _sleep(self, _seconds: float) -> None:
        assert self.events, "it waits although nothing more happens"
        self.events.pop(0)()

    def finish(self, *targets: Task, keep_going: bool = False, **options: object) -> list[str]:
        scheduler = Scheduler(
            self.index, self.worker, self.said.append, keep_going=keep_going, watch=self.told.append
        )
        scheduler.finish(targets, **options)
        return self.worker.did

    def other_finishes(self, key: str) -> Callable[[], object]:
        def finish() -> None:
            self.index.others.pop(key, None)
            self.index.runs[key] = f"run-{key}"

        return finish


@pytest.fixture
def bench(monkeypatch) -> Callable[..., Bench]:
    return lambda *finished, **options: Bench(monkeypatch, *finished, **options)


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


def test_what_is_found_is_taken_and_said(bench):
    alone = bench("w0", "b1")
    assert alone.finish(DENSE, ONE, BASELINE) == ["w1"]
    assert alone.index.took == ["w0", "b1"]
    assert "random_init at level 1: found in run run-b1, nothing to compute" in alone.said


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
    alone.index.impossible = {"w2"}
    with pytest.raises(InputError, match="level 2 can't be done"):
        alone.finish(TWO)
    assert alone.worker.did == []


def test_what_was_done_elsewhere_is_not_checked_here(bench):
    alone = bench("w2")
    alone.index.impossible = {"w2"}
    assert alone.finish(TWO) == []


def test_of_what_is_ready_that_goes_first_from_which_the_longest_chain_follows(bench):
    assert bench().finish(BASELINE, TWO) == ["w0", "w1", "b1", "w2"]
    assert bench().finish(BASELINE, Task("w3", Place.imp(3), (TWO,))) == ["w0", "w1", "w2", "b1", "w3"]


@pytest.mark.parametrize("count", [1, 2, 3, 8])
def test_as_many_tasks_are_under_way_as_there_are_workers_and_each_is_done_once(bench, count):
    leaves = [Task(f"b{number}", Place("random_init", 1), (DENSE,)) for number in range(9)]
    many = bench(count=count)
    assert sorted(many.finish(TWO, *leaves)) == sorted(["w0", "w1", "w2", *(leaf.key for leaf in leaves)])
    assert max(map(len, many.worker.at_once)) == count
    assert {"w1", "b0"} <= many.worker.at_once[2] or count == 1


@pytest.mark.parametrize("times", [1, 3])
def test_a_task_whose_worker_is_lost_is_done_again(bench, times):
    unlucky = bench()
    unlucky.worker.fails = {"w1": [LostWorkerError("worker 1 was killed by signal 9")] * times}
    assert unlucky.finish(TWO) == ["w0", "w1", "w2"]
    assert f"({times} of 3 times)" in unlucky.said[-1] or times < 3


def test_a_task_whose_worker_is_lost_each_time_fails(bench):
    unlucky = bench()
    unlucky.worker.fails = {"w1": [LostWorkerError("worker 1 was killed by signal 9")] * 4}
    with pytest.raises(LostWorkerError):
        unlucky.finish(TWO)
    assert unlucky.worker.cancelled


FAILURES = [TrainingDivergedError("NaN"), InputError("is damaged"), RuntimeError("a fault")]


@pytest.mark.parametrize("error", FAILURES, ids=lambda error: type(error).__name__)
def test_where_a_task_fails_all_is_done_that_does_not_need_it_and_it_is_not_tried_again(bench, error):
    going = bench()
    going.worker.fails = {"w1": [error]}
    with pytest.raises(
        UnfinishedError, match="1 task failed, 1 could not be done without; 2 are finished"
    ) as caught:
        going.finish(TWO, BASELINE, keep_going=True)
    assert going.worker.did == ["w0", "b1"]
    assert f"level 1: {error}" in str(caught.value) or "level 1: RuntimeError: a fault" in str(caught.value)
    assert "not done: level 2" in str(caught.value)


@pytest.mark.parametrize("error", FAILURES, ids=lambda error: type(error).__name__)
def test_where_it_is_not_to_go_on_the_first_failure_ends_it(bench, error):
    going = bench()
    going.worker.fails = {"w1": [error]}
    with pytest.raises(type(error)):
        going.finish(TWO, BASELINE)
    assert "b1" not in going.worker.did


def test_a_store_that_is_away_ends_it_for_nothing_else_could_be_kept_either(bench):
    going = bench(count=2)
    going.worker.fails = {"w0": [StoreError("does not answer")]}
    with pytest.raises(StoreError):
        going.finish(TWO, BASELINE, keep_going=True)
    assert going.worker.cancelled


def test_a_task_that_another_process_took_over_is_left_to_it(bench):
    shared = bench()
    shared.worker.fails = {"w0": [LostRunError("was taken over")]}
    shared.events = [shared.other_finishes("w0")]
    assert shared.finish(ONE) == ["w1"]


def test_a_result_that_is_gone_is_computed_again(bench):
    run = SimpleNamespace(
        info=SimpleNamespace(run_id="run-w0", run_name="dense"), data=SimpleNamespace(tags={"kind": "imp"})
    )
    moved = bench("w0")
    moved.index.gone = {"w0": LostResultError(run, "/artifacts")}
    assert moved.finish(DENSE, ONE) == ["w0", "w1"]


def test_of_many_that_are_refused_each_takes_another_of_the_next(bench, monkeypatch):
    asked = []
    monkeypatch.setattr(
        module, "secrets", SimpleNamespace(randbelow=lambda bound: asked.append(bound) or bound - 1)
    )
    leaves = [Task(f"b{number}", Place("random_init", 1), ()) for number in range(5)]
    shared = bench()
    shared.worker.refuses = {"b0": lambda: None, "b2": lambda: None}
    shared.finish(*leaves)
    assert asked == [2, 3]


def test_what_is_told_adds_up_and_ends_with_everything_done(bench):
    shared = bench("w0", count=2)
    shared.index.others = {"w1": "7"}
    shared.events = [shared.other_finishes("w1")]
    shared.finish(DENSE, TWO, BASELINE)
    for progress in shared.told:
        assert progress.done + len(progress.unfinished) == 4
        assert len(progress.unfinished) == len(progress.running) + progress.elsewhere + progress.waiting
    assert shared.told[0].elsewhere == 1
    assert (shared.told[-1].done, shared.told[-1].rest) == (4, 0)
