"""The state of a network as plain tensors: parameters and buffers by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lth.errors import InputError


@dataclass(frozen=True)
class Weights:
    """Parameters and buffers (BatchNorm statistics) of one network, by their names in its state dict.

    Example:
        >>> network = nn.Linear(2, 1)
        >>> Weights({"weight": torch.tensor([[1.0, 2.0]]), "bias": torch.tensor([3.0])}, {}).load_into(network)
        >>> network(torch.tensor([10.0, 100.0])).item()
        213.0
    """

    parameters: Mapping[str, Tensor]
    buffers: Mapping[str, Tensor]

    def __repr__(self) -> str:
        tensors = [*self.parameters.values(), *self.buffers.values()]
        return f"<Weights: {sum(tensor.numel() for tensor in tensors):,} numbers in {len(tensors)} tensors>"

    @classmethod
    def of(cls, network: nn.Module) -> Weights:
        """Return a copy of the network's present state, detached from it and contiguous."""
        return cls(
            {name: _copy(tensor) for name, tensor in network.named_parameters()},
            {name: _copy(tensor) for name, tensor in network.named_buffers()},
        )

    def load_into(self, network: nn.Module) -> None:
        """Overwrite the state of `network`.

        Raises:
            ValueError: If a name or a shape differs, or a value would be rounded to another type.
        """
        own = {**dict(network.named_parameters()), **dict(network.named_buffers())}
        given = {**self.parameters, **self.buffers}
        shapes = {name: tensor.shape for name, tensor in own.items()}
        if (found := {name: tensor.shape for name, tensor in given.items()}) != shapes:
            odd = min(n for n in shapes.keys() | found.keys() if shapes.get(n) != found.get(n))
            raise InputError(
                f"{odd} has shape {found.get(odd)} where the network has {shapes.get(odd)}; "
                "are these the weights of another network?"
            )
        for name, tensor in own.items():
            types = given[name].dtype, tensor.dtype
            if types[0] != types[1] and torch.promote_types(*types) != tensor.dtype:
                raise InputError(
                    f"{name} is {given[name].dtype}, and the network's {tensor.dtype} would round it; "
                    "are these the weights of another network?"
                )
        with torch.no_grad():
            for name, tensor in own.items():
                tensor.copy_(given[name])

    def map(self, change: Callable[[Tensor], Tensor]) -> Weights:
        """Return the weights with `change` applied to every tensor."""
        return Weights(
            {name: change(tensor) for name, tensor in self.parameters.items()},
            {name: change(tensor) for name, tensor in self.buffers.items()},
        )

    def to(self, device: torch.device) -> Weights:
        """Return the weights on `device`."""
        return self.map(lambda tensor: tensor.to(device))


def affine_combination(points: list[Weights], coefficients: list[float]) -> Weights:
    """Return Σ cᵢ pᵢ of parameters and floating-point buffers, in float64, rounded once.

    Complex buffers are combined in complex128; integer ones (BatchNorm's batch counter, unused in evaluation
    mode) come from the first point.

    Example:
        >>> a, b = (Weights({"w": torch.tensor(w)}, {}) for w in ([0.0, 4.0], [8.0, 8.0]))
        >>> affine_combination([a, b], [0.25, 0.75]).parameters["w"].tolist()
        [6.0, 7.0]
    """
    first = points[0]
    return Weights(
        {name: _combine([p.parameters[name] for p in points], coefficients) for name in first.parameters},
        {name: _combine([p.buffers[name] for p in points], coefficients) for name in first.buffers},
    )


def _combine(tensors: list[Tensor], coefficients: list[float]) -> Tensor:
    first = tensors[0]
    if not (first.is_floating_point() or first.is_complex()):
        return first
    exact = torch.complex128 if first.is_complex() else torch.float64
    total = torch.zeros_like(first, dtype=exact)
    for tensor, coefficient in zip(tensors, coefficients, strict=True):
        if coefficient != 0:  # keeps the ends of a path bit-equal to the points
            total += coefficient * tensor.to(exact)
    return total.to(first.dtype)


def _copy(tensor: Tensor) -> Tensor:
    # A conjugated or negated view says so in a flag, which no file keeps.
    plain = tensor.detach().resolve_conj().resolve_neg()
    return plain.clone(memory_format=torch.contiguous_format)
