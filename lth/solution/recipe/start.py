"""What a training starts from, and what the recipes that decide it draw on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor, nn

from lth.brief import brief
from lth.data.examples import Examples
from lth.errors import InputError
from lth.network.mask import Mask
from lth.network.prune import kept_by_layer, num_to_prune, prune_smallest, prune_to
from lth.network.weights import Weights
from lth.setting.setting import Setting
from lth.solution.solution import Solution
from lth.training.moving import Movement
from lth.training.objective import Objective, objective_of
from lth.training.schedule import Schedule
from lth.training.train import TrainingState


@dataclass(frozen=True)
class Start:
    """Where a training starts, what may move, and how it goes on."""

    mask: Mask
    state: TrainingState
    schedule: Schedule
    capture_at: int | None = None
    movement: Movement | None = None  # of the mask, which by default stays
    ends_with: int | None = None  # how many weights it keeps in the end, where it moves
    until: int | None = None  # the step to end at, instead of the schedule's last

    __repr__ = brief

    @property
    def num_kept(self) -> int:
        """How many weights the mask keeps in the end."""
        return self.mask.num_kept if self.ends_with is None else self.ends_with

    @property
    def density(self) -> float:
        """Share of the prunable weights that is kept in the end."""
        return self.num_kept / self.mask.num_prunable

    @property
    def density_of_all(self) -> float:
        """Share of all parameters that is kept in the end, those that are never pruned too."""
        total = sum(tensor.numel() for tensor in self.state.weights.parameters.values())
        return 1 - (self.mask.num_prunable - self.num_kept) / total


@dataclass(frozen=True)
class Ingredients:
    """What every recipe for level L draws on."""

    setting: Setting
    schedule: Schedule  # the full one, from step 0
    level: int  # L >= 1
    previous: Solution  # w(L-1)
    dense: Solution | None = None  # w(0), where pruning starts from it or from its initialisation
    network: nn.Module | None = None  # whose weights are whatever they are
    examples: Examples | None = None  # of training
    other: Solution | None = None  # the dense network from another initialisation, where a mask goes over to it

    @property
    def mask(self) -> Mask:
        """m(L): m(L-1) without the smallest weights of w(L-1)."""
        return self.pruned(self.previous.mask, partial(prune_smallest, self.previous.final))

    @property
    def num_kept(self) -> int:
        """How many weights m(L) keeps."""
        before, fraction = self.previous.mask, self.setting.pruning.prune_fraction
        if self.setting.pruning.scope == "layer":
            return sum(kept_by_layer(before, fraction).values())
        return before.num_kept - num_to_prune(before, fraction)

    def pruned(self, mask: Mask, prune: Callable[[Mask, int], Mask], share: float = 1.0) -> Mask:
        """Return a mask pruned to as many weights as m(L) keeps, of which round(p · survivors) of m(L-1) went.

        Under scope=layer every layer keeps as many as it does in m(L). A `share` below 1 stops on the way from
        all weights there, at n · (kept / n)^share of n.
        """
        if self.setting.pruning.scope == "layer":
            final = kept_by_layer(self.previous.mask, self.setting.pruning.prune_fraction)
            target = {name: _on_the_way(mask.keep[name].numel(), kept, share) for name, kept in final.items()}
            return prune_to(target, mask, prune)
        return prune(mask, mask.num_kept - _on_the_way(mask.num_prunable, self.num_kept, share))

    def pruned_by_size(self, weights: Mapping[str, Tensor], mask: Mask, share: float = 1.0) -> Mask:
        """Return a mask without its smallest weights, so that `share` of what m(L) prunes in all is pruned.

        That is round(share · pruned by m(L)) weights, under scope=layer of every layer for itself.
        """
        prune = partial(prune_smallest, Weights(weights, {}))
        if self.setting.pruning.scope == "layer":
            final = kept_by_layer(self.previous.mask, self.setting.pruning.prune_fraction)
            target = {name: _left(kept.numel(), final[name], share) for name, kept in mask.keep.items()}
            return prune_to(target, mask, prune)
        return prune(mask, mask.num_kept - _left(mask.num_prunable, self.num_kept, share))

    @property
    def everything(self) -> Mask:
        """m(0)."""
        return self.previous.mask.with_flat(torch.ones_like(self.previous.mask.flat()))

    @property
    def start_of_dense(self) -> Solution:
        """w(0), whose initialisation w0 and final weights are pruned.

        Raises:
            ValueError: If it was not given.
        """
        if self.dense is None:
            raise InputError("this method starts from the dense solution w(0); give it")
        return self.dense

    @property
    def other_dense(self) -> Solution:
        """The dense network from another initialisation.

        Raises:
            ValueError: If it was not given.
        """
        if self.other is None:
            raise InputError("this method starts from a dense network of another initialisation; give it")
        return self.other

    @property
    def objective(self) -> Objective:
        """The loss that is trained on."""
        return objective_of(self.setting.training)

    def rewound(self, mask: Mask) -> Start:
        """Return the start of a mask from the rewind point, with the optimiser as it was there."""
        return Start(mask, self.previous.rewind.masked(mask), self.schedule)

    def from_initialisation(self, mask: Mask) -> Start:
        """Return the start of a mask from w0, on the whole schedule."""
        weights = mask.apply(self.start_of_dense.initial)
        return Start(mask, TrainingState(weights, {}, 0), self.schedule)

    def moving(self, mask: Mask, movement: Movement) -> Start:
        """Return the start of a mask from w0, which moves until it keeps as many weights as m(L)."""
        return replace(self.from_initialisation(mask), movement=movement, ends_with=self.num_kept)


@dataclass(frozen=True)
class Recipe:
    """A way to a sparse network: its mask, from which weights, with which training.

    Args:
        start: Makes all three of what there is.
        how: What a solution's card says; `{level}`, `{before}` and `{share}` are filled in.
        anew: Whether it trains from step 0, instead of from the rewind step.
    """

    start: Callable[[Ingredients], Start]
    how: str
    anew: bool = False


def _left(whole: int, final: int, share: float) -> int:
    return whole - round(share * (whole - final))


def _on_the_way(whole: int, final: int, share: float) -> int:
    return final if share == 1 else round(whole * (final / whole) ** share)
