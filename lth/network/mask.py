"""A pruning mask: which prunable weights a level keeps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lth.errors import InputError
from lth.network.weights import Weights

_PRUNABLE_LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


def prunable_names(network: nn.Module) -> tuple[str, ...]:
    """Return the names of the weights of convolutions and fully-connected layers, in parameter order.

    Raises:
        ValueError: If there is none.

    Example:
        >>> prunable_names(nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(2, 2)))
        ('0.weight', '3.weight')
    """
    layers = {
        f"{name}.weight" if name else "weight"
        for name, module in network.named_modules()
        if isinstance(module, _PRUNABLE_LAYERS)
    }
    names = tuple(name for name, _ in network.named_parameters() if name in layers)
    if not names:
        raise InputError("the network has no convolution or fully-connected layer, so nothing can be pruned")
    return names


@dataclass(frozen=True)
class Mask:
    """True where a prunable weight is kept; every parameter not named here is never pruned.

    Example:
        >>> mask = Mask({"weight": torch.tensor([[True, False], [False, False]])})
        >>> mask.num_kept, mask.num_prunable, mask.density
        (1, 4, 0.25)
        >>> mask.apply(Weights({"weight": torch.full((2, 2), 7.0)}, {})).parameters["weight"].tolist()
        [[7.0, 0.0], [0.0, 0.0]]
    """

    keep: Mapping[str, Tensor]  # bool, each in its parameter's shape

    def __post_init__(self) -> None:
        for name, kept in self.keep.items():
            if kept.dtype != torch.bool:
                raise InputError(f"mask of {name} has dtype {kept.dtype}; expected torch.bool")

    @classmethod
    def dense(cls, network: nn.Module) -> Mask:
        """Return the mask of level 0, which keeps everything."""
        parameters = dict(network.named_parameters())
        return cls(
            {name: torch.ones(parameters[name].shape, dtype=torch.bool) for name in prunable_names(network)}
        )

    @property
    def num_prunable(self) -> int:
        """Number of weights that could be pruned."""
        return sum(kept.numel() for kept in self.keep.values())

    @property
    def num_kept(self) -> int:
        """Number of weights kept, the survivors."""
        return sum(int(kept.sum()) for kept in self.keep.values())

    @property
    def density(self) -> float:
        """Share of the prunable weights that is kept, in [0, 1]."""
        return self.num_kept / self.num_prunable

    def flat(self) -> Tensor:
        """Return all masks as one vector, in parameter order, (num_prunable,)."""
        return torch.cat([kept.reshape(-1) for kept in self.keep.values()])

    def with_flat(self, flat: Tensor) -> Mask:
        """Return a mask of the same layers from one vector, (num_prunable,)."""
        sizes = [kept.numel() for kept in self.keep.values()]
        parts: Iterator[Tensor] = iter(torch.split(flat, sizes))
        return Mask({name: next(parts).reshape(kept.shape) for name, kept in self.keep.items()})

    def contains(self, sparser: Mask) -> bool:
        """Return whether every weight that `sparser` keeps is kept here too: nested masks."""
        return not bool((sparser.flat() & ~self.flat()).any())

    def apply(self, weights: Weights) -> Weights:
        """Return `m ⊙ w`: the projection of `weights` on this level. Buffers stay as they are."""
        return Weights(
            {name: self.apply_to(name, tensor) for name, tensor in weights.parameters.items()},
            weights.buffers,
        )

    def apply_to(self, name: str, tensor: Tensor) -> Tensor:
        """Return the tensor of parameter `name` with its pruned entries exactly zero."""
        if name not in self.keep:
            return tensor
        return tensor.masked_fill(~self.keep[name].to(tensor.device), 0)
