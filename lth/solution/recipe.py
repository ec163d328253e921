"""How each solution starts: iterative magnitude pruning with weight rewinding, and its seven baselines.

Each recipe answers three questions (docs/protocol.md, sections 2 and 3): which mask, from which state, under
which schedule. Notation: w(L-1) is the previous level's solution, wk the rewind point, p the prune fraction.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import nn

from lth.brief import brief
from lth.errors import InputError
from lth.network import build_network
from lth.network.mask import Mask
from lth.network.prune import (
    kept_by_layer,
    num_to_prune,
    prune_next_larger,
    prune_random,
    prune_smallest,
    prune_to,
)
from lth.network.weights import Weights
from lth.plan.place import Kind
from lth.randomness import generator
from lth.setting.setting import Setting
from lth.solution.solution import Solution
from lth.training.schedule import Schedule, fine_tune_schedule, resolve_schedule, rewind_iteration
from lth.training.train import TrainingState


@dataclass(frozen=True)
class Start:
    """Where a training starts, what may move, and how it goes on."""

    mask: Mask
    state: TrainingState
    schedule: Schedule
    capture_at: int | None = None

    __repr__ = brief


@dataclass(frozen=True)
class Ingredients:
    """What every recipe for level L draws on."""

    setting: Setting
    schedule: Schedule  # the full one, from step 0
    level: int  # L >= 1
    previous: Solution  # w(L-1)
    dense: Solution | None = None  # w(0), which only one_shot prunes

    @property
    def mask(self) -> Mask:
        """m(L): m(L-1) without the smallest weights of w(L-1)."""
        return self.pruned(self.previous.mask, partial(prune_smallest, self.previous.final))

    def pruned(self, mask: Mask, prune: Callable[[Mask, int], Mask]) -> Mask:
        """Return a mask pruned to as many weights as m(L) keeps, of which round(p · survivors) of m(L-1) went.

        Under scope=layer every layer keeps as many as it does in m(L).
        """
        before, fraction = self.previous.mask, self.setting.pruning.prune_fraction
        if self.setting.pruning.scope == "layer":
            return prune_to(kept_by_layer(before, fraction), mask, prune)
        return prune(mask, mask.num_kept - (before.num_kept - num_to_prune(before, fraction)))

    @property
    def everything(self) -> Mask:
        """m(0)."""
        return self.previous.mask.with_flat(torch.ones_like(self.previous.mask.flat()))


def start_dense(network: nn.Module, setting: Setting, num_examples: int) -> Start:
    """Return the start of w(0): everything kept, from w0 at step 0, capturing wk on the way."""
    schedule = resolve_schedule(setting.training, num_examples)
    state = TrainingState(Weights.of(network), {}, 0)
    return Start(
        Mask.dense(network, setting.pruning.prune_layers),
        state,
        schedule,
        rewind_iteration(setting.training, schedule),
    )


def start_sparse(kind: Kind, given: Ingredients) -> Start:
    """Return the start of the solution of `kind` at the level of `given`.

    Raises:
        ValueError: If the level can't be pruned as asked (too few survivors).
    """
    return _RECIPES[kind](given)


def _imp(given: Ingredients) -> Start:
    """m(L) from m(L) ⊙ wk, on the schedule from k."""
    return _rewound(given, given.mask)


def _one_shot(given: Ingredients) -> Start:
    """The smallest weights of w(0) pruned in one go to the density of m(L), from wk."""
    if given.dense is None:
        raise InputError("one_shot prunes the dense solution w(0); give it")
    return _rewound(given, given.pruned(given.everything, partial(prune_smallest, given.dense.final)))


def _fine_tune(given: Ingredients) -> Start:
    """m(L) from m(L) ⊙ w(L-1), at a small constant learning rate, with a fresh optimiser."""
    mask = given.mask
    schedule = fine_tune_schedule(given.setting.training, given.schedule)
    return Start(mask, TrainingState(mask.apply(given.previous.final), {}, 0), schedule)


def _lr_rewind(given: Ingredients) -> Start:
    """m(L) from m(L) ⊙ w(L-1), on the schedule from k, with a fresh optimiser."""
    mask = given.mask
    step = given.previous.rewind.step
    return Start(mask, TrainingState(mask.apply(given.previous.final), {}, step), given.schedule)


def _random_init(given: Ingredients) -> Start:
    """m(L) from a fresh random initialisation, on the whole schedule."""
    mask = given.mask
    network = build_network(given.previous.spec, given.setting.seed, "random_init", given.level)
    return Start(mask, TrainingState(mask.apply(Weights.of(network)), {}, 0), given.schedule)


def _random_prune(given: Ingredients) -> Start:
    """A random fraction p of the survivors of m(L-1) removed, from wk."""
    stream = generator(given.setting.seed, "random_prune", given.level)
    return _rewound(given, given.pruned(given.previous.mask, partial(prune_random, generator=stream)))


def _random_prune_one_shot(given: Ingredients) -> Start:
    """Randomly pruned from dense in one go to the density of m(L), from wk."""
    stream = generator(given.setting.seed, "random_prune_one_shot", given.level)
    return _rewound(given, given.pruned(given.everything, partial(prune_random, generator=stream)))


def _prune_larger(given: Ingredients) -> Start:
    """The smallest p of the survivors of w(L-1) kept and the band from p to 2p pruned instead, from wk."""
    mask = given.pruned(given.previous.mask, partial(prune_next_larger, given.previous.final))
    return _rewound(given, mask)


_RECIPES: dict[Kind, Callable[[Ingredients], Start]] = {
    "imp": _imp,
    "one_shot": _one_shot,
    "fine_tune": _fine_tune,
    "lr_rewind": _lr_rewind,
    "random_init": _random_init,
    "random_prune": _random_prune,
    "random_prune_one_shot": _random_prune_one_shot,
    "prune_larger": _prune_larger,
}


def first_step(solution: Solution) -> int:
    """Return the step of its schedule that a solution's training began at."""
    anew = solution.level == 0 or solution.kind in ("fine_tune", "random_init")
    return 0 if anew else solution.rewind.step


def _rewound(given: Ingredients, mask: Mask) -> Start:
    return Start(mask, given.previous.rewind.masked(mask), given.schedule)
