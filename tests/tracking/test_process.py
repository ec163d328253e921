"""Whether the process that writes a run is alive, told by the run's tags."""

import os
import socket
import sys
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import psutil
import pytest
from processes import dead_tags, tags_of, this_machine, waiting_child

from lth.tracking import process
from lth.tracking.process import (
    HEARTBEAT,
    HOST,
    PID,
    PROCESS,
    described,
    heartbeat,
    is_alive,
    is_own,
    ownership,
)

ELSEWHERE = "another-machine/boot/pid:[1]"


def ago(**time: float) -> str:
    """Return the heartbeat of so long ago."""
    return (datetime.now(UTC) - timedelta(**time)).isoformat(timespec="seconds")


def elsewhere(**time: float) -> dict[str, str]:
    """Return the tags of a process of another machine that was last heard of so long ago."""
    return {**tags_of(os.getpid(), machine=ELSEWHERE), HEARTBEAT: ago(**time)}


def test_this_process_is_alive_and_its_own():
    assert is_alive(ownership()) is True
    assert is_own(ownership())
    assert ownership()[PROCESS] == ownership()[PROCESS], "the same whenever it is asked for"


def test_tags_of_a_process_are_hidden_in_the_ui_and_those_of_before_are_read():
    former = {name.removeprefix("mlflow."): value for name, value in ownership().items()}
    assert all(name.startswith("mlflow.") for name in ownership())
    assert is_own(former)
    assert is_alive(former) is True
    assert described(former) == described(ownership())
    assert not is_own({**former, PROCESS: "nobody any more"}), "what was written last counts"


def test_a_child_is_alive_until_it_ends():
    with waiting_child() as child:
        assert is_alive(child.tags) is True
        assert not is_own(child.tags)
        child.end()
        assert is_alive(child.tags) is False


def test_a_process_that_ended_is_dead_whatever_its_heartbeat():
    assert is_alive({**dead_tags(), **heartbeat()}) is False


def test_a_process_that_beats_no_more_is_alive_while_it_is_there():
    assert is_alive({**ownership(), HEARTBEAT: ago(days=1)}) is True


@pytest.mark.skipif(sys.platform != "linux", reason="zombies are made by waitid")
def test_a_zombie_is_dead():
    with waiting_child() as child:
        child.die()
        assert psutil.Process(child.pid).status() == psutil.STATUS_ZOMBIE
        assert is_alive(child.tags) is False


@pytest.mark.parametrize("seconds", [-3600.0, -3.0, 3.0, 3600.0])
def test_a_pid_that_started_at_another_time_is_told_by_its_heartbeat(seconds):
    """Another process got it since, or the clock was set: which of them, only time tells."""
    tags = tags_of(os.getpid(), started=psutil.Process().create_time() + seconds)
    assert is_alive({**tags, HEARTBEAT: ago(minutes=4)}) is True
    assert is_alive({**tags, HEARTBEAT: ago(minutes=6)}) is False
    del tags[HEARTBEAT]
    assert is_alive(tags) is False
    assert not is_own(tags)


def test_a_process_that_may_not_be_looked_up_is_told_by_its_heartbeat(monkeypatch):
    tags = tags_of(os.getpid())

    def refuse(pid: int) -> psutil.Process:
        raise psutil.AccessDenied(pid)

    monkeypatch.setattr(psutil, "Process", refuse)
    assert is_alive({**tags, HEARTBEAT: ago(minutes=4)}) is True
    assert is_alive({**tags, HEARTBEAT: ago(minutes=6)}) is False


def test_a_clock_that_was_corrected_by_a_second_makes_no_other_process():
    assert is_alive(tags_of(os.getpid(), started=psutil.Process().create_time() + 1.0)) is True


