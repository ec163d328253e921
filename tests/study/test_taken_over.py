"""Runs that another process left, is at, or has finished: taken over, waited for, closed or left alone."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext, suppress
from types import SimpleNamespace

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from processes import dead_tags, this_machine
from tiny_problem import make_study

from lth.plan.place import Place
from lth.study import scheduler
from lth.study.record.load import load_solution
from lth.study.record.training_progress import ProgressKeeper
from lth.study.study import Study
from lth.tracking import run as run_module
from lth.tracking import store as store_module
from lth.tracking.client import PatientClient
from lth.tracking.lookup import indexed
from lth.tracking.process import HEARTBEAT, HOST, PID, PROCESS, heartbeat, is_alive, ownership
from lth.tracking.run import NOTE, LostRunError, RunLog
from lth.tracking.store import COMPUTED_BY, FAILURE, FRESH, KEY, REUSED, Store

LONG = 60.0  # seconds until a test that waits for a thread fails; it waits for none that works


def elsewhere(beat: str) -> dict[str, str]:
    """Return the tags of a process of another machine whose last heartbeat was then."""
    return {PROCESS: f"not-{this_machine()} 1 0.00", PID: "1", HEARTBEAT: beat}


def begin(store: Store, tags: Mapping[str, str], key: str = "key", status: str = "RUNNING") -> str:
    """Make a run as another process would have left it, and return its id."""
    run = MlflowClient().create_run(store.experiment_id, tags=indexed({KEY: key, **tags}), run_name=f"of {key}")
    if status != "RUNNING":
        MlflowClient().set_terminated(run.info.run_id, status)
    return str(run.info.run_id)


def end(run_id: str, status: str = "FAILED") -> None:
    """End a run as the process does that writes it."""
    MlflowClient().set_tag(run_id, PROCESS, "nobody any more")
    MlflowClient().set_terminated(run_id, status)


def look(run_id: str) -> Run:
    return MlflowClient().get_run(run_id)


def status(run_id: str) -> str:
    return str(look(run_id).info.status)


def values(run_id: str, metric: str) -> list[tuple[int, float]]:
    return [(point.step, point.value) for point in MlflowClient().get_metric_history(run_id, metric)]


def quick_study(said: list[str] | None = None) -> Study:
    return make_study(said, epochs="1", milestones="none", trajectory="none")


# close_dead


def test_the_run_of_a_dead_process_is_closed_as_killed_with_reason_and_note(store):
    run_id = begin(store, dead_tags())
    assert store.close_dead() == ["of key"]
    run = look(run_id)
    assert run.info.status == "KILLED"
    assert run.data.tags[FAILURE] == f"process {dead_tags()[PID]} on {dead_tags()[HOST]} is gone"
    assert run.data.tags[NOTE].startswith("**KILLED**: process")
    assert "The same command goes on" in run.data.tags[NOTE]
    assert run.data.tags[KEY] == "key", "by which it is taken over"
    assert is_alive(run.data.tags) is None, "no process writes it"
    assert store.close_dead() == [], "once"


def test_every_dead_run_is_closed_and_no_other(store, child):
    dead = [begin(store, dead_tags(), key) for key in ("a", "b")]
    dead.append(begin(store, elsewhere("2000-01-01T00:00:00+00:00"), "c"))
    others = {
        "own": begin(store, ownership()),
        "alive": begin(store, child.tags),
        "alive elsewhere": begin(store, elsewhere(heartbeat()[HEARTBEAT])),
        "without tags": begin(store, {}),
        "of another program": begin(store, {"mlflow.user": "someone"}),
    }
    ended = {name: begin(store, dead_tags(), status=name) for name in ("FINISHED", "FAILED")}
    assert sorted(store.close_dead()) == ["of a", "of b", "of c"]
    assert [status(run_id) for run_id in dead] == ["KILLED"] * 3
    for name, run_id in others.items():
        assert status(run_id) == "RUNNING", name
        assert FAILURE not in look(run_id).data.tags, name
    assert {name: status(run_id) for name, run_id in ended.items()} == {
        "FINISHED": "FINISHED",
        "FAILED": "FAILED",
    }


def test_a_run_of_a_zombie_is_closed(store, child):
    begin(store, child.tags)
    child.die()
    assert store.close_dead() == ["of key"]


def test_a_run_that_is_taken_over_while_dead_ones_are_looked_for_is_left_alone(store, monkeypatch):
    run_id = begin(store, dead_tags())
    found = store.search("attributes.status = 'RUNNING'")
    RunLog(PatientClient(), run_id, "").tags(ownership())
    monkeypatch.setattr(store, "search", lambda _filter: found)
    assert store.close_dead() == []
    assert status(run_id) == "RUNNING"


def test_runs_of_other_experiments_are_left_alone(store):
    other = MlflowClient().create_experiment("other")
    run_id = MlflowClient().create_run(other, tags=dead_tags()).info.run_id
    assert store.close_dead() == []
    assert status(run_id) == "RUNNING"


# Store.open


@pytest.mark.parametrize("left", ["RUNNING", "KILLED", "FAILED", "closed"])
def test_the_unfinished_run_of_a_key_is_taken_over(store, left):
    run_id = begin(store, dead_tags(), status="RUNNING" if left == "closed" else left)
    if left == "closed":
        store.close_dead()
    if left in ("KILLED", "FAILED"):
        RunLog(PatientClient(), run_id, "").tags({FAILURE: "interrupted", NOTE: "**KILLED**: interrupted"})
    with store.open("name", {KEY: "key", "kind": "imp"}) as run:
        assert run.run_id == run_id
        opened = look(run_id)
        assert opened.info.status == "RUNNING"
        assert opened.data.tags[PROCESS] == ownership()[PROCESS]
        assert opened.data.tags["kind"] == "imp"
        assert not {FAILURE, NOTE} & opened.data.tags.keys()
    assert status(run_id) == "FINISHED"
    assert len(store.search("")) == 1
    assert store.find("key") == run_id


def test_a_description_of_a_run_that_did_not_fail_stays(store):
    run_id = begin(store, {**dead_tags(), NOTE: "half of it is there"})
    with store.open("name", {KEY: "key"}):
        assert look(run_id).data.tags[NOTE] == "half of it is there"


def work(store: Store, error: BaseException | None = None, *, adopt: bool = False) -> RunLog:
    """Do the task of the key: log something, and end with the error, if there is one; the run it was in."""
    opened: list[RunLog] = []

    def do() -> None:
        with store.open("level 1", {KEY: "key", "kind": "imp"}, parent="a-study", adopt=adopt) as run:
            opened.append(run)
            run.metrics({"loss": 1.0})
            if error is not None:
                raise error

    with pytest.raises(type(error)) if error is not None else nullcontext():
        do()
    return opened[0]


def test_a_run_that_is_taken_over_and_fails_again_says_so_and_is_taken_over_again(store):
    run_id = begin(store, dead_tags())
    for error, ended in ((RuntimeError("broken"), "FAILED"), (KeyboardInterrupt(), "KILLED")):
        assert work(store, error).run_id == run_id
        assert status(run_id) == ended
        assert look(run_id).data.tags[NOTE].startswith(f"**{ended}**")
    assert work(store).run_id == run_id
    assert status(run_id) == "FINISHED"
    assert FAILURE not in look(run_id).data.tags


def test_a_run_whose_process_died_while_it_wrote_why_is_taken_over(store):
    """The reason is written before the description."""
    run_id = begin(store, {**dead_tags(), FAILURE: "interrupted"})
    assert work(store).run_id == run_id
    assert status(run_id) == "FINISHED"
    assert FAILURE not in look(run_id).data.tags


@pytest.mark.parametrize("writer", ["this process", "one elsewhere", "unknown"])
def test_a_running_run_that_may_be_alive_is_never_taken_over(store, writer):
    tags = {"this process": ownership(), "one elsewhere": elsewhere(heartbeat()[HEARTBEAT]), "unknown": {}}
    run_id = begin(store, tags[writer])
    taken = work(store).run_id
    assert taken != run_id
    assert (status(run_id), status(taken)) == ("RUNNING", "FINISHED")


@pytest.mark.parametrize("left", ["FAILED", "KILLED"])
def test_a_run_that_was_given_a_status_while_its_process_works_on_is_not_taken_over(store, child, left):
    """As `mlflow run` does, when it is interrupted itself."""
    run_id = begin(store, child.tags, status=left)
    assert store.alive("key").info.run_id == run_id
    assert work(store).run_id != run_id
    child.end()
    assert store.alive("key") is None


@pytest.mark.parametrize("writer", ["this process", "unknown"])
@pytest.mark.parametrize("left", ["FAILED", "KILLED"])
def test_an_ended_run_of_this_process_or_an_unknown_one_is_taken_over(store, writer, left):
    run_id = begin(store, ownership() if writer == "this process" else {}, status=left)
    assert work(store).run_id == run_id


@pytest.mark.parametrize("begun", ["here", None])
def test_a_training_is_taken_over_where_it_was_begun_and_nowhere_else(store, begun):
    tags = {} if begun is None else {COMPUTED_BY: begun}
    run_id = begin(store, {**dead_tags(), **tags})
    with store.open("name", {KEY: "key", COMPUTED_BY: "elsewhere"}) as run:
        assert (run.run_id == run_id) == (begun is None)
    end(run_id)
    with store.open("name", {KEY: "key", COMPUTED_BY: "here"}) as run:
        assert (run.run_id == run_id) == (begun == "here")


THREADS = "torch 2, some CPU (AVX2), {}, fp32"


@pytest.mark.parametrize("left", ["RUNNING", "FAILED", "KILLED"])
@pytest.mark.parametrize("here", [THREADS.format("1 thread"), "torch 3, some CPU (AVX2), 2 threads, fp32"])
def test_a_task_that_is_started_over_because_other_bits_were_begun_says_so(store, monkeypatch, left, here):
    said: list[str] = []
    monkeypatch.setattr(store, "_say", said.append)
    there = THREADS.format("2 threads")
    run_id = begin(store, {**dead_tags(), COMPUTED_BY: there}, status=left)
    with store.open("level 1", {KEY: "key", COMPUTED_BY: here}):
        pass
    (line,) = said
    assert line.startswith("level 1 was begun in run")
    assert all(part in line for part in (run_id, there, here, "starting over"))
    with store.open("level 1", {KEY: "another", COMPUTED_BY: here}):
        pass
    assert said == [line]


def test_fresh_takes_over_only_what_was_begun_fresh_and_others_take_over_both(store):
    run_id = begin(store, dead_tags())
    fresh = {KEY: "key", FRESH: "true"}
    with pytest.raises(KeyboardInterrupt), store.open("name", fresh) as first:
        raise KeyboardInterrupt
    assert first.run_id != run_id
    with store.open("name", fresh) as second:
        assert second.run_id == first.run_id
    assert work(store).run_id == run_id


def test_a_run_says_whose_it_is_before_it_is_running_again(store, monkeypatch):
    """Else another process would close it as that of a dead one."""
    run_id = begin(store, dead_tags(), status="KILLED")
    update, owners = MlflowClient.update_run, []

    def note(self, run_id, **changes):
        owners.append(look(run_id).data.tags[PROCESS])
        update(self, run_id, **changes)

    monkeypatch.setattr(MlflowClient, "update_run", note)
    assert work(store).run_id == run_id
    assert owners == [ownership()[PROCESS]]


def test_a_run_that_another_process_took_over_is_left_as_that_has_it(store):
    def lose() -> str:
        with store.open("name", {KEY: "key"}) as run:
            run.tags({**elsewhere(heartbeat()[HEARTBEAT]), NOTE: "theirs"})
            lost.append(run.run_id)
            run.check_owner()

    lost: list[str] = []
    with pytest.raises(LostRunError, match="was taken over by process 1 on"):
        lose()
    assert status(lost[0]) == "RUNNING"
    assert look(lost[0]).data.tags[NOTE] == "theirs"
    assert FAILURE not in look(lost[0]).data.tags


def test_a_run_that_fails_with_a_long_message_ends_failed(store):
    run_id = work(store, RuntimeError("x" * 100_000)).run_id
    assert status(run_id) == "FAILED"
    assert look(run_id).data.tags[FAILURE].startswith("RuntimeError: xxx")


def test_the_run_of_a_child_is_taken_over_only_when_the_child_has_ended(store, child):
    run_id = begin(store, child.tags)
    with store.open("name", {KEY: "key"}) as beside:
        assert beside.run_id != run_id
    child.end()
    with store.open("name", {KEY: "key"}) as run:
        assert run.run_id == run_id


def test_the_run_of_another_key_is_not_taken_over(store):
    others = [begin(store, dead_tags(), "other"), begin(store, dead_tags(), "another", "FAILED")]
    with store.open("name", {KEY: "key"}) as run:
        assert run.run_id not in others
    assert [status(run_id) for run_id in others] == ["RUNNING", "FAILED"]


def test_finished_and_deleted_runs_are_not_taken_over(store):
    others = [begin(store, dead_tags(), status=status) for status in ("FINISHED", "FAILED")]
    MlflowClient().delete_run(others[1])
    with store.open("name", {KEY: "key"}) as run:
        assert run.run_id not in others


def test_the_latest_unfinished_run_is_taken_over_beside_one_that_is_alive(store, child):
    runs = []
    for tags, left in ((dead_tags(), "KILLED"), (dead_tags(), "RUNNING"), (child.tags, "RUNNING")):
        run = MlflowClient().create_run(
            store.experiment_id, tags=indexed({KEY: "key", **tags}), start_time=1000 * (len(runs) + 1)
        )
        MlflowClient().update_run(run.info.run_id, status=left)
        runs.append(run.info.run_id)
    with store.open("name", {KEY: "key"}) as opened:
        assert opened.run_id == runs[1]
    assert [status(run_id) for run_id in runs] == ["KILLED", "FINISHED", "RUNNING"]


def test_metrics_that_a_run_has_are_not_logged_again_and_later_ones_are(store):
    run_id = begin(store, dead_tags())
    before = RunLog(PatientClient(), run_id, "")
    for epoch in range(3):
        before.metrics({"train/loss": 1.0 - epoch, "density": 0.5}, epoch)
    before.flush()
    with store.open("name", {KEY: "key"}) as run:
        for epoch in range(5):
            run.metrics({"train/loss": 1.0 - epoch, "test/loss": 2.0}, epoch)
    assert values(run_id, "train/loss") == [(epoch, 1.0 - epoch) for epoch in range(5)]
    assert values(run_id, "test/loss") == [(epoch, 2.0) for epoch in range(5)]
    assert values(run_id, "density") == [(epoch, 0.5) for epoch in range(3)]


def test_a_metric_that_has_another_value_now_is_logged(store):
    run_id = begin(store, dead_tags())
    MlflowClient().log_metric(run_id, "seconds", 1.0)
    with store.open("name", {KEY: "key"}) as run:
        run.metrics({"seconds": 2.0})
    assert values(run_id, "seconds") == [(0, 1.0), (0, 2.0)]


def test_a_new_run_has_all_its_metrics(store):
    with store.open("name", {KEY: "key"}) as run:
        run.metrics({"loss": 1.0}, 0)
        run.metrics({"loss": 0.5}, 1)
    assert values(run.run_id, "loss") == [(0, 1.0), (1, 0.5)]


@pytest.mark.parametrize("other_bits", [False, True], ids=["the same environment", "another environment"])
def test_the_metrics_of_a_run_are_those_of_its_solution_whoever_began_it(
    experiment, monkeypatch, without_models, other_bits
):
    """What another environment logged is of a training that was not gone on from."""

    def interrupt(_self: object, epoch: int, _weights: object) -> None:
        if epoch == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("torch.cpu._is_avx512_bf16_supported", lambda: other_bits)
        patched.setattr(ProgressKeeper, "snapshot", interrupt)
        with pytest.raises(KeyboardInterrupt):
            make_study(precision="auto").solution(Place.imp(0))
    monkeypatch.setattr("torch.cpu._is_avx512_bf16_supported", lambda: False)
    (begun,) = Store().search("tags.kind = 'imp'")
    assert values(begun.info.run_id, "train/loss"), "it was interrupted after it logged epochs"
    said: list[str] = []
    run_id = make_study(said, precision="auto").solution(Place.imp(0))
    assert any("going on after step 6 of 9" in line for line in said) is not other_bits
    assert run_id == begun.info.run_id or other_bits
    history = load_solution(Store(), run_id).history
    assert values(run_id, "train/loss") == [(record.epoch, record.train.loss) for record in history]


# Under a run that `mlflow run` launched


@pytest.fixture
def launched(experiment, monkeypatch) -> str:
    """Return the run that `mlflow run` would have made for this process."""
    run = MlflowClient().create_run(Store().experiment_id)
    monkeypatch.setenv("MLFLOW_RUN_ID", run.info.run_id)
    return str(run.info.run_id)


ENDINGS = [
    pytest.param(None, "FINISHED", id="finished"),
    pytest.param(RuntimeError("broken"), "FAILED", id="failed"),
    pytest.param(KeyboardInterrupt(), "KILLED", id="interrupted"),
]


def test_a_launched_run_says_which_process_it_is_of_before_any_work(launched):
    assert is_alive(look(launched).data.tags) is None
    with Store().attending():
        assert look(launched).data.tags[PROCESS] == ownership()[PROCESS]
        assert is_alive(look(launched).data.tags) is True


@pytest.mark.parametrize(("error", "ended"), ENDINGS)
def test_where_nothing_was_begun_the_launched_run_holds_the_work(launched, error, ended):
    assert work(Store(), error, adopt=True).run_id == launched
    run = look(launched)
    assert (run.info.status, run.info.run_name) == (ended, "level 1")
    assert run.data.tags[KEY] == "key"
    assert REUSED not in run.data.tags


@pytest.mark.parametrize(("error", "ended"), ENDINGS)
def test_where_a_run_is_taken_over_the_launched_run_points_to_it_and_ends_alike(launched, error, ended):
    store = Store()
    unfinished = begin(store, dead_tags())
    assert work(store, error, adopt=True).run_id == unfinished
    pointer, run = look(launched), look(unfinished)
    assert (pointer.info.status, run.info.status) == (ended, ended)
    assert pointer.info.run_name == "level 1 (found)"
    assert (pointer.data.tags[REUSED], pointer.data.tags["kind"]) == (unfinished, "reused")
    assert pointer.data.tags["mlflow.parentRunId"] == "a-study"
    assert KEY not in pointer.data.tags, "it is no result"
    assert (run.data.metrics, pointer.data.metrics) == ({"loss": 1.0}, {})
    assert run.data.tags.get(FAILURE) == pointer.data.tags.get(FAILURE)
    assert (FAILURE in run.data.tags) == (error is not None)
    if error is None:
        assert unfinished in pointer.data.tags[NOTE]
    else:
        assert pointer.data.tags[NOTE] == run.data.tags[NOTE]


def test_a_launched_run_that_was_left_unfinished_is_taken_over_and_points_nowhere(launched):
    """MLflow's `--run-id` gives a second command the run of the first."""
    assert work(Store(), KeyboardInterrupt(), adopt=True).run_id == launched
    assert work(Store(), adopt=True).run_id == launched
    assert status(launched) == "FINISHED"
    assert REUSED not in look(launched).data.tags


