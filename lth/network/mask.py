"""A pruning mask: which prunable weights a level keeps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lth.errors import InputError
from lth.network.parts import DEFAULT, frozen_names, prunable_names
from lth.network.weights import Weights


@dataclass(frozen=True)
class Mask:
    """True where a prunable weight is kept; every parameter not named here is never pruned.

    Those that are `frozen` do not move either, and are no coordinates of a level's space.

    Example:
        >>> mask = Mask({"weight": torch.tensor([[True, False], [False, False]])})
        >>> mask.num_kept, mask.num_prunable, mask.density
        (1, 4, 0.25)
        >>> mask.apply(Weights({"weight": torch.full((2, 2), 7.0)}, {})).parameters["weight"].tolist()
        [[7.0, 0.0], [0.0, 0.0]]
    """

    keep: Mapping[str, Tensor]  # bool, each in its parameter's shape
    frozen: frozenset[str] = frozenset()  # names of parameters that don't move

    def __post_init__(self) -> None:
        for name, kept in self.keep.items():
            if kept.dtype != torch.bool:
                raise InputError(f"mask of {name} has dtype {kept.dtype}; expected torch.bool")
        if both := self.frozen & self.keep.keys():
            raise InputError(f"{min(both)} is frozen, so it can't be pruned; leave it out of keep")

    def __repr__(self) -> str:
        return f"<Mask: {self.num_kept:,} of {self.num_prunable:,} weights kept, {self.density:.1%}>"

    @classmethod
    def dense(cls, network: nn.Module, selection: Sequence[str] = DEFAULT) -> Mask:
        """Return the mask of level 0, which keeps everything; `selection` as of `prunable_names`."""
        parameters = dict(network.named_parameters())
        names = prunable_names(network, selection)
        return cls(
            {name: torch.ones(parameters[name].shape, dtype=torch.bool) for name in names},
            frozen_names(network),
        )

    @classmethod
    def of_pruned(cls, network: nn.Module) -> Mask:
        """Return what `torch.nn.utils.prune` kept of a network, by the names that weights had before.

        Raises:
            ValueError: If nothing was pruned so.

        Example:
            >>> from torch.nn.utils import prune
            >>> Mask.of_pruned(prune.l1_unstructured(nn.Linear(2, 1, bias=False), "weight", amount=1)).num_kept
            1
        """
        suffix = "_mask"
        names = {name for name, _ in network.named_parameters()}
        keep = {
            name.removesuffix(suffix): kept.detach().bool().cpu()
            for name, kept in network.named_buffers()
            if name.endswith(suffix) and f"{name.removesuffix(suffix)}_orig" in names
        }
        if not keep:
            raise InputError(
                "torch.nn.utils.prune has pruned nothing of this network; prune it, or give a mask"
            )
        return cls(keep, frozenset(name.removesuffix("_orig") for name in frozen_names(network)) - keep.keys())

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

    def density_of_all(self, weights: Weights) -> float:
        """Return the share of all parameters that is kept, those that are never pruned too, in [0, 1]."""
        total = sum(tensor.numel() for tensor in weights.parameters.values())
        return 1 - (self.num_prunable - self.num_kept) / total

    @property
    def device(self) -> torch.device:
        """Where it lies: on the CPU, but for one that moves during a training."""
        return next((kept.device for kept in self.keep.values()), torch.device("cpu"))

    def to(self, device: torch.device) -> Mask:
        """Return the mask on `device`."""
        return Mask({name: kept.to(device) for name, kept in self.keep.items()}, self.frozen)

    def flat(self) -> Tensor:
        """Return all masks as one vector, in parameter order, (num_prunable,)."""
        return torch.cat([kept.reshape(-1) for kept in self.keep.values()])

    def with_flat(self, flat: Tensor) -> Mask:
        """Return a mask of the same layers from one vector, (num_prunable,)."""
        sizes = [kept.numel() for kept in self.keep.values()]
        parts: Iterator[Tensor] = iter(torch.split(flat, sizes))
        return Mask({name: next(parts).reshape(kept.shape) for name, kept in self.keep.items()}, self.frozen)

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
