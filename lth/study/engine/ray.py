"""Tasks on a Ray cluster: Ray places them and notices who dies; which is next, is decided here as everywhere.

A worker of Ray keeps the studies that it has opened, so that its next task begins at once. What it says comes
by a queue, an actor of Ray's. Needs the extra `lth[ray]`.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from types import FrameType
from typing import Any

import psutil
import ray
from ray.exceptions import RayError, TaskCancelledError
from ray.util.queue import Empty, Queue
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from lth.errors import InputError
from lth.plan.tasks import Task
from lth.signals import ENDING
from lth.study.engine.engine import SECONDS_TO_END, LostWorkerError, Outcome, Terms
from lth.study.engine.gpu import does_not_fit, name_of
from lth.study.engine.message import Message, error_of, message_of
from lth.study.engine.node import difference
from lth.study.engine.worker import Worker
from lth.tracking.process import PROCESS, is_alive, ownership
from lth.training.sharing import WHOLE, hold_to

_HANDED_ON = ("MLFLOW_TRACKING_", "AWS_", "MLFLOW_S3_", "OMP_", "PYTHONPATH", "CUBLAS_WORKSPACE_CONFIG")
_NEVER = "MLFLOW_TRACKING_URI"  # the opening says it
# A process keeps CUDA on the GPU that it began on, so it is told which is its own, and not shown that alone.
_SHOWN_ALL = {"RAY_EXPERIMENTAL_NOSET_CUDA_VISIBLE_DEVICES": "1"}
_VISIBLE = "CUDA_VISIBLE_DEVICES"
_WAIT_SECONDS = 0.2  # between two looks for what workers say
_SAY_SECONDS = 30.0  # after which it is said that a node is waited for


@dataclass(frozen=True)
class Room:
    """What Ray keeps free for a task: cores, and a part of a GPU, on any of its nodes.

    Args:
        cores: Threads that compute.
        gpu_share: From 0, for none, to 1.
    """

    cores: int = 1
    gpu_share: float = 0.0

    def options(self) -> dict[str, float]:
        """Return it as Ray is asked for it."""
        return {"num_cpus": self.cores, "num_gpus": self.gpu_share}

    def times_in(self, resources: Mapping[str, float]) -> int:
        """Return how often a node has it."""
        of_cores = int(resources.get("CPU", 0) / self.cores)
        if not self.gpu_share:
            return of_cores
        return min(of_cores, int(resources.get("GPU", 0)) * int(WHOLE / self.gpu_share))


@dataclass(frozen=True)
class _UnderWay:
    """A task that Ray has.

    Args:
        task: Which.
        asked: As a worker is asked for it.
        name: What a person calls who does it.
        room: What is kept free for it.
        process: The process that is at it, once it has said so.
    """

    task: Task
    asked: Message
    name: str
    room: Room
    process: str | None = None


class RayWorkers:
    """So many tasks at once on a Ray cluster.

    Args:
        terms: What they are told, and what is made of what they tell; a `count` of 0 is as many as there is
            place for.
        address: `auto` for the cluster that there is, `local` for one on this machine, or where its head is.
        room: What is kept free for a task.
        facts: What decides the results of the studies here (`lth.study.engine.node`); every node must have the
            same.

    Raises:
        InputError: If there is no cluster, it has no place, or a node would come to other results.
    """

    def __init__(self, terms: Terms, *, address: str, room: Room, facts: Mapping[str, str]) -> None:
        self._terms, self._room = terms, room
        self._facts = {**facts, "device": "cuda" if room.gpu_share else "cpu"}
        self._under_way: dict[Any, _UnderWay] = {}  # by what Ray calls the result
        self._begin(address)
        try:
            self._settle()
        except BaseException:
            ray.shutdown()
            raise

    def _settle(self) -> None:
        """Look at the cluster, and prepare what is asked of it."""
        self._do = ray.remote(_do)
        # Here, for any other node may be gone before the command ends.
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        self._letters = Queue(actor_options={"num_cpus": 0, "scheduling_strategy": here})
        places = self._check_nodes()
        self.count = self._terms.count or places

    @property
    def free(self) -> int:
        """How many more tasks it takes now; none while one waits for a GPU of its own, which none would get."""
        if any(self._waits_for_a_whole(under_way) for under_way in self._under_way.values()):
            return 0
        return self.count - len(self._under_way)

    def submit(self, task: Task, *, adopt: bool, fresh: bool, runs: Mapping[str, str]) -> str:
        """Have Ray do a task; `adopt` is not for others than the command itself."""
        assert not adopt, "a worker has no run of `mlflow run`"
        taken = {under_way.name for under_way in self._under_way.values()}
        name = next(name for number in range(self.count) if (name := f"worker {number + 1}") not in taken)
        self._send(_UnderWay(task, self._terms.asked(task, fresh=fresh, runs=runs), name, self._room))
        return name

    def outcome(self, seconds: float) -> Outcome | None:
        """Return what became of a task; what workers say meanwhile is told."""
        until = time.monotonic() + seconds
        while True:
            self._read_letters()
            there, _ = ray.wait(list(self._under_way), num_returns=1, timeout=_WAIT_SECONDS)
            if there and (outcome := self._taken(there[0])) is not None:
                return outcome
            if time.monotonic() >= until:
                return None

    def cancel(self) -> None:
        """Interrupt all that is under way; what has not ended after a minute is killed.

        A signal to all processes of a terminal or a batch job ends a cluster that was started here, too. Of
        that no answer comes: then it is waited for the processes of the tasks themselves.
        """
        self._read_letters()
        left = dict(self._under_way)
        self._terms.say_ending(len(left))
        for result in left:
            ray.cancel(result)
        until = time.monotonic() + SECONDS_TO_END
        while left and time.monotonic() < until:
            there, _ = ray.wait(list(left), num_returns=len(left), timeout=_WAIT_SECONDS)
            is_down = self._is_down()
            left = {
                result: under_way
                for result, under_way in left.items()
                if result not in there and not (is_down and _has_ended(under_way))
            }
        for result in left:
            ray.cancel(result, force=True)
        self._under_way.clear()

    def _is_down(self) -> bool:
        """Return whether a part of the cluster that was started here has ended."""
        return not all(part.is_running() and part.status() != psutil.STATUS_ZOMBIE for part in self._parts)

    def close(self) -> None:
        """Leave the cluster."""
        ray.shutdown()

    def _begin(self, address: str) -> None:
        handed_on = {
            name: value for name, value in os.environ.items() if name.startswith(_HANDED_ON) and name != _NEVER
        }
        handlers = {number: signal.getsignal(number) for number in ENDING}
        before = set(psutil.Process().children())
        try:
            ray.init(
                address=None if address == "local" else address,
                log_to_driver=False,
                logging_level=logging.ERROR,
                include_dashboard=False if address == "local" else None,
                runtime_env={"env_vars": {**handed_on, **_SHOWN_ALL}},
            )
        except (ConnectionError, RayError, ValueError) as error:
            raise InputError(
                f"there is no Ray cluster at address={address!r}: start one (`ray start --head`), or write "
                f"address=local for one on this machine ({' '.join(str(error).split())[:200]})"
            ) from error
        self._parts = set(psutil.Process().children()) - before if address == "local" else set()
        for number, handler in handlers.items():  # Ray's own would end this process without a word
            signal.signal(number, handler)

    def _check_nodes(self) -> int:
        """Return how many tasks the cluster has place for, after looking at each node that has any."""
        nodes = [node for node in ray.nodes() if node["Alive"] and self._room.times_in(node["Resources"]) > 0]
        if not nodes:
            part = f" and {self._room.gpu_share:g} of a GPU" if self._room.gpu_share else ""
            raise InputError(f"no node of the Ray cluster has {self._room.cores} CPU{part} for a task; add one")
        if len(nodes) > 1 and str(self._terms.opening["tracking"]).startswith("sqlite:"):
            raise InputError(
                f"{len(nodes)} machines can't share an SQLite file; start `mlflow server`, and set "
                "MLFLOW_TRACKING_URI to it"
            )
        looks = {self._look(node["NodeID"]): str(node["NodeManagerHostname"]) for node in nodes}
        there, others = ray.wait(list(looks), num_returns=len(looks), timeout=_SAY_SECONDS)
        if others:
            self._terms.say(
                f"waiting for a free place on {', '.join(sorted(looks[other] for other in others))}"
            )
        for look in [*there, *others]:
            self._check(looks[look], look)
        return sum(self._room.times_in(node["Resources"]) for node in nodes)

    def _look(self, node: str) -> Any:
        there = NodeAffinitySchedulingStrategy(node, soft=False)
        look = ray.remote(_look).options(scheduling_strategy=there, **self._room.options())
        return look.remote(self._terms.opened, self._facts)

    def _check(self, node: str, look: Any) -> None:
        """Raise what a node would do otherwise than this process."""
        try:
            message = ray.get(look)
        except RayError as error:
            raise InputError(f"node {node} can't open the study: {_last_line(error)}") from error
        if (found := error_of(message, self._terms.lost)) is not None:
            raise InputError(str(found)) from found

    def _waits_for_a_whole(self, under_way: _UnderWay) -> bool:
        return under_way.room != self._room and under_way.process is None

    def _send(self, under_way: _UnderWay) -> None:
        do = self._do.options(max_retries=0, **under_way.room.options())
        told = (self._terms.opened, self._facts, under_way.asked, under_way.room.gpu_share)
        self._under_way[do.remote(*told, self._letters, under_way.name)] = under_way

    def _read_letters(self) -> None:
        with suppress(Empty, RayError):
            while True:
                name, kind, text = self._letters.get_nowait()
                for result, under_way in self._under_way.items():
                    if under_way.name == name and kind == "process":
                        self._under_way[result] = replace(under_way, process=text)
                    elif under_way.name == name:
                        self._terms.say(f"[{self._terms.label(name, under_way.task)}] {text}")

    def _taken(self, result: Any) -> Outcome | None:
        """Return what became of a task; None if it did not fit into its part of a GPU, and gets a whole one."""
        self._read_letters()
        under_way = self._under_way.pop(result)
        try:
            message = ray.get(result)
        except (RayError, TaskCancelledError) as error:
            how = next(iter(str(error).strip().splitlines()), type(error).__name__)
            lost = LostWorkerError(f"{under_way.name} is lost: {how}", under_way.process)
            return Outcome(under_way.task, error=lost)
        if message.get("error") == "memory" and 0 < under_way.room.gpu_share < WHOLE:
            self._terms.say(does_not_fit(under_way.task.name, under_way.room.gpu_share))
            self._send(replace(under_way, room=replace(under_way.room, gpu_share=WHOLE), process=None))
            return None
        return Outcome(under_way.task, message.get("run"), error_of(message, self._terms.lost))


def _has_ended(under_way: _UnderWay) -> bool:
    """Return whether no process is at a task, or any more."""
    return under_way.process is None or is_alive({PROCESS: under_way.process}) is False


def _do(
    opened: Message, facts: Mapping[str, str], asked: Message, gpu_share: float, letters: Queue, name: str
) -> Message:
    """Do a task in a worker of Ray."""
    signal.signal(signal.SIGTERM, _interrupt)  # Ray's own ends the process without a word
    _post(letters, (name, "process", ownership()[PROCESS]))
    worker, message = _ready(opened, facts)
    if worker is None:
        return message
    worker.tell = lambda said: _post(letters, (name, "said", said["said"]))
    hold_to(gpu_share, worker.device)
    message = worker.do(asked)
    if message.get("error") == "memory":
        _worker.cache_clear()  # what it holds is in the way of the next attempt
    hold_to(gpu_share, worker.device)
    return message


def _post(letters: Queue, letter: tuple[str, str, str]) -> None:
    """Tell the command something; where that fails, the task is done all the same."""
    with suppress(RayError):
        letters.put(letter)


def _look(opened: Message, facts: Mapping[str, str]) -> Message:
    """Return what is wrong with a node, if anything is."""
    return _ready(opened, facts)[1]


def _ready(opened: Message, facts: Mapping[str, str]) -> tuple[Worker | None, Message]:
    """Return what does tasks here; without it, why not."""
    node = f"node {ray.util.get_node_ip_address()}"
    gpu = name_of(ray.get_gpu_ids(), os.environ.get(_VISIBLE))
    own = opened if gpu is None else {**opened, "opening": {**opened["opening"], "device": gpu}}
    try:
        worker = _worker(_Opened(own))
        odd = difference(worker.facts, facts)
    except Exception as error:
        message = message_of(error, f"{opened['logs']}/worker.log")
        return None, {**message, "text": f"{node} can't open the study: {message.get('text')}"}
    if odd is not None:
        return None, {"error": "input", "text": f"{node} would come to other results: its {odd}"}
    return worker, {}


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _last_line(error: Exception) -> str:
    return next(iter(reversed(str(error).strip().splitlines())), type(error).__name__)


class _Opened:
    """An opening by its content, for a process to keep what it opened."""

    def __init__(self, opened: Message) -> None:
        self.opened = opened

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Opened) and self.opened == other.opened

    def __hash__(self) -> int:
        return hash(str(self.opened))


@lru_cache(maxsize=1)
def _worker(opened: _Opened) -> Worker:
    return Worker(opened.opened, lambda _message: None)
