"""The permutations of one network's units that bring its tensors closest to those of another.

What is maximised is Σ ⟨A, P(B)⟩ over pairs of tensors, which for weights is the least Euclidean distance, and
for standardised activations the greatest sum of correlations. One group after the other is assigned at its
optimum, the others held (a linear assignment), until no group improves: a local optimum.

The descent starts twice: from no permutation, as Git Re-Basin does; and from one that is built up, group by
group, from those pairs in which everything else is known already, beginning at the inputs and outputs. The
better end is taken. Groups that are nowhere without each other, as the two factors of one axis, are never known
in this way. Where there are such, it starts a third time: slices are compared with their entries along the
unknown sorted, which is the most that any order of these can gain.

Of a group within another (dimensions of heads, say) the inner assignment of every pair of outer units is
solved first, and what it gains is what the outer assignment is of.

Source: arXiv 2209.04836, algorithm 1 (weights) and section 3.1 (activations, after arXiv 1511.07543).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from lth.network.symmetry.spec import PermutationSpec, blocks, reordered
from lth.network.weights import Weights
from lth.randomness import generator

_SWEEPS = 100  # at most; Git Re-Basin needs some ten
_IMPROVEMENT = 1e-7  # of the objective, relative: less is rounding


@dataclass(frozen=True)
class Pair:
    """A tensor of each network whose axes are units of these groups, or None."""

    ours: Tensor
    theirs: Tensor
    groups: tuple[str | None, ...]


@dataclass(frozen=True)
class Matched:
    """Permutations of the units of one network, and how well they bring it to the other."""

    permutations: Mapping[str, Tensor]
    similarity: float  # ⟨A, P(B)⟩ over ‖A‖ ‖B‖, of all pairs
    before: float  # the same of what is not permuted
    sweeps: int
    converged: bool


def weight_pairs(spec: PermutationSpec, ours: Weights, theirs: Weights) -> list[Pair]:
    """Return the parameters that have units to permute, in blocks; buffers are not compared."""
    found = []
    for name, tensor in ours.parameters.items():
        if name in spec.axes:
            other = theirs.parameters[name]
            for (a, groups), (b, _) in zip(
                blocks(tensor, spec.axes[name]), blocks(other, spec.axes[name]), strict=True
            ):
                if any(group is not None for group in groups):
                    found.append(Pair(a.detach(), b.detach(), groups))
    return found


def match(spec: PermutationSpec, pairs: Sequence[Pair], *, seed: int) -> Matched:
    """Return the permutations of `theirs` that bring it closest to `ours`.

    Args:
        spec: Of the network.
        pairs: What is compared.
        seed: Of the order in which groups are taken.

    Example:
        >>> from torch import nn
        >>> from lth.network.symmetry import symmetries
        >>> network = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
        >>> spec, weights = symmetries(network, torch.ones(2, 3)), Weights.of(network)
        >>> planted = spec.permute(weights, {"0.weight.0": torch.tensor([2, 0, 3, 1])})
        >>> found = match(spec, weight_pairs(spec, weights, planted), seed=0)
        >>> found.permutations["0.weight.0"].tolist(), round(found.similarity, 6)  # undoes it
        ([1, 3, 0, 2], 1.0)
    """
    descent = _Descent(spec, pairs)
    still = spec.identity()
    before = descent.objective(still)
    built, is_guessed = descent.built_up()
    starts = [still, built, *([descent.built_up(by_bounds=True)[0]] if is_guessed else [])]
    ends = [descent.descend(start, seed) for start in starts]
    best, sweeps, converged = max(ends, key=lambda end: descent.objective(end[0]))
    scale = math.sqrt(sum(_square(pair.ours) for pair in pairs) * sum(_square(pair.theirs) for pair in pairs))
    return Matched(best, _share(descent.objective(best), scale), _share(before, scale), sweeps, converged)


def _share(value: float, scale: float) -> float:
    return value / scale if scale > 0 else 0.0


def _square(tensor: Tensor) -> float:
    return float(tensor.double().square().sum())


class _Descent:
    """Coordinate descent over the groups of a network, each with those within it."""

    def __init__(self, spec: PermutationSpec, pairs: Sequence[Pair]) -> None:
        self._of = spec.groups
        self._identity = spec.identity()
        self._pairs = list(pairs)
        self._with = {
            name: [index for index, pair in enumerate(pairs) if name in pair.groups] for name in spec.groups
        }
        self._families = {
            name: [inner.name for inner in spec.groups.values() if inner.within == name]
            for name, group in spec.groups.items()
            if group.within is None
        }

    def objective(self, permutations: Mapping[str, Tensor], chosen: Iterable[int] | None = None) -> float:
        """Return Σ ⟨A, P(B)⟩ over the pairs, or over those chosen."""
        every = self._pairs if chosen is None else [self._pairs[index] for index in chosen]
        return sum(
            float(
                (pair.ours * reordered(pair.theirs, pair.groups, permutations, self._of)).sum(
                    dtype=torch.double
                )
            )
            for pair in every
        )

    def descend(self, start: Mapping[str, Tensor], seed: int) -> tuple[dict[str, Tensor], int, bool]:
        """Return where the descent ends, after how many sweeps, and whether it could not go on."""
        found, stream, names = dict(start), generator(seed, "align", "order"), list(self._families)
        for sweep in range(1, _SWEEPS + 1):
            improved = False
            for position in torch.randperm(len(names), generator=stream).tolist():
                name = names[position]
                concerned = self._concerned(name)
                tried = self._assigned(name, found, concerned)
                before, after = self.objective(found, concerned), self.objective(tried, concerned)
                if after > before + _IMPROVEMENT * abs(before):
                    found, improved = tried, True
            if not improved:
                return found, sweep, True
        return found, _SWEEPS, False

    def built_up(self, *, by_bounds: bool = False) -> tuple[dict[str, Tensor], bool]:
        """Return permutations each of which was found from pairs in which all others were known.

        And whether there were groups without such pairs. These are found as if the others were as they are, or
        from what pairs gain at most in any order of the others.
        """
        found, known, left, is_guessed = dict(self._identity), set[str](), list(self._families), False
        while left:
            usable = {name: self._usable(name, known) for name in left}
            name = max(left, key=lambda each: self._known_share(each, usable[each]))
            unknown = frozenset() if usable[name] else self._of.keys() - known
            is_guessed = is_guessed or bool(unknown)
            concerned = usable[name] or self._concerned(name)
            found = self._assigned(name, found, concerned, unknown if by_bounds else frozenset())
            known |= {name, *self._families[name]}
            left.remove(name)
        return found, is_guessed

    def _concerned(self, name: str) -> list[int]:
        return sorted({index for each in (name, *self._families[name]) for index in self._with[each]})

    def _usable(self, name: str, known: set[str]) -> list[int]:
        own = {name, *self._families[name], None}
        return [
            index
            for index in self._concerned(name)
            if all(group in own or group in known for group in self._pairs[index].groups)
        ]

    def _known_share(self, name: str, usable: Sequence[int]) -> float:
        """Return how much of what is compared of a group's units is usable."""
        total = sum(self._pairs[index].ours.numel() for index in self._concerned(name))
        return sum(self._pairs[index].ours.numel() for index in usable) / max(total, 1)

    def _assigned(
        self,
        name: str,
        found: Mapping[str, Tensor],
        concerned: Sequence[int],
        unknown: Set[str] = frozenset(),
    ) -> dict[str, Tensor]:
        """Return the permutations with those of a group, and of groups within it, assigned anew.

        Of groups that are unknown it is the best order that counts, each unit having its own.
        """
        made = dict(found)
        pairs = [self._pairs[index] for index in concerned]
        inner = self._families[name]
        gains = torch.zeros(self._of[name].size, self._of[name].size, dtype=torch.double)
        own = {name, *inner}
        for pair in pairs:
            if not own.intersection(inner).intersection(pair.groups):
                gains += self._gains(pair, name, made, unknown)
        orders: dict[str, np.ndarray] = {}
        for each in inner:
            only = [pair for pair in pairs if own.intersection(inner).intersection(pair.groups) == {each}]
            values, orders[each] = self._within(each, name, only, made, unknown)
            gains += values
        order = _best(gains.numpy())
        made[name] = torch.from_numpy(order)
        for each in inner:
            made[each] = torch.from_numpy(orders[each][np.arange(len(order)), order])
        for each in inner if len(inner) > 1 else ():
            made[each] = self._again(each, name, [pair for pair in pairs if each in pair.groups], made)
        return made

    def _gains(self, pair: Pair, name: str, found: Mapping[str, Tensor], unknown: Set[str]) -> Tensor:
        """Return ⟨unit i of A, unit j of B⟩, the others in their present order, (n, n)."""
        total = torch.zeros(self._of[name].size, self._of[name].size, dtype=torch.double)
        for position, group in enumerate(pair.groups):
            if group == name:
                others = tuple(None if at == position else each for at, each in enumerate(pair.groups))
                theirs = _sorted(reordered(pair.theirs, others, found, self._of), others, unknown)
                total += _products(_sorted(pair.ours, others, unknown), theirs, position).double().cpu()
        return total

    def _within(
        self,
        inner: str,
        outer: str,
        pairs: Sequence[Pair],
        found: Mapping[str, Tensor],
        unknown: Set[str],
    ) -> tuple[Tensor, np.ndarray]:
        """Return the best gain of each pair of outer units, (n, n), and the inner order it has, (n, n, m)."""
        count, size = self._of[outer].size, self._of[inner].size
        gains = torch.zeros(count, count, size, size, dtype=torch.double)
        for pair in pairs:
            a, b = pair.groups.index(outer), pair.groups.index(inner)
            others = tuple(None if at in (a, b) else each for at, each in enumerate(pair.groups))
            theirs = reordered(pair.theirs, others, found, self._of)
            ours, theirs = (
                _sorted(tensor, others, unknown).movedim((a, b), (0, 1)).reshape(count * size, -1)
                for tensor in (pair.ours, theirs)
            )
            both = (ours @ theirs.T).reshape(count, size, count, size).double().cpu()
            gains += both.permute(0, 2, 1, 3)
        values, orders = torch.zeros(count, count, dtype=torch.double), np.empty((count, count, size), np.int64)
        matrices = gains.numpy()
        for i in range(count):
            for j in range(count):
                orders[i, j] = _best(matrices[i, j])
                values[i, j] = float(matrices[i, j, np.arange(size), orders[i, j]].sum())
        return values, orders

    def _again(self, inner: str, outer: str, pairs: Sequence[Pair], found: Mapping[str, Tensor]) -> Tensor:
        """Return the order within each outer unit, all else in its present order."""
        count, size = self._of[inner].shape
        gains = torch.zeros(count, size, size, dtype=torch.double)
        for pair in pairs:
            a, b = pair.groups.index(outer), pair.groups.index(inner)
            others = tuple(None if at == b else each for at, each in enumerate(pair.groups))
            theirs = reordered(pair.theirs, others, found, self._of)
            ours, theirs = (
                tensor.movedim((a, b), (0, 1)).reshape(count, size, -1) for tensor in (pair.ours, theirs)
            )
            gains += torch.bmm(ours, theirs.transpose(1, 2)).double().cpu()
        return torch.from_numpy(np.stack([_best(matrix) for matrix in gains.numpy()]))


def _sorted(tensor: Tensor, groups: Sequence[str | None], unknown: Set[str]) -> Tensor:
    """Return a tensor with what lies along the axes of groups that are unknown sorted, whatever their order."""
    axes = [position for position, group in enumerate(groups) if group in unknown]
    if not axes:
        return tensor
    last = tuple(range(tensor.ndim - len(axes), tensor.ndim))
    moved = tensor.movedim(axes, last)
    return moved.flatten(last[0]).sort().values.reshape(moved.shape).movedim(last, axes)


def _products(ours: Tensor, theirs: Tensor, position: int) -> Tensor:
    rows = [tensor.movedim(position, 0).reshape(tensor.shape[position], -1) for tensor in (ours, theirs)]
    return rows[0] @ rows[1].T


def _best(gains: np.ndarray) -> np.ndarray:
    """Return for each row the column that it is assigned, so that the sum of gains is greatest."""
    return np.asarray(linear_sum_assignment(np.nan_to_num(gains), maximize=True)[1])
