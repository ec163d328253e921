"""Masks that move during a training: between its steps, other weights may move than before.

A `Movement` says at which steps and how, and holds nothing: what it needs to know of earlier steps is in the
`Moved` that it returned last, which belongs to the progress of a training, and what it draws comes of streams
that a step names (`lth.randomness.generator`). So a training goes on to the same bits after its process died.

Nothing that a captured step reads is replaced: mask, pull and what is pulled to are tensors that are written
in place between steps. A step that a movement takes the gradient of is not captured, as it ends in no update:
it is launched kernel by kernel, once in so many steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from lth.brief import brief
from lth.errors import InputError
from lth.network.mask import Mask
from lth.training.optimiser import MaskedOptimiser


@dataclass(frozen=True)
class Now:
    """A training between two steps, as a movement is shown it; all tensors are copies, on its device."""

    step: int  # how many are taken
    mask: Mask
    weights: Mapping[str, Tensor]  # that can be pruned, by name; those that are pruned are zero
    gradients: Mapping[str, Tensor]  # of a batch, of pruned weights too; empty unless a movement goes by them
    held: Mapping[str, Tensor]  # what the movement returned last

    __repr__ = brief


@dataclass(frozen=True)
class Moved:
    """What a movement makes of a training: the mask from here on, and what comes with it.

    Pruned weights become zero with all that the optimiser holds of them. Weights that come back start from
    zero; `fresh` are those that do so although they were not pruned before.
    """

    mask: Mask
    fresh: Mapping[str, Tensor] = field(default_factory=dict)  # bool, by layer
    forget: bool = False  # momentum and moments of all weights
    held: Mapping[str, Tensor] = field(default_factory=dict)  # for the next time
    towards: Mapping[str, Tensor] = field(default_factory=dict)  # where a layer is pulled; if not said, to zero

    __repr__ = brief


@dataclass(frozen=True)
class Movement:
    """How the mask of a training moves.

    Args:
        due: Whether it moves when so many steps are taken, from none to all.
        move: Makes the mask that is trained under from there on.
        by_gradient: Whether it moves by the gradient of the next batch, which is then taken for that alone:
            no weight is updated by it.
        pull: How strongly, at a step, weights are drawn to `Moved.towards`: the gradient of a batch is
            lengthened by pull · (weight - towards).
        restate: Whether BatchNorm's statistics are estimated anew when all steps are taken.

    Example:
        Half of the weights that are left go after the tenth step, the smallest.

        >>> from lth.network.prune import prune_smallest
        >>> from lth.network.weights import Weights
        >>> def halve(now: Now) -> Moved:
        ...     return Moved(prune_smallest(Weights(now.weights, {}), now.mask, now.mask.num_kept // 2))
        >>> halving = Movement(lambda step: step == 10, halve)
        >>> mask = Mask({"w": torch.tensor([True, True, True, True])})
        >>> now = Now(10, mask, {"w": torch.tensor([0.1, -3.0, 2.0, -0.2])}, {}, {})
        >>> halving.due(10), halving.move(now).mask.keep["w"].tolist()
        (True, [False, True, True, False])
    """

    due: Callable[[int], bool]
    move: Callable[[Now], Moved]
    by_gradient: bool = False
    pull: Callable[[int], float] | None = None
    restate: bool = False


class Mover:
    """Moves the mask of one training, and draws its weights where the movement pulls them.

    Args:
        movement: How.
        moved: Where the training stands: its first mask, or what a process before this one kept.
        parameters: All of the network, by name, on the device.
        optimiser: Whose mask it is.
    """

    def __init__(
        self,
        movement: Movement,
        moved: Moved,
        parameters: Mapping[str, nn.Parameter],
        optimiser: MaskedOptimiser,
    ) -> None:
        self._movement, self._optimiser = movement, optimiser
        self._prunable = {name: parameters[name] for name in moved.mask.keep}
        device = next(iter(parameters.values())).device
        self._moved = _on(device, moved)
        self._pull = torch.zeros((), device=device)
        self._towards = {
            name: torch.zeros_like(parameter)
            for name, parameter in (self._prunable.items() if movement.pull is not None else ())
        }
        self._aim()

    def moves_at(self, step: int) -> bool:
        """Return whether the mask moves when so many steps are taken, before the next batch."""
        return not self._movement.by_gradient and self._movement.due(step)

    def takes_batch(self, step: int) -> bool:
        """Return whether the next batch is taken for its gradient alone."""
        return self._movement.by_gradient and self._movement.due(step)

    @property
    def restates(self) -> bool:
        """Whether BatchNorm's statistics are estimated anew at the end."""
        return self._movement.restate

    @torch.no_grad()
    def move(self, step: int) -> None:
        """Move the mask, by the gradients that there are if the movement goes by them.

        Raises:
            ValueError: If the movement returns something else than a mask of the same layers.
        """
        weights = {name: _copy(parameter) for name, parameter in self._prunable.items()}
        gradients = {}
        if self._movement.by_gradient:
            gradients = {
                name: torch.zeros_like(weights[name]) if parameter.grad is None else _copy(parameter.grad)
                for name, parameter in self._prunable.items()
            }
        before = self._moved.mask
        made = self._movement.move(Now(step, before, weights, gradients, self._moved.held))
        _check(made, before)
        mask = Mask({name: made.mask.keep[name] for name in before.keep}, before.frozen)
        self._moved = _on(self._pull.device, replace(made, mask=mask))
        self._optimiser.move(self._moved.mask, self._moved.fresh, forget=made.forget)
        self._aim()

    @torch.no_grad()
    def _aim(self) -> None:
        for name, target in self._towards.items():
            if name in self._moved.towards:
                target.copy_(self._moved.towards[name])
            else:
                target.zero_()

    def look_ahead(self, step: int) -> None:
        """Make ready for a step; nothing waits for the device."""
        if self._movement.pull is not None:
            self._pull.fill_(self._movement.pull(step))

    @torch.no_grad()
    def draw(self) -> None:
        """Lengthen the gradients by the pull; nothing waits for the device."""
        for name, target in self._towards.items():
            parameter = self._prunable[name]
            if parameter.grad is not None:
                parameter.grad.add_((parameter - target) * self._pull)

    @property
    def moved(self) -> Moved:
        """What the progress of a training has to keep: the mask, and what the movement holds."""
        kept = _on(torch.device("cpu"), self._moved)
        return Moved(kept.mask, held=kept.held, towards=kept.towards)


def _copy(tensor: Tensor) -> Tensor:
    return tensor.detach().clone(memory_format=torch.contiguous_format)


def _on(device: torch.device, moved: Moved) -> Moved:
    fresh, held, towards = (
        {name: tensor.to(device) for name, tensor in tensors.items()}
        for tensors in (moved.fresh, moved.held, moved.towards)
    )
    return Moved(moved.mask.to(device), fresh, moved.forget, held, towards)


def _check(made: object, mask: Mask) -> None:
    if not isinstance(made, Moved):
        raise InputError(f"a movement returned {type(made).__name__}; expected an lth.training.moving.Moved")
    found, expected = ({name: tuple(kept.shape) for name, kept in m.keep.items()} for m in (made.mask, mask))
    if found != expected:
        odd = min(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name))
        raise InputError(
            f"a movement returned a mask whose {odd} is {found.get(odd)}; expected {expected.get(odd)}, of the "
            "layers that the training began with"
        )
