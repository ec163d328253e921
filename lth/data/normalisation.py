"""How raw inputs become what a network is trained on: as a solution keeps it, and as a logged model does it."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from lth.brief import brief
from lth.errors import InputError
from lth.inputs import Inputs, called, mapped
from lth.setting.network import NetworkSpec

Statistics: TypeAlias = Any  # a tensor or None for each input, in the structure of the inputs


@dataclass(frozen=True)
class Normalisation:
    """`(x - mean) / std` of every input that has a mean; the others, such as tokens, stay as they are.

    Example:
        >>> of_pixels = Normalisation(torch.tensor([2.0]), torch.tensor([4.0]))
        >>> of_pixels(torch.tensor([[10]], dtype=torch.uint8)).item()
        2.0
        >>> of_pixels.before(nn.Identity())(torch.tensor([[10]], dtype=torch.uint8)).item()
        2.0
    """

    mean: Statistics  # of each channel, to broadcast against an example, float32
    std: Statistics

    __repr__ = brief

    def __call__(self, inputs: Inputs) -> Any:
        """Return what the network takes, of raw inputs."""
        if isinstance(inputs, Tensor):
            return normalised(inputs, self.mean, self.std)
        return mapped(normalised, inputs, self.mean, self.std)

    def to(self, device: torch.device) -> Normalisation:
        """Return the same on `device`."""
        return Normalisation(*(moved(statistics, device) for statistics in (self.mean, self.std)))

    def before(self, network: nn.Module) -> nn.Module:
        """Return a network of the same parameters, by the same names, that takes raw inputs."""
        outer = copy.copy(network)
        for hooks in ("_forward_hooks", "_forward_pre_hooks"):  # which `network` itself runs
            object.__setattr__(outer, hooks, type(getattr(network, hooks))())

        def forward(*by_position: Tensor, **by_name: Tensor) -> Any:
            inputs = by_name or (by_position[0] if len(by_position) == 1 else by_position)
            return called(network, mapped(_promoted, inputs, self.mean, self.std))

        forward.__signature__ = inspect.signature(network.forward)  # type: ignore[attr-defined]
        outer.forward = forward
        return outer

    def as_json(self) -> dict[str, Any]:
        """Return numbers that keep every bit, in the structure of the inputs."""
        return {"mean": _numbers(self.mean), "std": _numbers(self.std)}

    @classmethod
    def from_json(cls, content: Mapping[str, Any], spec: NetworkSpec) -> Normalisation:
        """Return what `as_json` wrote, for a network of this spec.

        Raises:
            ValueError, TypeError, KeyError: If it is not of that structure.
        """
        mean, std = (_tensors(content[name], spec) for name in ("mean", "std"))
        return cls(mean, std)


def normalised(inputs: Tensor, mean: Tensor | None, std: Tensor | None) -> Tensor:
    """Return `(inputs - mean) / std` in float32, or what has no mean as it is."""
    return inputs if mean is None or std is None else (inputs.float() - mean) / std


def moved(tensors: Any, device: torch.device) -> Any:
    """Return tensors, or None in their place, on a device."""
    if tensors is None or isinstance(tensors, Tensor):
        return None if tensors is None else tensors.to(device)
    if isinstance(tensors, Mapping):
        return {name: moved(tensor, device) for name, tensor in tensors.items()}
    return tuple(moved(tensor, device) for tensor in tensors)


def _promoted(inputs: Tensor, mean: Tensor | None, std: Tensor | None) -> Tensor:
    """Return the same as `normalised`, to the bit, by operations that a program has for inputs of any type."""
    return inputs if mean is None or std is None else torch.sub(inputs, mean) / std


def _numbers(statistics: Statistics) -> Any:
    if isinstance(statistics, Mapping):
        return {name: _numbers(tensor) for name, tensor in statistics.items()}
    if isinstance(statistics, tuple):
        return [_numbers(tensor) for tensor in statistics]
    return None if statistics is None else statistics.tolist()


def _tensors(content: Any, spec: NetworkSpec) -> Statistics:
    if spec.is_of_one:
        return _tensor(content)
    if spec.input_names:
        return {name: _tensor(content[name]) for name in spec.input_names}
    if len(content) != len(spec.shapes):
        raise InputError(f"{len(content)} means or deviations for {len(spec.shapes)} inputs")
    return tuple(map(_tensor, content))


def _tensor(content: Any) -> Tensor | None:
    return None if content is None else torch.tensor(content, dtype=torch.float32)