def test_a_task_that_another_needs_leaves_the_launched_run_alone(launched):
    store = Store()
    unfinished = begin(store, dead_tags())
    with store.open("dense", {KEY: "key"}) as run:
        assert run.run_id == unfinished
    assert (status(unfinished), status(launched)) == ("FINISHED", "RUNNING")
    assert REUSED not in look(launched).data.tags
    assert work(store, adopt=True).run_id == launched, "it is still there for the task that was asked for"


def test_only_one_task_is_done_in_the_launched_run(launched):
    store = Store()
    with store.open("one", {KEY: "one"}, adopt=True) as one, store.open("two", {KEY: "two"}, adopt=True) as two:
        assert (one.run_id == launched, two.run_id == launched) == (True, False)


def test_a_solution_is_loaded_through_the_launched_run_that_points_to_it(launched, without_models):
    study = quick_study()
    unfinished = begin(study.store, dead_tags(), study.problem.keys.solution(Place.imp(0)))
    assert study.solution(Place.imp(0), adopt=True) == unfinished
    assert status(launched) == "FINISHED"
    assert load_solution(Store(), launched).key == study.problem.keys.solution(Place.imp(0))


# Waiting for another process


class Meanwhile:
    """What happens in the scheduler instead of waiting."""

    def __init__(self, *events: Callable[[], object]) -> None:
        self.events = list(events)
        self.waited: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.waited.append(seconds)
        if not self.events:
            raise AssertionError("it waits although nothing more happens")
        self.events.pop(0)()


