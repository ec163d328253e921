"""Gradients of what a user wrote, as one CUDA graph where its replays come to the same bits.

A network, a loss or an optimiser of a user's own may do anything in Python: count, draw on the CPU, look at a
value, keep something for its next call. A replay does none of that. So before the first step a copy is tried
for what would be lost, then a few batches pass both ways (`CapturedStep.check`), with other examples, draws and
weights each. Where anything speaks against it, steps are launched kernel by kernel, and a warning says why.
The few kernels of the optimiser are launched in any case, so that it may be the user's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor, nn

from lth.inputs import Inputs, each, in_place_of, taken
from lth.network.held import prints, types_of_changed
from lth.randomness import restored, seed_global
from lth.training.capture import CapturedStep

_ROUNDS = 3  # batches that pass both ways
_SHRUNK = 0.75  # times the weights, from one to the next

Differentiate = Callable[[Inputs, Tensor], object]  # leaves gradients in `grad`, whatever was there


def why_not(differentiate: Differentiate, network: nn.Module, inputs: Inputs, targets: Tensor) -> str | None:
    """Return what of a step would be lost in a replay, or can't be captured; None if nothing is known.

    Args:
        differentiate: Passes a batch through `network`, forward and backward.
        network: A copy that nobody else needs.
        inputs: Of a batch.
        targets: Theirs.

    Example:
        >>> class Counting(nn.Linear):
        ...     calls = 0
        ...     def forward(self, x: Tensor) -> Tensor:
        ...         self.calls += 1
        ...         return super().forward(x)
        >>> one = torch.ones(1, 1)
        >>> for network in (nn.Linear(1, 1), Counting(1, 1)):
        ...     print(why_not(lambda x, y: network(x).sum().backward(), network, one, one))
        None
        training changes attribute calls
    """
    device = targets.device
    with restored(device):
        try:
            differentiate(inputs, targets)  # the first call may prepare what others use
            before, places = prints(network), _places(network)
            draws = torch.default_generator.get_state()
            with _waiting_refused(device):
                differentiate(inputs, targets)
        except Exception as error:  # if it is a mistake, the step itself will make it again
            return " ".join(str(error).split())[:200]
        if device.type == "cuda" and not torch.equal(draws, torch.default_generator.get_state()):
            return "it draws random numbers on the CPU"
    if moved := [name for name, place in _places(network).items() if place != places.get(name)]:
        return f"training puts another tensor in the place of {moved[0]}"
    lasting = [what for what, kind in types_of_changed(before, prints(network)).items() if kind != "Tensor"]
    return f"training changes {lasting[0]}" if lasting else None


def _places(network: nn.Module) -> dict[str, tuple[int, int]]:
    """Return where each parameter and buffer lies."""
    named = (*network.named_parameters(), *network.named_buffers())
    return {name: (id(tensor), tensor.data_ptr()) for name, tensor in named}


class OwnGradients:
    """Gradients of batches of one shape.

    Args:
        differentiate: Leaves them in the `grad` of the parameters.
        parameters: Those of the network.
        changed: All else that it changes in place.
        inputs: Of a batch such as all to come.
        targets: Theirs.
    """

    def __init__(
        self,
        differentiate: Differentiate,
        parameters: Sequence[nn.Parameter],
        changed: Sequence[Tensor],
        inputs: Inputs,
        targets: Tensor,
    ) -> None:
        self._parameters, self._changed = tuple(parameters), tuple(changed)

        def step(*tensors: Tensor) -> None:
            differentiate(in_place_of(inputs, tensors[:-1]), tensors[-1])

        with restored(targets.device):
            self._step = CapturedStep(step, _flat(inputs, targets), [*parameters, *changed])
            self._gradients = self._left()  # where every replay leaves them
            rounds = [partial(self._prepare, number, inputs, targets) for number in range(_ROUNDS)]
            self._step.check(rounds, lambda: [*self._left(), *self._changed])

    @property
    def is_captured(self) -> bool:
        """Whether they are those of a graph."""
        return self._step.is_captured

    def __call__(self, inputs: Inputs, targets: Tensor) -> None:
        """Leave the gradients of a batch in the parameters."""
        for parameter, gradient in zip(self._parameters, self._gradients, strict=True):
            parameter.grad = gradient
        self._step(*_flat(inputs, targets))

    def _left(self) -> list[Tensor | None]:
        return [parameter.grad for parameter in self._parameters]

    @torch.no_grad()
    def _prepare(self, number: int, inputs: Inputs, targets: Tensor) -> list[Tensor]:
        """Make the round of a number unlike the one before."""
        seed_global(targets.device, number, "capture")
        if number:
            torch._foreach_mul_([p for p in self._parameters if p.is_floating_point()], _SHRUNK)
        others = torch.arange(len(targets), device=targets.device) * (number + 1) % len(targets)
        return _flat(taken(inputs, others), targets[others])


def _flat(inputs: Inputs, targets: Tensor) -> list[Tensor]:
    return [*(tensor for _, tensor in each(inputs)), targets]


@contextmanager
def _waiting_refused(device: torch.device) -> Iterator[None]:
    """Let what waits for a GPU raise; a capture that fails for it leaves torch in an odd state."""
    if device.type != "cuda":
        yield
        return
    before = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode(before)
