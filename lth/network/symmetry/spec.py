"""Which permutations of its hidden units leave a network's function as it is, and weights so permuted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

from lth.errors import InputError
from lth.network.mask import Mask
from lth.network.weights import Weights

Permutations: TypeAlias = Mapping[str, Tensor]  # by group; see `Group.shape`


@dataclass(frozen=True)
class Group:
    """Units that may be permuted in any way, alike wherever they are."""

    name: str
    size: int
    within: str | None = None  # the group to each unit of which these belong, permuted there on their own
    outer: int = 1  # how many units that group has

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of its permutation: one, or one for each unit of the group it is within."""
        return (self.size,) if self.within is None else (self.outer, self.size)


@dataclass(frozen=True)
class Units:
    """An axis, or a factor of one, of so many units: of a group, or fixed."""

    size: int
    group: str | None


@dataclass(frozen=True)
class Flat:
    """Factors of an axis, the last one varying fastest."""

    factors: tuple[Structure, ...]


@dataclass(frozen=True)
class Joint:
    """Segments of an axis, one behind the other."""

    segments: tuple[Structure, ...]


Structure: TypeAlias = Units | Flat | Joint


@dataclass(frozen=True)
class Fixed:
    """An axis of a parameter, or a part of one, that can't be permuted."""

    name: str
    axis: int
    size: int
    why: str


@dataclass(frozen=True)
class PermutationSpec:
    """The permutation symmetries of a network.

    Example:
        >>> from torch import nn
        >>> from lth.network.symmetry import symmetries
        >>> network = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
        >>> spec = symmetries(network, torch.ones(2, 3))
        >>> print(spec)
        1 group of units that may be permuted:
          0.weight.0: 4 units, in 0.weight.0, 0.bias.0, 2.weight.1
        fixed: 3 of 6 axes
          0.weight.1 (3): an input of the network
          2.weight.0 (2): an output of the network
          2.bias.0 (2): an output of the network
        >>> weights = Weights.of(network)
        >>> turned = spec.permute(weights, {"0.weight.0": torch.tensor([3, 2, 1, 0])})
        >>> bool((turned.parameters["0.bias"] == weights.parameters["0.bias"].flip(0)).all())
        True
    """

    groups: Mapping[str, Group]
    axes: Mapping[str, tuple[Structure, ...]]  # of every parameter and buffer that the graph reads
    fixed: tuple[Fixed, ...]
    unknown: tuple[str, ...] = ()  # operations that have no rule, so that all around them is fixed

    def __str__(self) -> str:
        groups = len(self.groups)
        where: dict[str, list[str]] = {name: [] for name in self.groups} | self.where()
        total = sum(len(axes) for axes in self.axes.values())
        still = {(each.name, each.axis) for each in self.fixed}
        return "\n".join(
            [
                f"{groups} group{'s' * (groups != 1)} of units that may be permuted:",
                *(
                    f"  {group.name}: {group.size} units{_within(group)}, in {', '.join(where[group.name])}"
                    for group in self.groups.values()
                ),
                f"fixed: {len(still)} of {total} axes",
                *(f"  {each.name}.{each.axis} ({each.size}): {each.why}" for each in self.fixed),
            ]
        )

    def where(self) -> dict[str, list[str]]:
        """Return the axes that each group is in, as `fc.weight.0`."""
        found = defaultdict[str, list[str]](list)
        for name, axes in self.axes.items():
            for position, axis in enumerate(axes):
                for group in dict.fromkeys(_groups(axis)):
                    found[group].append(f"{name}.{position}")
        return dict(found)

    def identity(self) -> dict[str, Tensor]:
        """Return the permutations that change nothing."""
        return {
            group.name: torch.arange(group.size).expand(group.shape).contiguous()
            for group in self.groups.values()
        }

    def random(self, generator: torch.Generator) -> dict[str, Tensor]:
        """Return permutations drawn uniformly."""
        return {
            group.name: torch.stack(
                [torch.randperm(group.size, generator=generator) for _ in range(group.outer)]
            ).reshape(group.shape)
            for group in self.groups.values()
        }

    def check(self, permutations: Permutations) -> None:
        """Check that these are permutations of groups.

        Raises:
            ValueError: If a name is of no group, or what it is given is no permutation of its units.
        """
        for name, order in permutations.items():
            if name not in self.groups:
                raise InputError(f"{name} is no group of units; there are {', '.join(self.groups) or 'none'}")
            group = self.groups[name]
            units = torch.arange(group.size).expand(group.shape)
            if order.shape != units.shape or not torch.equal(order.cpu().sort(-1).values, units):
                raise InputError(
                    f"the permutation of {name} is of shape {tuple(order.shape)}; give one of "
                    f"{group.size} units, of shape {group.shape}, that names each of 0 … {group.size - 1} once"
                )

    def permute(self, weights: Weights, permutations: Permutations) -> Weights:
        """Return weights whose unit i is what unit `permutations[group][i]` was: the same function.

        Of a group within another, `permutations[group][h][i]` is of unit h of the other, once that is permuted.
        Groups that are not named stay. Buffers of units, such as BatchNorm's statistics, go along.

        Raises:
            ValueError: See `check`.
        """
        self.check(permutations)
        return Weights(
            {name: self.permuted(name, tensor, permutations) for name, tensor in weights.parameters.items()},
            {name: self.permuted(name, tensor, permutations) for name, tensor in weights.buffers.items()},
        )

    def permute_mask(self, mask: Mask, permutations: Permutations) -> Mask:
        """Return the mask of weights that are so permuted: what was zero stays zero."""
        self.check(permutations)
        return Mask(
            {name: self.permuted(name, kept, permutations) for name, kept in mask.keep.items()}, mask.frozen
        )

    def permuted(self, name: str, tensor: Tensor, permutations: Permutations) -> Tensor:
        """Return one parameter, buffer or mask permuted; itself if nothing of it is."""
        if name not in self.axes or not any(
            group in permutations for axis in self.axes[name] for group in _groups(axis)
        ):
            return tensor
        made = torch.empty_like(tensor, memory_format=torch.contiguous_format)
        for (source, groups), (target, _) in zip(
            blocks(tensor, self.axes[name]), blocks(made, self.axes[name]), strict=True
        ):
            target.copy_(reordered(source, groups, permutations, self.groups))
        return made


