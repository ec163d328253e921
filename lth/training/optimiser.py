"""An optimiser that leaves pruned weights exactly zero, and all that it holds as plain tensors by name.

Before every step the gradients of pruned weights are set to zero. Then SGD and AdamW leave a zero where it is:
momentum, moments and decay of a zero with zero gradients are zero. Of an optimiser of a user's nobody knows
that, as of one that mixes the entries of a matrix; what is pruned is set to zero again after each of its steps.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from lth.errors import InputError
from lth.network.mask import Mask
from lth.setting.own_fault import own_faults
from lth.setting.reference import call_reference, is_reference

MOMENTUM = "momentum_buffer"  # what SGD calls it; all else goes by the optimiser's own names

_STATE, _NUMBER, _GROUP = "state", "number", "group"  # tensors and numbers by parameter, numbers by group


@dataclass(frozen=True)
class Recipe:
    """Which optimiser, and what its steps do besides its learning rate, momentum and decay."""

    optimizer: str = "sgd"  # or `adamw`, or the user's own function
    nesterov: bool = False
    betas: tuple[float, float] = (0.9, 0.999)
    grad_clip: float = math.inf  # largest norm of a gradient
    sam_rho: float = 0.0  # how far away the gradient of a sharpness-aware step is taken; 0: here

    @property
    def is_own(self) -> bool:
        """Whether a function of the user's makes it."""
        return is_reference(self.optimizer)