def meanwhile(monkeypatch: pytest.MonkeyPatch, *events: Callable[[], object]) -> Meanwhile:
    time = Meanwhile(*events)
    monkeypatch.setattr(scheduler, "time", SimpleNamespace(sleep=time.sleep, monotonic=lambda: 0.0))
    return time


def nothing() -> None:
    pass


def test_a_task_that_another_process_is_at_is_waited_for_and_its_result_taken(experiment, monkeypatch, child):
    said: list[str] = []
    study = make_study(said)
    run_id = begin(study.store, child.tags, study.problem.keys.solution(Place.imp(0)))
    MlflowClient().log_text(run_id, "{}", "checkpoint/manifest.json")
    time = meanwhile(monkeypatch, nothing, nothing, lambda: MlflowClient().set_terminated(run_id, "FINISHED"))
    before = len(study.store.search(""))
    assert study.solution(Place.imp(0)) == run_id
    assert len(time.waited) == 3
    assert len(study.store.search("")) == before
    assert [line for line in said if line.startswith("dense: ")] == [
        f"dense: process {child.pid} on {child.tags[HOST]} is at it, in run {run_id}; waiting",
        f"dense: found in run {run_id}, nothing to compute",
    ]


@pytest.mark.parametrize("how", ["dies", "fails", "is closed"])
def test_a_task_whose_process_ends_without_a_result_is_done_here_in_the_same_run(
    experiment, monkeypatch, child, without_models, how
):
    said: list[str] = []
    study = quick_study(said)
    run_id = begin(study.store, child.tags, study.problem.keys.solution(Place.imp(0)))

    def happen() -> None:
        if how == "fails":
            MlflowClient().set_tag(run_id, PROCESS, "nobody any more")  # as a process leaves a run that it ends
            MlflowClient().set_terminated(run_id, "FAILED")
            return
        child.die()
        if how == "is closed":
            assert make_study().store.close_dead() == ["of " + study.problem.keys.solution(Place.imp(0))]

    time = meanwhile(monkeypatch, nothing, happen)
    assert study.solution(Place.imp(0)) == run_id
    assert len(time.waited) == 2
    assert sum("waiting" in line for line in said) == 1
    assert status(run_id) == "FINISHED"
    assert load_solution(study.store, run_id).name == "dense"


