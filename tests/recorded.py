"""A CUDA graph's stand-in on a CPU: the operations of some work, recorded once and done again where they lie.

As in a graph, a replay runs none of the work's Python: numbers that Python counted, as a learning rate or a
step, stay what they were, and every result is written where the first was. And as while a graph is captured,
nothing may look at a value: an operation that does raises what CUDA raises.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from lth.training.capture import NotCapturedError, Work

_WAITING = ("aten::_local_scalar_dense", "aten::nonzero", "aten::is_nonzero")


class _Recorder(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Callable[..., Any], Any, Any, Any]] = []

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if operation.name().startswith(_WAITING) or _chooses(operation.name(), args):
            raise NotCapturedError(f"operation not permitted when stream is capturing: {operation.name()}")
        result = operation(*args, **(kwargs or {}))
        self.calls.append((operation, args, kwargs or {}, result))
        return result


def _chooses(name: str, args: Any) -> bool:
    """Return whether it indexes by a mask, so that values decide a shape."""
    return name.startswith("aten::index") and any(
        isinstance(leaf, Tensor) and leaf.dtype == torch.bool for leaf in tree_leaves(args[1:])
    )


def recorded(work: Work, replays: list[None] | None = None) -> Work:
    """Do some work twice, as before a capture, and return what does the operations of the second time again.

    Args:
        work: What.
        replays: Grows by one at every replay.
    """
    work()
    recorder = _Recorder()
    with recorder:
        work()

    @torch.no_grad()
    def replay() -> None:
        if replays is not None:
            replays.append(None)
        for operation, args, kwargs, result in recorder.calls:
            again = operation(*args, **kwargs)
            made = [entry.alias_info is None for entry in operation._schema.returns]
            for old, new in zip(tree_leaves(result), tree_leaves(again), strict=True):
                if all(made) and isinstance(old, Tensor) and isinstance(new, Tensor):
                    old.copy_(new)

    return replay


def _one_hot(targets: Tensor, num_classes: int) -> Tensor:
    """Return what torch's returns, which on a CPU looks at the targets, and on a GPU does not."""
    return (targets[..., None] == torch.arange(num_classes)).long()


def graphs_on_a_cpu(monkeypatch: Any, replays: list[None] | None = None) -> None:
    """Let training and curvature capture on a CPU, by this stand-in; `replays` grows by one at each."""
    for module in ("lth.training.train", "lth.measure.curvature.hessian"):
        monkeypatch.setattr(f"{module}.has_graphs", lambda _device: True)
    monkeypatch.setattr("lth.training.objective.one_hot", _one_hot)
    monkeypatch.setattr("lth.training.capture._cuda_graph", lambda _device, work: recorded(work, replays))
