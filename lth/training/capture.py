"""A training step as one CUDA graph: its hundreds of small kernels are launched at once, to the same bits.

A step of a small network takes a GPU less time than Python takes to launch its kernels. A graph holds the
launches with the memory they read and write, so that a replay costs one launch. So all that changes from step
to step must be a tensor that stays where it is: inputs are copied to one place, the learning rate is a tensor.

Source: docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, partial

import torch
from torch import Tensor

from lth.errors import InputError

_NOT_CAPTURED = "a step can't be captured as a CUDA graph, and is launched kernel by kernel, which takes longer"
_WARM_UP = 3  # steps before the capture, in which libraries allocate and choose what a capture could not

Work = Callable[[], None]


class NotCapturedError(RuntimeError):
    """Work that can be done can't be captured."""


def has_graphs(device: torch.device) -> bool:
    """Return whether work on a device can be captured."""
    return device.type == "cuda"


class CapturedStep:
    """A step that is replayed for inputs of one shape.

    Args:
        step: Reads its inputs, changes `state`, and waits for nothing. It is called a few times now and, on a
            GPU, never again.
        inputs: Of the shapes, types and device of all inputs to come.
        state: All that the step changes in place and later steps read; it is as before afterwards.
        record: Returns what repeats the work of a function; by default a CUDA graph of it. Where that fails,
            as where the step waits for the device, the step is taken as it is, and a warning says so.

    Example:
        Without a GPU the work is repeated by doing it again:

        >>> total = torch.zeros(2)
        >>> add = CapturedStep(total.add_, [torch.ones(2)], [total], record=lambda work: work)
        >>> add(torch.tensor([1.0, 2.0]))
        >>> add(torch.tensor([3.0, 4.0]))
        >>> total.tolist()
        [4.0, 6.0]
    """

    def __init__(
        self,
        step: Callable[..., object],
        inputs: Sequence[Tensor],
        state: Sequence[Tensor],
        *,
        record: Callable[[Work], Work] | None = None,
    ) -> None:
        self._inputs = tuple(tensor.clone() for tensor in inputs)
        before = [tensor.detach().clone() for tensor in state]

        def work() -> None:
            step(*self._inputs)

        try:
            self._replay = (partial(_cuda_graph, inputs[0].device) if record is None else record)(work)
        except NotCapturedError as error:
            self._replay = work
            warnings.warn(f"{_NOT_CAPTURED} ({error})", stacklevel=2)
        finally:
            with torch.no_grad():
                for tensor, value in zip(state, before, strict=True):
                    tensor.copy_(value)

    def __call__(self, *inputs: Tensor) -> None:
        """Take the step on `inputs`.

        Raises:
            ValueError: If one has another shape or type than those it was made for.
        """
        for own, given in zip(self._inputs, inputs, strict=True):
            if (given.shape, given.dtype) != (own.shape, own.dtype):
                raise InputError(
                    f"an input is {tuple(given.shape)}, {given.dtype}; the step was captured for "
                    f"{tuple(own.shape)}, {own.dtype}"
                )
            own.copy_(given, non_blocking=True)
        self._replay()


@cache
def _stream(device: torch.device) -> torch.cuda.Stream:
    """Return the stream that all captures on a device are made on: cuBLAS keeps 64 MiB for each it ever met."""
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]


@contextmanager
def on_capturing_stream(device: torch.device) -> Iterator[None]:
    """Compute within on the stream that captures are made on.

    What a captured step differentiates must have been computed there: autograd goes back on the same stream.
    """
    if device.type != "cuda":
        yield
        return
    stream = _stream(device)
    with torch.cuda.device(device):
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            yield
        torch.cuda.current_stream().wait_stream(stream)


def _cuda_graph(device: torch.device, work: Work) -> Work:
    with on_capturing_stream(device):
        for _ in range(_WARM_UP):
            work()
    graph = torch.cuda.CUDAGraph()
    try:
        with torch.cuda.device(device), torch.cuda.graph(graph, stream=_stream(device)):
            work()
    except RuntimeError as error:
        raise NotCapturedError(str(error).strip().partition("\n")[0]) from error
    return graph.replay