def test_a_task_that_this_process_is_at_is_not_waited_for(experiment, monkeypatch, without_models):
    study = quick_study()
    begun = begin(study.store, ownership(), study.problem.keys.solution(Place.imp(0)))
    time = meanwhile(monkeypatch)
    assert study.solution(Place.imp(0)) != begun
    assert time.waited == []


@pytest.mark.parametrize("left", ["without tags", "dead", "KILLED"])
def test_a_task_that_no_process_is_known_to_be_at_is_not_waited_for(
    experiment, monkeypatch, without_models, left
):
    study = quick_study()
    begin(
        study.store,
        {} if left == "without tags" else dead_tags(),
        study.problem.keys.solution(Place.imp(0)),
        "KILLED" if left == "KILLED" else "RUNNING",
    )
    time = meanwhile(monkeypatch)
    assert load_solution(study.store, study.solution(Place.imp(0))).name == "dense"
    assert time.waited == []


def test_a_finished_result_is_taken_while_another_process_computes_it_again(experiment, monkeypatch, child):
    study = make_study()
    key = study.problem.keys.solution(Place.imp(0))
    finished = begin(study.store, {}, key, "FINISHED")
    MlflowClient().log_text(finished, "{}", "checkpoint/manifest.json")
    begin(study.store, child.tags, key)
    time = meanwhile(monkeypatch)
    assert study.solution(Place.imp(0)) == finished
    assert time.waited == []


