"""Of all processes that ask for the task of a key at once, one begins it."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from processes import dead_tags

from lth.tracking.client import PatientClient
from lth.tracking.lease import _ASKED, _HELD, _NONCE, _STATE, ASKING, BEGUN, CLAIMED, Leases, ask, asks
from lth.tracking.lookup import indexed
from lth.tracking.process import PROCESS, ownership
from lth.tracking.store import FRESH, KEY, STUDY, Store

ROOT = Path(__file__).parent.parent.parent
FIRST, LAST = "0" * 32, "f" * 32  # before and after every id of a run


def leases_of(store: Store) -> Leases:
    return Leases(PatientClient(), store.experiment_id, store.search)


def rival(store: Store, tags: dict[str, str], state: str, key: str = "key") -> str:
    run = MlflowClient().create_run(store.experiment_id, tags={**tags, CLAIMED: key, _STATE: state})
    return str(run.info.run_id)


def active(store: Store) -> list[str]:
    return [run.data.tags[CLAIMED] for run in store.search(f"tags.`{CLAIMED}` LIKE '%'")]


def test_a_key_that_no_other_claims_is_granted_and_shown_while_it_is_held(store):
    claims = leases_of(store)
    with claims.leased("key") as granted:
        assert granted
        (run,) = store.search(f"tags.`{CLAIMED}` = 'key'")
        assert run.data.tags[_STATE] == _HELD
        assert run.data.tags[PROCESS] == ownership()[PROCESS]
        assert run.info.run_name.startswith("claim of process")
    assert active(store) == []


def test_one_run_serves_all_claims_of_a_process(store):
    claims = leases_of(store)
    for key in ("one", "two", "one"):
        with claims.leased(key):
            assert active(store) == [key]
    deleted = MlflowClient().search_runs([store.experiment_id], run_view_type=2)
    assert len(deleted) == 1


def test_a_claim_ends_with_its_block_when_that_raises(store):
    with pytest.raises(KeyboardInterrupt), leases_of(store).leased("key"):
        raise KeyboardInterrupt
    assert active(store) == []


def test_a_key_that_a_living_process_holds_is_refused(store, child):
    rival(store, child.tags, _HELD)
    with leases_of(store).leased("key") as granted:
        assert not granted
    assert active(store) == ["key"], "the other's"


@pytest.mark.parametrize("state", [_ASKED, _HELD])
@pytest.mark.parametrize("whose", ["dead", "own", "of another key"])
def test_claims_of_the_dead_of_this_process_and_of_other_keys_do_not_count(store, child, state, whose):
    tags = {"dead": dead_tags(), "own": ownership(), "of another key": child.tags}[whose]
    rival(store, tags, state, "other" if whose == "of another key" else "key")
    with leases_of(store).leased("key") as granted:
        assert granted


class Rivals:
    """What a store says of others' claims: the given lists, one a search, then nothing any more."""

    def __init__(self, tags: dict[str, str], *seen: tuple[str, str]) -> None:
        self._seen = [
            SimpleNamespace(
                info=SimpleNamespace(run_id=run_id), data=SimpleNamespace(tags={**tags, _STATE: state})
            )
            for run_id, state in seen
        ]
        self.searches = 0

    def __call__(self, _filter: str) -> list[Any]:
        self.searches += 1
        return [self._seen[self.searches - 1]] if self.searches <= len(self._seen) else []


def test_of_two_that_ask_at_once_the_first_id_waits_until_the_other_has_withdrawn(store, child):
    rivals = Rivals(child.tags, (LAST, _ASKED), (LAST, _ASKED))
    with Leases(PatientClient(), store.experiment_id, rivals).leased("key") as granted:
        assert granted
    assert rivals.searches == 3


def test_of_two_that_ask_at_once_the_other_withdraws(store, child):
    with Leases(PatientClient(), store.experiment_id, Rivals(child.tags, (FIRST, _ASKED))).leased(
        "key"
    ) as granted:
        assert not granted


class AskingAgain(Rivals):
    """One rival that is refused and asks again, each time that one looks."""

    def __call__(self, filter_string: str) -> list[Any]:
        found = super().__call__(filter_string)
        for run in found:
            run.data.tags[_NONCE] = str(self.searches)
        return found


def test_who_is_refused_and_asks_again_at_once_does_not_hold_up_the_first(store, child):
    rivals = AskingAgain(child.tags, *[(LAST, _ASKED)] * 100)
    with Leases(PatientClient(), store.experiment_id, rivals).leased("key") as granted:
        assert granted
    assert rivals.searches == 2


def test_one_that_saw_no_other_and_holds_the_key_meanwhile_is_not_waited_for(store, child):
    rivals = Rivals(child.tags, (LAST, _ASKED), (LAST, _HELD))
    with Leases(PatientClient(), store.experiment_id, rivals).leased("key") as granted:
        assert not granted