@pytest.mark.parametrize(
    ("silence", "alive"),
    [
        ({"seconds": 0}, True),
        ({"minutes": 4}, True),
        ({"days": 400}, False),
        ({"minutes": 61}, False),
        ({"minutes": -3}, True),  # its clock is ahead of ours
    ],
    ids=str,
)
def test_a_process_of_another_machine_is_alive_while_its_heartbeat_is_fresh(silence, alive):
    assert is_alive(elsewhere(**silence)) is alive
    assert not is_own(elsewhere(**silence))


@pytest.fixture
def clock(monkeypatch) -> SimpleNamespace:
    """Return the seconds of a clock that only this test turns on."""
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(process, "time", SimpleNamespace(monotonic=lambda: clock.now))
    monkeypatch.setattr(process, "_last_seen", {})
    return clock


@pytest.mark.parametrize("apart", [-30, -6, 0, 6, 30])
def test_a_process_elsewhere_whose_clock_is_minutes_from_ours_lives_while_it_beats(clock, apart):
    for _ in range(60):
        clock.now += process.BEAT_SECONDS
        assert is_alive(elsewhere(minutes=apart, seconds=-clock.now)) is True


@pytest.mark.parametrize(("apart", "after"), [(-30, 300), (0, 300), (6, 60), (30, 60)])
def test_a_process_elsewhere_whose_heartbeat_stands_still_while_it_is_watched_is_dead(clock, apart, after):
    two_runs = [elsewhere(minutes=apart), elsewhere(minutes=apart, seconds=7)]  # which beat one after the other
    assert all(is_alive(tags) for tags in two_runs)
    clock.now = after - 1
    assert all(is_alive(tags) for tags in two_runs)
    clock.now = after
    assert not any(is_alive(tags) for tags in two_runs)


def test_a_process_of_another_machine_that_never_beat_is_dead():
    tags = elsewhere(seconds=0)
    del tags[HEARTBEAT]
    assert is_alive(tags) is False


def test_the_same_pid_and_start_in_another_container_or_after_a_reboot_is_another_process():
    assert sys.platform != "linux" or len(this_machine().split("/")) == 3, "host, boot and pid namespace"
    for machine in (f"{this_machine()}0", socket.gethostname(), ""):
        tags = {**tags_of(os.getpid(), machine=machine), HEARTBEAT: ago(days=1)}
        assert is_alive(tags) is False
        assert not is_own(tags)


@pytest.mark.parametrize("named", [None, "", "a b", "machine pid 1.0", "nobody any more"])
def test_tags_that_name_no_process_do_not_tell(named):
    tags = heartbeat() if named is None else {PROCESS: named, **heartbeat()}
    assert is_alive(tags) is None
    assert not is_own(tags)


def test_a_machine_whose_name_has_spaces_is_told_apart(monkeypatch):
    own, dead = tags_of(os.getpid(), machine="my own computer"), dead_tags()[PROCESS].rsplit(" ", 2)
    monkeypatch.setattr(process, "_machine", lambda: "my own computer")
    assert is_alive({**own, HEARTBEAT: ago(days=1)}) is True
    assert is_alive({PROCESS: " ".join(["my own computer", *dead[1:]]), **heartbeat()}) is False
    assert is_alive({PROCESS: own[PROCESS].replace("computer", "laptop"), **heartbeat()}) is True, (
        "by its heartbeat"
    )


def test_a_heartbeat_is_of_this_moment_and_has_a_time_zone():
    before = datetime.now(UTC).replace(microsecond=0)
    beat = datetime.fromisoformat(heartbeat()[HEARTBEAT])
    assert before <= beat <= datetime.now(UTC)


def test_beats_come_many_times_before_a_process_is_taken_for_dead():
    assert timedelta(seconds=5 * process.BEAT_SECONDS) < process._SILENCE


def test_a_process_is_described_by_its_pid_and_host():
    assert described({PID: "17", HOST: "lab"}) == "process 17 on lab"
    assert described(ownership()) == f"process {os.getpid()} on {socket.gethostname()}"
    assert described({}) == "process ? on ?"
