"""A training step as one CUDA graph: its hundreds of small kernels are launched at once, to the same bits.

A step of a small network takes a GPU less time than Python takes to launch its kernels. A graph holds the
launches with the memory they read and write, so that a replay costs one launch. So all that changes from step
to step must be a tensor that stays where it is: inputs are copied to one place, the learning rate is a tensor.

What a step does in Python is lost in a replay. Of a step that a user wrote it is not known that it does nothing
there, so its replays are held against the step itself, to the bit (`CapturedStep.check`).

Source: docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor

from lth.errors import InputError

_NOT_CAPTURED = "a step can't be captured as a CUDA graph, and is launched kernel by kernel, which takes longer"
_WARM_UP = 3  # steps before the capture, in which libraries allocate and choose what a capture could not

Work = Callable[[], object]


class NotCapturedError(RuntimeError):
    """Work that can be done can't be captured."""


class LaunchedWarning(UserWarning):
    """Work is launched kernel by kernel, with the reason."""


def warn_launched(reason: str) -> None:
    """Warn that a step is launched kernel by kernel."""
    warnings.warn(f"{_NOT_CAPTURED} ({reason})", LaunchedWarning, stacklevel=3)


@contextmanager
def launches_told(say: Callable[[str], None]) -> Iterator[None]:
    """Let it be said by `say` within what is launched kernel by kernel, where else Python would warn."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", LaunchedWarning)
        others = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
            if issubclass(category, LaunchedWarning):
                say(f"{message}")
            else:
                others(message, category, *where, **more)

        warnings.showwarning = show
        yield


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
        self._state = tuple(state)
        self._work = partial(step, *self._inputs)
        with self._undone():
            try:
                self._replay = (partial(_cuda_graph, inputs[0].device) if record is None else record)(
                    self._work
                )
            except NotCapturedError as error:
                self._replay = self._work
                warn_launched(f"{error}")

    def __call__(self, *inputs: Tensor) -> None:
        """Take the step on `inputs`.

        Raises:
            ValueError: If one has another shape or type than those it was made for.
        """
        self._place(inputs)
        self._replay()

    @property
    def is_captured(self) -> bool:
        """Whether it is replayed, and not taken as it is."""
        return self._replay is not self._work

    def check(
        self, rounds: Sequence[Callable[[], Sequence[Tensor]]], results: Callable[[], Sequence[Tensor | None]]
    ) -> None:
        """Take the step as it is from now on, with a warning, where replays come to other bits than the step.

        Args:
            rounds: Each prepares another call, and returns its inputs.
            results: Returns all that a call has made.

        Example:
            A replay does not count on:

            >>> calls, total = [], torch.zeros(())
            >>> def step(x: Tensor) -> None:
            ...     calls.append(x)
            ...     total.add_(len(calls))
            >>> frozen = lambda work: lambda: total.add_(1)
            >>> step = CapturedStep(step, [torch.ones(())], [total], record=frozen)
            >>> with warnings.catch_warnings():
            ...     warnings.simplefilter("ignore")
            ...     step.check([lambda: [torch.ones(())]] * 2, lambda: [total])
            >>> step.is_captured, float(total)
            (False, 0.0)
        """
        if not self.is_captured:
            return
        replayed, taken = (self._made_by(work, rounds, results) for work in (self._replay, self._work))
        if replayed != taken:
            self._replay = self._work
            warn_launched("replays come to other bits than the step itself")

    def _made_by(
        self,
        work: Work,
        rounds: Sequence[Callable[[], Sequence[Tensor]]],
        results: Callable[[], Sequence[Tensor | None]],
    ) -> list[list[bytes]]:
        """Return all bits that some work makes, call by call, and leave the state as it was."""
        made = []
        with self._undone():
            for prepare in rounds:
                self._place(prepare())
                work()
                made.append([_digest(tensor) for tensor in results()])
        return made

    @contextmanager
    def _undone(self) -> Iterator[None]:
        """Leave the state as it was."""
        before = [tensor.detach().clone() for tensor in self._state]
        try:
            yield
        finally:
            with torch.no_grad():
                for tensor, value in zip(self._state, before, strict=True):
                    tensor.copy_(value)

    def _place(self, inputs: Sequence[Tensor]) -> None:
        for own, given in zip(self._inputs, inputs, strict=True):
            if (given.shape, given.dtype) != (own.shape, own.dtype):
                raise InputError(
                    f"an input is {tuple(given.shape)}, {given.dtype}; the step was captured for "
                    f"{tuple(own.shape)}, {own.dtype}"
                )
            own.copy_(given, non_blocking=True)


def _digest(tensor: Tensor | None) -> bytes:
    """Return what any other bit changes; nothing for no tensor."""
    if tensor is None:
        return b""
    flat = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
    return hashlib.sha256(flat.numpy().data).digest()


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
    graph, pool = torch.cuda.CUDAGraph(), torch.cuda.graph_pool_handle()
    try:
        with torch.cuda.device(device), torch.cuda.graph(graph, pool=pool, stream=_stream(device)):
            work()
    except RuntimeError as error:
        _recover(device, pool)
        raise NotCapturedError(str(error).strip().partition("\n")[0]) from error
    return graph.replay


def _recover(device: torch.device, pool: Any) -> None:
    """Undo what torch leaves behind of a capture that failed.

    It goes on to count as one that is under way: no memory is given back, and what draws at random raises.
    """
    with torch.cuda.device(device), on_capturing_stream(device):
        with suppress(AttributeError, RuntimeError):
            torch._C._cuda_endAllocateToPool(torch.cuda.current_device(), pool)
        with suppress(RuntimeError):
            counted = torch.zeros((), device=device)
            graph = torch.cuda.CUDAGraph()
            graph.capture_begin()
            counted.add_(1)
            graph.capture_end()  # of one that does not fail the generator is free again