def test_the_claim_of_a_process_that_died_holding_it_is_deleted_with_the_other_dead_runs(store):
    rival(store, dead_tags(), _HELD)
    assert store.close_dead() == [], "it is no run that a user knows of"
    assert active(store) == []


def test_a_claim_that_cannot_be_ended_does_not_hide_why_its_block_ended(store, monkeypatch):
    def away(*_arguments: object) -> None:
        raise MlflowException("API request to http://lab failed with exception x")

    monkeypatch.setattr(MlflowClient, "delete_run", away)
    with pytest.raises(KeyboardInterrupt), leases_of(store).leased("key"):
        raise KeyboardInterrupt


def test_a_claim_is_made_anew_when_the_deleted_one_was_removed(store, monkeypatch):
    """As `mlflow gc` does."""

    def removed(_self: object, run_id: str) -> None:
        raise MlflowException(f"Run with id={run_id} not found")

    claims = leases_of(store)
    with claims.leased("one"):
        pass
    monkeypatch.setattr(MlflowClient, "restore_run", removed)
    with claims.leased("two") as granted:
        assert granted
        assert active(store) == ["two"]


@pytest.mark.parametrize("left", ["finished", "at it", "begun"])
def test_a_run_is_not_opened_alone_where_another_process_was_first(store, child, left):
    tags = {**child.tags, **(BEGUN if left == "begun" else {})}
    run = MlflowClient().create_run(store.experiment_id, tags=indexed({KEY: "key", **tags}))
    if left == "finished":
        MlflowClient().set_terminated(run.info.run_id, "FINISHED")
    with store.open_alone("name", {KEY: "key"}) as opened:
        assert opened is None
    assert [left.info.run_id for left in store.search("")] == [run.info.run_id]


def test_what_is_done_anew_is_begun_whatever_there_is(store, child):
    for left in ("FINISHED", "RUNNING"):
        run = MlflowClient().create_run(store.experiment_id, tags=indexed({KEY: "key", **child.tags}))
        MlflowClient().update_run(run.info.run_id, status=left)
        with store.open_alone("name", {KEY: "key", FRESH: "true"}) as opened:
            assert opened is not None


OURS = "7" * 32  # the id of a run, between those of others


def seen_by(*looks: dict[str, dict[str, str]]) -> Callable[[], list[Any]]:
    """Return what looks: at our run and the given others by their ids, and in the end at nothing but ours."""
    left = iter([*looks, {}])

    def look() -> list[Any]:
        return [
            SimpleNamespace(info=SimpleNamespace(run_id=run_id), data=SimpleNamespace(tags=tags))
            for run_id, tags in {OURS: {**ownership(), **ASKING}, **next(left)}.items()
        ]

    return look


def is_granted(look: Callable[[], list[Any]], *, anew: bool = False) -> bool:
    return ask(OURS, look, lambda _run: True, anew=anew)[0]


def test_who_asks_and_sees_no_other_is_granted_at_once(child):
    dead = {**dead_tags(), **ASKING}
    assert is_granted(seen_by({}))
    assert is_granted(seen_by({FIRST: dead, LAST: dead}))
    assert is_granted(seen_by({FIRST: {**ownership(), **ASKING}}))


@pytest.mark.parametrize("anew", [False, True])
def test_of_two_that_ask_by_their_runs_the_first_id_waits_for_the_other(child, anew):
    asking, at_it = {**child.tags, **ASKING}, {**child.tags, **BEGUN}
    assert not is_granted(seen_by({FIRST: asking}), anew=anew)
    assert is_granted(seen_by({LAST: asking}, {LAST: asking}), anew=anew), "it withdrew"
    assert not is_granted(seen_by({LAST: asking}, {LAST: at_it}), anew=anew), "it had looked before"


def test_only_those_of_the_first_look_are_waited_for(child):
    asking = {**child.tags, **ASKING}
    later = [{f"{number:032x}": asking} for number in range(1, 4)]
    assert is_granted(seen_by({LAST: asking}, *later))


@pytest.mark.parametrize("seen", [ASKING, BEGUN])
def test_who_ended_after_a_look_may_have_finished_the_task_before_and_is_looked_at_again(seen):
    """The look is of when it asked or was at it; that its process is gone is of a moment later."""
    looks = seen_by({LAST: {**dead_tags(), **seen}}, {LAST: {**dead_tags(), **BEGUN, "status": "FINISHED"}})

    def is_finished(run: Any) -> bool:
        return run.data.tags.get("status") == "FINISHED"

    assert not ask(OURS, looks, is_finished)[0]


def test_who_asks_to_do_it_anew_heeds_no_run_that_was_there_before(child):
    at_it = {FIRST: {**child.tags, **BEGUN}, LAST: child.tags}
    assert not is_granted(seen_by(at_it))
    assert is_granted(seen_by(at_it), anew=True)


