"""Where a study is measured, and what neighbouring measurements share: the examples and the gradient graphs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from lth.brief import brief
from lth.data import Examples, TrainingData
from lth.data.examples import sample
from lth.measure.curvature.hessian import HessianOperator
from lth.network.mask import Mask
from lth.network.prune import kept_by_layer, num_to_prune, prune_next_larger, prune_to
from lth.network.space import LevelSpace
from lth.network.weights import Weights
from lth.plan.place import Place, Point
from lth.randomness import generator
from lth.setting.amount import Amount
from lth.setting.setting import PruningSetting
from lth.solution.solution import Solution
from lth.training.objective import CROSS_ENTROPY, Objective
from lth.training.threads import threads_for

Solutions = Mapping[Place, Solution]
Share = tuple[int, int]  # of the examples: which of how many disjoint parts, from 1 on


@dataclass(frozen=True)
class MaskedPoint:
    """A point made concrete: its weights, and the mask whose space it is seen in."""

    weights: Weights
    mask: Mask

    __repr__ = brief

    @property
    def space(self) -> LevelSpace:
        """The coordinates that the point may move in."""
        return LevelSpace(self.mask, self.weights)

    def to(self, device: torch.device) -> MaskedPoint:
        """Return the point with its weights on a device."""
        return MaskedPoint(self.weights.to(device), self.mask)


def masked_point(point: Point, solutions: Solutions, pruning: PruningSetting) -> MaskedPoint:
    """Return the weights and the mask of a point.

    Args:
        point: Which.
        solutions: At least those that `point.needs`.
        pruning: Of the study; sizes the band that `next_larger` prunes.
    """
    weights, mask = solutions[point.needs[0]].final, solutions[point.needs[-1]].mask
    if point.form == "next_larger":
        fraction, prune = pruning.prune_fraction, partial(prune_next_larger, weights)
        if pruning.scope == "layer":
            mask = prune_to(kept_by_layer(mask, fraction), mask, prune)
        else:
            mask = prune(mask, num_to_prune(mask, fraction))
    return MaskedPoint(mask.apply(weights), mask)


class Surveyor:
    """One network, its data and a seed, to measure points with.

    It keeps what neighbouring measurements share: the examples drawn, and the gradient graphs of the point
    last measured, which a solution has in common with its reverse projection.

    Args:
        network: Gives the structure.
        data: Training and test examples on the device.
        amount: Of the training examples that curvature, radii and surfaces are of.
        seed: Of the examples drawn, start vectors, probes and directions.
        others: Devices that share the examples of a curvature, besides the one the data is on.
        memory_budget: Bytes that the basis of a curvature may take; see `basis_capacity`.
        objective: The loss that everything is measured in, that of training, and the metric beside it.

    Raises:
        ValueError: If more examples are asked for than there are.
    """

    def __init__(
        self,
        network: nn.Module,
        data: TrainingData,
        amount: Amount,
        seed: int,
        others: Sequence[torch.device] = (),
        *,
        memory_budget: int | None = None,
        objective: Objective = CROSS_ENTROPY,
    ) -> None:
        self.network, self.data, self.seed = network, data, seed
        self.memory_budget, self.objective = memory_budget, objective
        self.devices = (data.train.labels.device, *others)
        self.threads = threads_for(network, data.train)
        self._others = tuple(others)
        self._chosen = sample(len(data.train), amount, seed, "hessian_examples")
        self._last: tuple[Weights, Share | None, HessianOperator] | None = None
        self._checked = False  # that the network can be differentiated twice

    @property
    def device(self) -> torch.device:
        """Where it is measured."""
        return self.data.train.labels.device

    @property
    def positions(self) -> list[int]:
        """Positions in the full training split that curvature, radii and surfaces are of."""
        return self.positions_of(None)

    def positions_of(self, share: Share | None) -> list[int]:
        """Return those of a share."""
        return [int(position) for position in self.data.positions[self.chosen(share)]]

    @property
    def examples(self) -> Examples:
        """The training examples that curvature, radii and surfaces are of."""
        return self.data.train.take(self._chosen)

    def chosen(self, share: Share | None) -> Tensor:
        """Return positions among the training examples, ascending: of all that are measured on, or of a share.

        Shares are drawn at random; those of one number of parts are disjoint, and as large but for one example.
        """
        if share is None:
            return self._chosen
        part, parts = share
        order = torch.randperm(len(self._chosen), generator=generator(self.seed, "draw", "parts"))
        return self._chosen[torch.tensor_split(order, parts)[part - 1].sort().values]

    def hessian(self, located: MaskedPoint, share: Share | None = None) -> HessianOperator:
        """Return the Hessian at a point on the device, in the point's space; its graphs are kept."""
        weights = located.weights
        if self._last is None or self._last[1] != share or not _same(self._last[0], weights):
            self._last = None  # frees the graphs before new ones are made
            operator = HessianOperator(
                self.network,
                weights,
                located.space,
                self.data.train.take(self.chosen(share)),
                others=self._others,
                objective=self.objective,
                checked=self._checked,
            )
            self._checked = True
            self._last = (weights, share, operator)
        return self._last[2].in_space(located.space)

    def release(self) -> None:
        """Free what is kept for a neighbouring measurement of curvature, which can be gigabytes."""
        self._last = None


def _same(a: Weights, b: Weights) -> bool:
    pairs = [(a.parameters[name], b.parameters[name]) for name in a.parameters]
    pairs += [(a.buffers[name], b.buffers[name]) for name in a.buffers]
    return all(bool((ours == theirs).all()) for ours, theirs in pairs)