def test_fresh_waits_for_nobody(experiment, monkeypatch, child, without_models):
    study = quick_study()
    begun = begin(study.store, child.tags, study.problem.keys.solution(Place.imp(0)))
    time = meanwhile(monkeypatch)
    assert study.solution(Place.imp(0), fresh=True) != begun
    assert time.waited == []


# Heartbeats


class FakeClient:
    """Notes what is sent, and says so; refuses the first few calls.

    Args:
        refuses: How many calls raise instead.
        error: What they raise.
    """

    def __init__(self, refuses: int = 0, error: type[Exception] = OSError) -> None:
        self.metrics: list[tuple[str, float, int]] = []
        self.tags: list[dict[str, str]] = []
        self.calls = 0
        self._refuses, self._error = refuses, error
        self.sent = threading.Semaphore(0)  # once for each call
        self.at_once = self  # whose patience these calls do not have

    def log_batch(self, run_id, metrics=(), params=(), tags=()):
        self.calls += 1
        try:
            if self.calls <= self._refuses:
                raise self._error("the store is away")
            self.metrics += [(metric.key, metric.value, metric.step) for metric in metrics]
            self.tags.append({tag.key: tag.value for tag in tags})
        finally:
            self.sent.release()

    def wait(self, calls: int = 1) -> None:
        for _ in range(calls):
            assert self.sent.acquire(timeout=LONG), "nothing was sent"


