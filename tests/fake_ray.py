"""What lth uses of Ray, in one process: nothing is placed, and a task is done when it is waited for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import ModuleType, SimpleNamespace
from typing import Any


class FakeRayError(Exception):
    """Of Ray."""


class FakeEmpty(Exception):  # noqa: N818
    """Of a queue."""


class FakeQueue:
    def __init__(self, actor_options: dict[str, Any]) -> None:
        self.actor_options = actor_options
        self.is_gone = False
        self._held: list[Any] = []

    def put(self, item: object) -> None:
        if self.is_gone:
            raise FakeRayError("the actor is unavailable")
        self._held.append(item)

    def get_nowait(self) -> object:
        if not self._held:
            raise FakeEmpty
        return self._held.pop(0)


class Pending:
    """A task that Ray has."""

    def __init__(self, call: Callable[[], object], options: dict[str, Any]) -> None:
        self._call, self.options = call, options
        self._result: object = None
        self.is_done = False

    def do(self) -> None:
        if not self.is_done:
            self.is_done = True
            try:
                self._result = self._call()
            except Exception as error:  # which `get` raises
                self._result = error

    def get(self) -> object:
        self.do()
        if isinstance(self._result, Exception):
            raise self._result
        return self._result


class _Function:
    """A function that was made remote; options are given once."""

    def __init__(self, ray: FakeRay, function: Callable[..., object]) -> None:
        self._ray, self._function = ray, function

    def options(self, **options: object) -> _Call:
        return _Call(self._ray, self._function, {**options, "function": self._function.__name__})


class _Call:
    def __init__(self, ray: FakeRay, function: Callable[..., object], options: dict[str, Any]) -> None:
        self._ray, self._function, self._options = ray, function, options

    def remote(self, *arguments: object) -> Pending:
        self._ray.sent.append(Pending(lambda: self._function(*arguments), self._options))
        return self._ray.sent[-1]


class FakeRay(ModuleType):
    """The module, with the nodes of a cluster.

    Args:
        nodes: What each has, as Ray names resources.
    """

    def __init__(self, *nodes: dict[str, float]) -> None:
        super().__init__("ray")
        self._nodes = nodes
        self.sent: list[Pending] = []
        self.cancelled: list[Pending] = []
        self.gpus: list[str] = []  # that the process was given
        self.begun: dict[str, Any] = {}
        self.is_down = False

    def modules(self) -> dict[str, ModuleType]:
        """Return it as `sys.modules` has it."""
        names = ("ray.util", "ray.exceptions", "ray.util.queue", "ray.util.scheduling_strategies")
        util, exceptions, queues, strategies = map(ModuleType, names)
        util.get_node_ip_address = lambda: "10.0.0.1"  # type: ignore[attr-defined]
        exceptions.RayError = FakeRayError  # type: ignore[attr-defined]
        exceptions.TaskCancelledError = FakeRayError  # type: ignore[attr-defined]
        queues.Queue, queues.Empty = FakeQueue, FakeEmpty  # type: ignore[attr-defined]
        strategies.NodeAffinitySchedulingStrategy = lambda node, soft: node  # type: ignore[attr-defined]
        self.util = util
        return {"ray": self, **dict(zip(names, (util, exceptions, queues, strategies), strict=True))}

    def init(self, **named: object) -> None:
        self.begun = named

    def nodes(self) -> list[dict[str, Any]]:
        return [
            {
                "Alive": True,
                "NodeID": str(number),
                "NodeManagerHostname": f"node{number}",
                "Resources": resources,
            }
            for number, resources in enumerate(self._nodes)
        ]

    def remote(self, function: Callable[..., object]) -> _Function:
        return _Function(self, function)

    def wait(
        self, pending: Sequence[Pending], num_returns: int = 1, timeout: float | None = None
    ) -> tuple[list[Pending], list[Pending]]:
        if self.is_down:
            return [], list(pending)
        for each in pending[:num_returns]:
            each.do()
        return list(pending[:num_returns]), list(pending[num_returns:])

    def get(self, pending: Pending) -> object:
        return pending.get()

    def cancel(self, pending: Pending, *, force: bool = False) -> None:
        self.cancelled.append(pending)
        pending.is_done = True

    def get_runtime_context(self) -> SimpleNamespace:
        return SimpleNamespace(get_node_id=lambda: "own node")

    def get_gpu_ids(self) -> list[str]:
        return self.gpus

    def shutdown(self) -> None:
        self.begun = {}