class MaskedOptimiser:
    """Steps on some parameters that leave those pruned exactly zero.

    Args:
        parameters: By name; those without a gradient stay.
        mask: Which of them are kept.
        recipe: Which optimiser.
        lr: Learning rate at first; of an own optimiser, what its default is replaced by.
        momentum: Of SGD.
        weight_decay: Of SGD and AdamW.
        fused: Whether all updates are made by one kernel: another rounding.
        on_device: Whether the learning rate lies in a tensor beside the parameters, as a captured step needs.
        moving: Whether the mask may be moved (`move`).

    Raises:
        ValueError: If a function of the user's returns no optimiser of these parameters.

    Example:
        >>> weight = nn.Parameter(torch.tensor([3.0, 0.0]))
        >>> mask = Mask({"w": torch.tensor([True, False])})
        >>> adam = MaskedOptimiser({"w": weight}, mask, Recipe("adamw"), 0.5, 0.0, 0.0)
        >>> weight.sum().backward()
        >>> adam.step()
        >>> weight.tolist(), adam.held()["state/exp_avg/w"].tolist()
        ([2.5, 0.0], [0.10000000149011612, 0.0])
    """

    def __init__(
        self,
        parameters: Mapping[str, nn.Parameter],
        mask: Mask,
        recipe: Recipe,
        lr: float,
        momentum: float,
        weight_decay: float,
        *,
        fused: bool = False,
        on_device: bool = False,
        moving: bool = False,
    ) -> None:
        self._parameters, self._recipe = dict(parameters), recipe
        self._momentum = momentum
        device = next(iter(parameters.values())).device
        self._lr = torch.tensor(lr, device=device) if on_device else lr
        self._optimiser = self._made(weight_decay, fused=fused)
        self._scales = [_relative_rate(group, self._optimiser.defaults) for group in self._groups]
        self._first_groups = [_numbers_of(group) for group in self._groups]
        keeps = {
            name: torch.empty_like(parameters[name]).copy_(kept).detach()
            for name, kept in mask.keep.items()
            if moving or not bool(kept.all())
        }
        self._keeps = keeps  # written in place where the mask moves: a captured step reads them where they are
        self._masked = [(parameters[name], kept) for name, kept in keeps.items()]
        self._pruned = [(parameter, kept == 0) for parameter, kept in self._masked] if recipe.is_own else []
        self._is_moving = moving

    def _made(self, weight_decay: float, *, fused: bool) -> torch.optim.Optimizer:
        recipe, parameters = self._recipe, list(self._parameters.values())
        if recipe.is_own:
            return _own_optimiser(recipe.optimizer, parameters)
        if recipe.optimizer == "adamw":
            on_device = isinstance(self._lr, Tensor)
            return torch.optim.AdamW(
                parameters,
                lr=self._lr,
                betas=recipe.betas,
                weight_decay=weight_decay,
                fused=fused,
                capturable=on_device,
            )
        return torch.optim.SGD(
            parameters,
            lr=self._lr,
            momentum=self._momentum,
            weight_decay=weight_decay,
            nesterov=recipe.nesterov,
            fused=fused,
        )

    @property
    def _groups(self) -> list[dict[str, Any]]:
        return self._optimiser.param_groups

    def set_lr(self, lr: float) -> None:
        """Set the learning rate of the steps to come."""
        if isinstance(self._lr, Tensor):
            self._lr.fill_(lr)
            return
        for group, scale in zip(self._groups, self._scales, strict=True):
            if isinstance(group.get("lr"), Tensor):
                group["lr"].fill_(lr * scale)
            else:
                group["lr"] = lr * scale

    def zero_grad(self) -> None:
        """Forget the gradients of the last step."""
        for parameter in self._parameters.values():
            parameter.grad = None

    def mask_gradients(self) -> None:
        """Set the gradients of pruned weights to zero."""
        pruned = [(p.grad, keep) for p, keep in self._masked if p.grad is not None]
        if pruned:
            torch._foreach_mul_([grad for grad, _ in pruned], [keep for _, keep in pruned])

    def step(self) -> None:
        """Take a step along the gradients there are; nothing waits for the device."""
        self.mask_gradients()
        if self._recipe.grad_clip < math.inf:
            nn.utils.clip_grad_norm_(self._parameters.values(), self._recipe.grad_clip)
        if not self._recipe.is_own:
            self._optimiser.step()
            return
        with own_faults(f"optimizer={self._recipe.optimizer} fails in a step:", self._recipe.optimizer):
            self._optimiser.step()
        for parameter, pruned in self._pruned:
            self._zero(parameter, pruned)

    @torch.no_grad()
    def _zero(self, parameter: nn.Parameter, chosen: Tensor) -> None:
        """Set chosen weights of a parameter, and all that is held of them, to zero."""
        parameter.masked_fill_(chosen, 0)  # no product, which would leave a NaN
        for value in self._optimiser.state.get(parameter, {}).values():
            if isinstance(value, Tensor) and value.shape == parameter.shape:
                value.masked_fill_(chosen, 0)

    def move(self, mask: Mask, fresh: Mapping[str, Tensor], *, forget: bool) -> None:
        """Step under another mask from here on, of the same layers.

        Args:
            mask: Which weights are kept; what is pruned becomes zero, with all that is held of it.
            fresh: Of some layers, kept weights that begin at zero, as if they had been pruned until now.
            forget: Whether all that is held is forgotten, momentum and moments.

        Example:
            >>> weight = nn.Parameter(torch.tensor([3.0, 0.0]))
            >>> first, second = (Mask({"w": torch.tensor(kept)}) for kept in ([True, False], [False, True]))
            >>> sgd = MaskedOptimiser({"w": weight}, first, Recipe(), 0.5, 0.9, 0.0, moving=True)
            >>> weight.sum().backward()
            >>> sgd.step()
            >>> sgd.move(second, {}, forget=False)
            >>> weight.tolist(), sgd.momentum()["w"].tolist()
            ([0.0, 0.0], [0.0, 0.0])
        """
        assert self._is_moving
        for name, keep in self._keeps.items():
            kept, parameter = mask.keep[name].to(keep.device), self._parameters[name]
            keep.copy_(kept)
            self._zero(parameter, ~kept | fresh[name] if name in fresh else ~kept)
        for (_, pruned), (_, keep) in zip(self._pruned, self._masked, strict=False):
            pruned.copy_(keep == 0)
        if forget and self._recipe.is_own:
            self._optimiser.state.clear()
        elif forget:  # in place: a captured step goes on with the same tensors
            for held in self._optimiser.state.values():
                for value in held.values():
                    if isinstance(value, Tensor):
                        value.zero_()

    def prepare(self) -> list[Tensor]:
        """Make the state that a first step of ours would make, and return all its tensors: for a capture."""
        if self._recipe.optimizer == "adamw":
            for parameter in self._parameters.values():
                state = self._optimiser.state[parameter]
                if not state:
                    state["step"] = torch.zeros((), device=parameter.device)
                    state["exp_avg"] = torch.zeros_like(parameter)
                    state["exp_avg_sq"] = torch.zeros_like(parameter)
        elif self._momentum:
            for parameter in self._parameters.values():
                # What the first step would make; momentum of zero changes nothing.
                self._optimiser.state[parameter].setdefault(MOMENTUM, torch.zeros_like(parameter))
        states = self._optimiser.state.values()
        return [value for held in states for value in held.values() if isinstance(value, Tensor)]

    def momentum(self) -> dict[str, Tensor]:
        """Return a copy of SGD's momentum, by parameter."""
        return dict(self._copies(MOMENTUM)) if self._recipe.optimizer == "sgd" else {}

    def held(self) -> dict[str, Tensor]:
        """Return a copy of all else that the optimiser holds, by kind, its name and the parameter's.

        Raises:
            ValueError: If that is neither tensors nor numbers.
        """
        if self._recipe.optimizer == "sgd":
            return {}
        found: dict[str, Tensor] = {}
        for name, parameter in self._parameters.items():
            for what, value in self._optimiser.state.get(parameter, {}).items():
                if value is None:
                    continue
                kind = _STATE if isinstance(value, Tensor) else _NUMBER
                found[f"{kind}/{what}/{name}"] = self._as_tensor(value, what)
        for number, (group, first) in enumerate(zip(self._groups, self._first_groups, strict=True)):
            for what, value in _numbers_of(group).items():
                if what != "lr" and value != first.get(what):
                    found[f"{_GROUP}/{what}/{number}"] = self._as_tensor(value, what)
        return found

    def _as_tensor(self, value: object, what: str) -> Tensor:
        if isinstance(value, Tensor):
            return value.detach().clone(memory_format=torch.contiguous_format)
        if isinstance(value, bool) or not isinstance(value, int | float) or "/" in what:
            raise InputError(
                f"optimizer={self._recipe.optimizer} holds {what}, a {type(value).__name__}, which can't be "
                "rewound; keep tensors and numbers in its state, under plain names"
            )
        return torch.tensor(value, dtype=torch.float64 if isinstance(value, float) else torch.int64)

    def _copies(self, what: str) -> Iterator[tuple[str, Tensor]]:
        for name, parameter in self._parameters.items():
            value = self._optimiser.state.get(parameter, {}).get(what)
            if value is not None:
                yield name, value.clone(memory_format=torch.contiguous_format)

    def restore(self, momentum: Mapping[str, Tensor], held: Mapping[str, Tensor]) -> None:
        """Go on from what `momentum` and `held` returned."""
        for name, buffer in momentum.items():
            parameter = self._parameters[name]
            self._optimiser.state[parameter][MOMENTUM] = torch.empty_like(parameter).copy_(buffer)
        for key, value in held.items():
            kind, what, owner = key.split("/", 2)
            if kind == _GROUP:
                self._groups[int(owner)][what] = value.item()
                continue
            parameter = self._parameters[owner]
            restored = value.item() if kind == _NUMBER else self._placed(value, what, parameter)
            self._optimiser.state[parameter][what] = restored

    def _placed(self, value: Tensor, what: str, parameter: nn.Parameter) -> Tensor:
        """Return a tensor of the state as a step wants it: laid out like its parameter, if it is as large."""
        if value.shape == parameter.shape and value.ndim:
            return torch.empty_like(parameter, dtype=value.dtype, requires_grad=False).copy_(value)
        group = next(group for group in self._groups if any(p is parameter for p in group["params"]))
        stays = what == "step" and not (group.get("capturable") or group.get("fused"))  # torch counts it there
        return value.detach().clone().to("cpu" if stays else parameter.device)