def test_a_run_that_only_asks_is_none_to_others_until_it_is_begun(store):
    with store.open_alone("name", {KEY: "key", STUDY: "study"}) as run:
        assert run is not None
        assert store.of_key("key") == store.of_study("study") == []
        run.params({"lr": "0.1"}, {})
        assert [found.info.run_id for found in store.of_key("key")] == [run.run_id]
    assert store.find("key") == run.run_id


def test_a_run_that_was_refused_or_not_needed_is_deleted(store, child):
    taken = MlflowClient().create_run(store.experiment_id, tags=indexed({KEY: "taken", **child.tags}))
    with store.open_alone("name", {KEY: "taken"}):
        pass
    left = MlflowClient().create_run(store.experiment_id, tags=indexed({KEY: "left", **dead_tags()}))
    with store.open_alone("name", {KEY: "left"}) as run:
        assert run.run_id == left.info.run_id
    assert {run.info.run_id for run in store.search("")} == {taken.info.run_id, left.info.run_id}


def test_what_asked_for_a_task_and_died_is_deleted_by_who_does_it_or_looks_for_the_dead(store):
    for key in ("done", "not done"):
        MlflowClient().create_run(store.experiment_id, tags=indexed({KEY: key, **dead_tags(), **ASKING}))
    with store.open_alone("name", {KEY: "done"}) as run:
        pass
    assert store.close_dead() == []
    assert [found.info.run_id for found in store.search("")] == [run.run_id]


# Importing takes seconds: one process does, and the others leave it before it has opened a store.
_WORKERS = """
import multiprocessing, sys
from lth.tracking.store import KEY, Store

forks = multiprocessing.get_context("fork")

def work(together, keys):
    store = Store()
    together.wait()
    for key in keys:
        while store.find(key) is None:
            with store.open_alone(key, {KEY: key}) as run:
                if run is not None:
                    print(key, flush=True)

for count in map(int, sys.argv[1].split(",")):
    together = forks.Barrier(count)
    keys = [f"{count} processes, {key}" for key in sys.argv[2:]]
    processes = [forks.Process(target=work, args=(together, keys)) for _ in range(count)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * count
"""


def asked_by(store: Store, counts: str, *keys: str) -> None:
    """Let so many processes at once, then so many, each ask for every key; check that each is begun once."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", _WORKERS, counts, *keys]
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True, timeout=3000)
    begun = sorted(f"{count} processes, {key}" for count in counts.split(",") for key in keys)
    assert sorted(done.stdout.splitlines()) == begun
    assert active(store) == []
    assert sorted(run.data.tags[KEY] for run in store.search("")) == begun


def test_of_two_and_of_eight_processes_that_ask_for_a_key_at_once_one_begins_it(store):
    asked_by(store, "2,8", "one")


@pytest.mark.nightly
def test_of_32_processes_that_ask_for_one_key_at_once_one_begins_it(store):
    asked_by(store, "32", "one")


# Each child dies before the n-th request of its task, which is then done here; until one lives to the end. The
# same for what is claimed without a run, for the first time and once more.
_KILLED = """
import itertools, multiprocessing, os, signal
from lth.tracking.client import PatientClient
from lth.tracking.store import KEY, Store

forks, persist = multiprocessing.get_context("fork"), PatientClient.persist

def die(last, manner):
    store, steps = Store(), itertools.count(1)
    if manner == "again":  # and so has a claim to restore
        with store.leased("of before"):
            pass

    def step(self, *arguments, **named):
        if next(steps) == last:
            os.kill(os.getpid(), signal.SIGKILL)
        return persist(self, *arguments, **named)

    PatientClient.persist = step
    key = f"{last} {manner}"
    with store.open_alone("task", {KEY: key}) if manner == "run" else store.leased(key):
        pass

for manner in ("run", "claim", "again"):
    for last in itertools.count(1):
        child = forks.Process(target=die, args=(last, manner))
        child.start()
        child.join()
        store, key = Store(), f"{last} {manner}"
        if child.exitcode == 0:
            break
        assert child.exitcode == -signal.SIGKILL
        if manner == "run":
            done = store.find(key) is not None
            with store.open_alone("task", {KEY: key}) as run:
                assert (run is None) is done, key
            assert [run.info.status for run in store.of_key(key)] == ["FINISHED"], key
        else:
            with store.leased(key) as granted:
                assert granted, key
    store.close_dead()
    print(last, flush=True)
"""


def test_a_process_killed_between_any_two_steps_of_a_claim_keeps_no_other_from_its_task(store):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", _KILLED]
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True, timeout=3000)
    assert [int(steps) for steps in done.stdout.split()] == [5, 5, 6], "how many steps there are, and one"
    assert active(store) == []
    assert not any(asks(run) for run in store.search(""))