@pytest.fixture
def often(monkeypatch) -> None:
    monkeypatch.setattr(run_module, "BEAT_SECONDS", 1e-3)


def test_beating_sends_buffered_metrics_and_a_heartbeat_by_itself(often):
    client = FakeClient()
    log = RunLog(client, "run", "name")
    log.metrics({"loss": 0.5}, 3)
    with log.beating():
        client.wait()
        log.metrics({"loss": 0.25}, 4)
        while len(client.metrics) < 2:
            client.wait()
    assert client.metrics == [("loss", 0.5, 3), ("loss", 0.25, 4)]
    assert client.tags[0].keys() == {HEARTBEAT}
    assert is_alive(elsewhere(client.tags[-1][HEARTBEAT])) is True


def test_beats_come_where_there_is_nothing_to_send(often):
    client = FakeClient()
    with RunLog(client, "run", "name").beating():
        client.wait(3)
    assert client.metrics == []
    assert all(tags.keys() == {HEARTBEAT} for tags in client.tags)


@pytest.mark.parametrize("error", [MlflowException, OSError])
def test_metrics_that_could_not_be_sent_are_sent_with_a_later_beat_once(often, error):
    client = FakeClient(refuses=2, error=error)
    log = RunLog(client, "run", "name")
    log.metrics({"loss": 0.5, "error": 0.1}, 3)
    with log.beating():
        client.wait(4)
    assert client.metrics == [("loss", 0.5, 3), ("error", 0.1, 3)]
    assert client.tags[0].keys() == {HEARTBEAT}, "the heartbeat goes with what is sent first"


