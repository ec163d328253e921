"""Which process writes a run, and whether it is still alive."""

from __future__ import annotations

import os
import socket
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
_SILENCE = timedelta(minutes=5)  # after which a process on another machine is taken for dead
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

    A process of this machine is looked up by its pid and start. One elsewhere, or whose start seems to be
    another (the pid was given out again, or the clock was set), is alive if its last heartbeat is at most five
    minutes old, by this machine's clock.
    """
    identity = _said(tags, PROCESS).rsplit(" ", 2)
    if len(identity) != 3 or not identity[1].isdecimal():
        return None
    machine, pid, started = identity
    heard_of = is_heard_of(tags)
    if machine != _machine():
        return heard_of
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
    said = _said(tags, HEARTBEAT)
    seen = datetime.fromisoformat(said) if said else datetime.min.replace(tzinfo=UTC)
    return datetime.now(UTC) - seen <= _SILENCE


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
