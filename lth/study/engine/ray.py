"""Tasks on a Ray cluster: Ray places them and notices who dies; which is next, is decided here as everywhere.

A worker of Ray keeps the studies that it has opened, so that its next task begins at once. What it says comes
by a queue, an actor of Ray's. Needs the extra `lth[ray]`.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from platform import python_version
from types import FrameType
from typing import Any

import ray
import torch
from ray.exceptions import RayError, TaskCancelledError
from ray.util.queue import Empty, Queue
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from lth.errors import InputError
from lth.plan.tasks import Task
from lth.signals import ENDING
from lth.study.engine.engine import LostWorkerError, Outcome
from lth.study.engine.message import Message, error_of
from lth.study.engine.worker import Worker
from lth.study.record.load import LostResultError
from lth.tracking.process import PROCESS, ownership

_HANDED_ON = ("MLFLOW_TRACKING_", "AWS_", "MLFLOW_S3_", "OMP_", "PYTHONPATH", "CUBLAS_WORKSPACE_CONFIG")
_NEVER = "MLFLOW_TRACKING_URI"  # the opening says it
_SECONDS_TO_END = 60.0  # in which a task keeps its progress
_WAIT_SECONDS = 0.2  # between two looks for what workers say


@dataclass
class _UnderWay:
    """A task that Ray has.

    Args:
        task: Which.
        name: What a person calls who does it.
        process: The process that is at it, once it has said so.
    """

    task: Task
    name: str
    process: str | None = None


class RayWorkers:
    """So many tasks at once on a Ray cluster.

    Args:
        count: How many; 0 for as many as the cluster has CPUs.
        opening: How each worker opens the studies: plain values (`lth.study.engine.worker`).
        say: Tells the user what they say.
        lost: Returns the error that says that what a run held is gone from a place.
        study_of: Returns the number of the study that a task is of.
        address: `auto` for the cluster that there is, `local` for one on this machine, or where its head is.
        logs: Where each task's own log is written, on the machine that does it.
        fingerprint: Of the first study as it is here; every node must come to the same.

    Raises:
        InputError: If there is no cluster, or a node would compute something else.
    """

    def __init__(
        self,
        count: int,
        opening: Mapping[str, object],
        say: Callable[[str], None],
        lost: Callable[[str, str], LostResultError],
        study_of: Callable[[Task], int],
        *,
        address: str,
        logs: Path,
        fingerprint: str,
    ) -> None:
        self._opening = {**opening, "logs": str(logs.absolute())}
        self._say, self._lost, self._study_of = say, lost, study_of
        self._under_way: dict[Any, _UnderWay] = {}  # by what Ray calls the result
        self._begin(address)
        self.count = count or int(ray.cluster_resources().get("CPU", 1))
        self._do = ray.remote(_do).options(num_cpus=1, max_retries=0)
        self._letters = Queue(actor_options={"num_cpus": 0})
        self._check_nodes(fingerprint)

    @property
    def free(self) -> int:
        """How many more tasks it takes now."""
        return self.count - len(self._under_way)

    def submit(self, task: Task, *, adopt: bool, fresh: bool, runs: Mapping[str, str]) -> str:
        """Have Ray do a task; `adopt` is not for others than the command itself."""
        assert not adopt, "a worker has no run of `mlflow run`"
        taken = {under_way.name for under_way in self._under_way.values()}
        name = next(name for number in range(self.count) if (name := f"worker {number + 1}") not in taken)
        message = {"do": task.key, "study": self._study_of(task), "fresh": fresh, "runs": dict(runs)}
        result = self._do.remote(self._opening, message, self._letters, name)
        self._under_way[result] = _UnderWay(task, name)
        return name

    def outcome(self, seconds: float) -> Outcome | None:
        """Return what became of a task; what workers say meanwhile is told."""
        until = time.monotonic() + seconds
        while True:
            self._read_letters()
            there, _ = ray.wait(list(self._under_way), num_returns=1, timeout=_WAIT_SECONDS)
            if there:
                return self._taken(there[0])
            if time.monotonic() >= until:
                return None

    def cancel(self) -> None:
        """Interrupt all that is under way; what has not ended after a minute is killed."""
        for result in self._under_way:
            ray.cancel(result)
        if self._under_way:
            _, others = ray.wait(
                list(self._under_way), num_returns=len(self._under_way), timeout=_SECONDS_TO_END
            )
            for result in others:
                ray.cancel(result, force=True)
        self._under_way.clear()

    def close(self) -> None:
        """Leave the cluster."""
        ray.shutdown()

    def _begin(self, address: str) -> None:
        handed_on = {
            name: value for name, value in os.environ.items() if name.startswith(_HANDED_ON) and name != _NEVER
        }
        handlers = {number: signal.getsignal(number) for number in ENDING}
        try:
            ray.init(
                address=None if address == "local" else address,
                log_to_driver=False,
                include_dashboard=False if address == "local" else None,
                runtime_env={"env_vars": handed_on},
            )
        except (ConnectionError, RayError, ValueError) as error:
            raise InputError(
                f"there is no Ray cluster at address={address!r}: start one (`ray start --head`), or write "
                f"address=local for one on this machine ({' '.join(str(error).split())[:200]})"
            ) from error
        for number, handler in handlers.items():  # Ray's own would end this process without a word
            signal.signal(number, handler)

    def _check_nodes(self, fingerprint: str) -> None:
        nodes = [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]
        if len(nodes) > 1 and str(self._opening["tracking"]).startswith("sqlite:"):
            raise InputError(
                f"{len(nodes)} machines can't share an SQLite file; start `mlflow server`, and set "
                "MLFLOW_TRACKING_URI to it"
            )
        here = _versions()
        for node in nodes:
            there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            look = ray.remote(_look).options(num_cpus=1, scheduling_strategy=there)
            try:
                versions, found = ray.get(look.remote(self._opening))
            except RayError as error:
                line = next(iter(reversed(str(error).strip().splitlines())), "")
                raise InputError(f"node {node['NodeManagerHostname']} can't open the study: {line}") from error
            if versions != here or found != fingerprint:
                what = f"has {versions}, and not {here}" if versions != here else "reads other data or code"
                raise InputError(f"node {node['NodeManagerHostname']} {what}; install and place the same there")

    def _read_letters(self) -> None:
        with suppress(Empty, RayError):
            while True:
                name, kind, text = self._letters.get_nowait()
                if kind == "said":
                    self._say(f"[{name}] {text}")
                for under_way in self._under_way.values():
                    if kind == "process" and under_way.name == name:
                        under_way.process = text

    def _taken(self, result: Any) -> Outcome:
        self._read_letters()
        under_way = self._under_way.pop(result)
        try:
            message = ray.get(result)
        except (RayError, TaskCancelledError) as error:
            how = next(iter(str(error).strip().splitlines()), type(error).__name__)
            lost = LostWorkerError(f"{under_way.name} is lost: {how}", under_way.process)
            return Outcome(under_way.task, error=lost)
        return Outcome(under_way.task, message.get("run"), error_of(message, self._lost))


def _do(opened: Message, message: Message, letters: Queue, name: str) -> Message:
    """Do a task in a worker of Ray."""
    signal.signal(signal.SIGTERM, _interrupt)  # Ray's own ends the process without a word
    letters.put((name, "process", ownership()[PROCESS]))
    worker = _worker(_Opened(opened))
    worker.tell = lambda said: letters.put((name, "said", said["said"]))
    return worker.do(message)


def _look(opened: Message) -> tuple[str, str]:
    """Return what a node would compute with, and what it makes of the first study."""
    return _versions(), _worker(_Opened(opened)).fingerprint()


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _versions() -> str:
    return f"Python {python_version()}, torch {torch.__version__}"


class _Opened:
    """An opening by its content, for a process to keep what it opened."""

    def __init__(self, opened: Message) -> None:
        self.opened = opened

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Opened) and self.opened == other.opened

    def __hash__(self) -> int:
        return hash(str(self.opened))


@cache
def _worker(opened: _Opened) -> Worker:
    return Worker(opened.opened, lambda _message: None)