def test_metrics_that_could_not_be_sent_are_sent_by_the_next_flush_once():
    client = FakeClient(refuses=1, error=MlflowException)
    log = RunLog(client, "run", "name")
    log.metrics({"loss": 0.5})
    with pytest.raises(MlflowException, match="away"):
        log.flush()
    log.flush()
    log.flush()
    assert client.metrics == [("loss", 0.5, 0)]
    assert client.calls == 2, "with nothing left to send, nothing is sent"


@pytest.mark.parametrize(
    "send", [RunLog.flush, lambda log: log.tags({"b": "0"}), lambda log: log.params({}, {})]
)
def test_a_mark_that_is_set_while_others_are_sent_goes_with_what_is_sent_next(send):
    client = FakeClient()
    log = RunLog(client, "run", "name", is_new=True)
    log.mark({"a": "1", "b": "1"})
    sending, client.log_batch = (
        client.log_batch,
        lambda *given, **named: (
            log.mark({"a": "2", "c": "1"}),
            sending(*given, **named),
        ),
    )
    send(log)
    client.log_batch = sending
    log.flush()
    log.flush()
    assert client.tags[0]["a"] == "1"
    assert client.tags[1:] == [{"a": "2", "c": "1"}], "once, and without what was sent before"


def test_beating_ends_with_the_block_also_by_an_error(often):
    client, before = FakeClient(), set(threading.enumerate())
    for error in (None, KeyboardInterrupt()):
        with suppress(KeyboardInterrupt), RunLog(client, "run", "name").beating():
            client.wait()
            if error is not None:
                raise error
        assert set(threading.enumerate()) <= before


