"""Which process writes a run, and whether it is still alive."""

from __future__ import annotations

import os
import socket
import time
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import psutil

# Of a name that begins with `mlflow.` the UI shows no tag. Earlier versions had none of that before theirs.
_HIDDEN = "mlflow."
HOST = f"{_HIDDEN}lth.host"
PID = f"{_HIDDEN}lth.pid"
PROCESS = f"{_HIDDEN}lth.process"  # its machine, pid and start time
HEARTBEAT = f"{_HIDDEN}lth.heartbeat"  # when it was last known to be alive

BEAT_SECONDS = 20.0
_SILENCE = timedelta(minutes=5)  # after which a process that can't be looked up is taken for dead
_CLOCKS_APART = timedelta(hours=1)  # at most, of two machines
_WATCHED_SECONDS = 3 * BEAT_SECONDS  # without a new sign of life, where the clocks would have it dead
_CLOCK_STEP_SECONDS = 2.0  # by which the start time of one process may be read differently


def ownership() -> dict[str, str]:
    """Return the tags that mark a run as written by this process."""
    return {HOST: socket.gethostname(), PID: str(os.getpid()), PROCESS: _identity(os.getpid()), **heartbeat()}


def heartbeat() -> dict[str, str]:
    """Return the tag that says that this process is alive now."""
    return {HEARTBEAT: datetime.now(UTC).isoformat(timespec="seconds")}


def names_process(tags: Mapping[str, str]) -> bool:
    """Say whether these tags name a process."""
    return bool(_said(tags, PROCESS))


def is_own(tags: Mapping[str, str]) -> bool:
    """Say whether a run with these tags is written by this process."""
    return _said(tags, PROCESS) == _identity(os.getpid())


def is_alive(tags: Mapping[str, str]) -> bool | None:
    """Say whether the process that writes a run with these tags is alive; None if the tags do not tell.

    A process of this machine is looked up by its pid and start. One whose start seems to be another (the pid
    was given out again, or the clock was set) is alive if its last heartbeat is at most five minutes old. One
    elsewhere has a clock that may be minutes from this one's: it is dead only if no later heartbeat comes while
    this process watches, for a minute where it seems silent, for five where it does not.
    """
    identity = _said(tags, PROCESS).rsplit(" ", 2)
    if len(identity) != 3 or not identity[1].isdecimal():
        return None
    machine, pid, started = identity
    heard_of = is_heard_of(tags)
    if machine != _machine():
        return _is_heard_of_elsewhere(tags)
    try:
        process = psutil.Process(int(pid))
        if abs(process.create_time() - float(started)) > _CLOCK_STEP_SECONDS:
            return heard_of
        return str(process.status()) != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return heard_of


def is_heard_of(tags: Mapping[str, str]) -> bool:
    """Say whether the process that writes a run with these tags gave a sign of life in five minutes."""
    return _silence(tags) <= _SILENCE


def _is_heard_of_elsewhere(tags: Mapping[str, str]) -> bool:
    silence, watched = _silence(tags), _watched_in_vain(tags)
    if silence > _CLOCKS_APART:
        return False
    return watched < (_WATCHED_SECONDS if silence > _SILENCE else _SILENCE.total_seconds())


def _silence(tags: Mapping[str, str]) -> timedelta:
    """Return how long ago the last heartbeat was, by the clocks of both machines."""
    said = _said(tags, HEARTBEAT)
    return datetime.now(UTC) - (datetime.fromisoformat(said) if said else datetime.min.replace(tzinfo=UTC))


def _watched_in_vain(tags: Mapping[str, str]) -> float:
    """Return for how many seconds this process has seen no later heartbeat of that one, on any run."""
    who, beat, now = _said(tags, PROCESS), _said(tags, HEARTBEAT), time.monotonic()
    if who not in _last_seen or beat > _last_seen[who][0]:
        _last_seen[who] = beat, now
    return now - _last_seen[who][1]


_last_seen: dict[str, tuple[str, float]] = {}  # the last heartbeat of a process, and when it was seen first


def described(tags: Mapping[str, str]) -> str:
    """Return what a person calls the process that writes a run with these tags."""
    return f"process {_said(tags, PID) or '?'} on {_said(tags, HOST) or '?'}"


def _said(tags: Mapping[str, str], name: str) -> str:
    """Return what tags say under a name, or what an earlier version wrote under its own; empty if nothing."""
    return tags.get(name) or tags.get(name.removeprefix(_HIDDEN), "")


@cache
def _identity(pid: int) -> str:
    return f"{_machine()} {pid} {psutil.Process(pid).create_time():.2f}"


def _machine() -> str:
    """Return what tells this machine since it was started, and within it this container, from others."""
    boot, namespace = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")
    known = [boot.read_text().strip()] if boot.exists() else []
    known += [str(namespace.readlink())] if namespace.is_symlink() else []
    known = known or [f"{uuid.getnode():x}"]
    return "/".join([socket.gethostname(), *known])