def masked_state(held: Mapping[str, Tensor], mask: Mask) -> dict[str, Tensor]:
    """Return what an optimiser holds with the entries of pruned weights exactly zero."""
    return {key: mask.apply_to(name, value) if name else value for key, name, value in _by_entry(held, mask)}


def unmasked_state(held: Mapping[str, Tensor], mask: Mask) -> str | None:
    """Return the name of what an optimiser holds of a pruned weight that is not zero; None if all is."""
    for key, name, value in _by_entry(held, mask):
        if name and bool(value.cpu()[~mask.keep[name]].any()):
            return key
    return None


def _by_entry(held: Mapping[str, Tensor], mask: Mask) -> Iterator[tuple[str, str, Tensor]]:
    """Yield what is held with the prunable parameter whose entries it is of, if it is."""
    for key, value in held.items():
        kind, _, name = key.split("/", 2)
        of_entries = kind == _STATE and name in mask.keep and value.shape == mask.keep[name].shape
        yield key, name if of_entries else "", value


def _own_optimiser(name: str, parameters: Sequence[nn.Parameter]) -> torch.optim.Optimizer:
    made = call_reference(name, list(parameters))
    if not isinstance(made, torch.optim.Optimizer):
        raise InputError(f"optimizer={name} returned {type(made).__name__}; expected a torch.optim.Optimizer")
    known = {id(parameter) for parameter in parameters}
    if any(id(parameter) not in known for group in made.param_groups for parameter in group["params"]):
        raise InputError(f"optimizer={name} steps on other parameters than those it was given; hand those on")
    return made


def _relative_rate(group: Mapping[str, Any], defaults: Mapping[str, Any]) -> float:
    """Return the learning rate of a group in multiples of the optimiser's own default."""
    default = float(defaults.get("lr") or 0)
    return float(group["lr"]) / default if default and "lr" in group else 1.0


def _numbers_of(group: Mapping[str, Any]) -> dict[str, float]:
    numbers = {what: value for what, value in group.items() if isinstance(value, int | float)}
    return {what: value for what, value in numbers.items() if not isinstance(value, bool)}