def test_more_metrics_than_one_call_takes_are_sent_in_several_in_order():
    client = FakeClient()
    log = RunLog(client, "run", "name")
    for step in range(2500):
        log.metrics({"loss": float(step)}, step)
    log.flush()
    assert client.calls == 3
    assert [step for _, _, step in client.metrics] == list(range(2500))


def test_an_open_run_beats(store, often, monkeypatch):
    beats, log_batch = threading.Semaphore(0), MlflowClient.log_batch

    def note(self, run_id, metrics=(), params=(), tags=(), **options):
        log_batch(self, run_id, metrics=metrics, params=params, tags=tags, **options)
        if any(metric.key == "loss" for metric in metrics):
            beats.release()

    monkeypatch.setattr(MlflowClient, "log_batch", note)
    with store.open("name", {KEY: "key"}) as run:
        run.metrics({"loss": 0.5}, 3)
        assert beats.acquire(timeout=LONG), "nothing was sent"
        assert values(run.run_id, "loss") == [(3, 0.5)], "while the run is open"


def test_a_launched_run_beats_while_it_is_attended(launched, often, monkeypatch):
    beats, log_batch = threading.Semaphore(0), MlflowClient.log_batch

    def note(self, run_id, metrics=(), params=(), tags=(), **options):
        log_batch(self, run_id, metrics=metrics, params=params, tags=tags, **options)
        if run_id == launched:
            beats.release()

    store = Store()
    monkeypatch.setattr(MlflowClient, "log_batch", note)
    MlflowClient().set_tag(launched, HEARTBEAT, "2000-01-01T00:00:00+00:00")
    with store.attending():
        assert beats.acquire(timeout=LONG), "nothing was sent"
    assert look(launched).data.tags[HEARTBEAT] >= "2025"


def test_attending_does_nothing_where_no_run_was_launched(store, often):
    before = set(threading.enumerate())
    with store.attending():
        assert set(threading.enumerate()) <= before


@pytest.fixture
def mute_store(store, often, monkeypatch) -> Iterator[SimpleNamespace]:
    """Give the test a store that accepts what is sent from now on, and never answers."""
    never = threading.Event()
    monkeypatch.setattr(run_module, "_LAST_BEAT_SECONDS", 0.01)
    monkeypatch.setattr(store_module, "LAST_WORDS_SECONDS", 0.01)
    yield SimpleNamespace(
        store=store,
        fall_silent=lambda: monkeypatch.setattr(MlflowClient, "log_batch", lambda *_, **__: never.wait()),
    )
    never.set()


def test_an_interruption_waits_for_no_answer_of_a_store_that_gives_none(mute_store):
    began = threading.Event()

    def work() -> None:
        with suppress(KeyboardInterrupt), mute_store.store.open("name", {KEY: "key"}):
            mute_store.fall_silent()
            began.set()
            raise KeyboardInterrupt

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    assert began.wait(LONG)
    thread.join(LONG)
    assert not thread.is_alive(), "it waits for an answer"