def blocks(tensor: Tensor, axes: Sequence[Structure]) -> Iterator[tuple[Tensor, tuple[str | None, ...]]]:
    """Yield views of a tensor that together are all of it, each with the group of every axis that it has."""
    for position, axis in enumerate(axes):
        if isinstance(axis, Joint):
            start = 0
            for segment in axis.segments:
                count = size_of(segment)
                view = tensor.narrow(position, start, count)
                yield from blocks(view, (*axes[:position], segment, *axes[position + 1 :]))
                start += count
            return
        if isinstance(axis, Flat):
            sizes = [size_of(each) for each in axis.factors]
            view = tensor.unflatten(position, sizes)  # type: ignore[no-untyped-call]
            yield from blocks(view, (*axes[:position], *axis.factors, *axes[position + 1 :]))
            return
    yield tensor, tuple(axis.group for axis in axes if isinstance(axis, Units))


def reordered(
    block: Tensor, groups: Sequence[str | None], permutations: Permutations, of: Mapping[str, Group]
) -> Tensor:
    """Return a block with the units of every group in their new order."""
    for position, name in enumerate(groups):
        if name is not None and name in permutations and of[name].within is None:
            block = block.index_select(position, permutations[name].to(block.device))
    for position, name in enumerate(groups):
        if name is not None and name in permutations and (outer := of[name].within) is not None:
            block = _reordered_within(block, position, groups.index(outer), permutations[name])
    return block


def _reordered_within(block: Tensor, position: int, outer: int, orders: Tensor) -> Tensor:
    ends = (*(n for n in range(block.ndim) if n not in (outer, position)), outer, position)
    moved = block.permute(ends)
    index = orders.to(block.device).expand(moved.shape)
    back = [ends.index(axis) for axis in range(block.ndim)]
    return moved.gather(-1, index).permute(back)


def size_of(axis: Structure) -> int:
    """Return how many entries an axis has."""
    if isinstance(axis, Units):
        return axis.size
    if isinstance(axis, Joint):
        return sum(map(size_of, axis.segments))
    count = 1
    for each in axis.factors:
        count *= size_of(each)
    return count


def _groups(axis: Structure) -> Iterator[str]:
    if isinstance(axis, Units):
        if axis.group is not None:
            yield axis.group
    else:
        for each in axis.factors if isinstance(axis, Flat) else axis.segments:
            yield from _groups(each)


def _within(group: Group) -> str:
    return "" if group.within is None else f" within each of the {group.outer} of {group.within}"
