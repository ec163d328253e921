"""How the paper's solutions start: iterative magnitude pruning with weight rewinding, and its seven baselines.

Each recipe answers three questions (docs/protocol.md, sections 2 and 3): which mask, from which state, under
which schedule. Notation: w(L-1) is the previous level's solution, wk the rewind point, p the prune fraction.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from lth.network import build_network
from lth.network.prune import prune_next_larger, prune_random, prune_smallest
from lth.network.weights import Weights
from lth.plan.place import Kind
from lth.randomness import generator
from lth.solution.recipe.start import Ingredients, Recipe, Start
from lth.training.schedule import fine_tune_schedule
from lth.training.train import TrainingState


def _imp(given: Ingredients) -> Start:
    """m(L) from m(L) ⊙ wk, on the schedule from k."""
    return given.rewound(given.mask)


def _one_shot(given: Ingredients) -> Start:
    """The smallest weights of w(0) pruned in one go to the density of m(L), from wk."""
    return given.rewound(given.pruned(given.everything, partial(prune_smallest, given.start_of_dense.final)))


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
    return given.rewound(given.pruned(given.previous.mask, partial(prune_random, generator=stream)))


def _random_prune_one_shot(given: Ingredients) -> Start:
    """Randomly pruned from dense in one go to the density of m(L), from wk."""
    stream = generator(given.setting.seed, "random_prune_one_shot", given.level)
    return given.rewound(given.pruned(given.everything, partial(prune_random, generator=stream)))


def _prune_larger(given: Ingredients) -> Start:
    """The smallest p of the survivors of w(L-1) kept and the band from p to 2p pruned instead, from wk."""
    mask = given.pruned(given.previous.mask, partial(prune_next_larger, given.previous.final))
    return given.rewound(mask)


PAPER: Mapping[Kind, Recipe] = {
    "imp": Recipe(
        _imp,
        "iterative magnitude pruning: of w({before}) the smallest {share} of the weights left were pruned, "
        "the others went back to the rewind point and were trained again",
    ),
    "one_shot": Recipe(_one_shot, "the dense network pruned by magnitude in one go, rewound and trained"),
    "fine_tune": Recipe(
        _fine_tune,
        "w({before}) pruned and trained on at a small constant learning rate, without rewinding",
        anew=True,
    ),
    "lr_rewind": Recipe(
        _lr_rewind, "w({before}) pruned and trained on along the learning rates from the rewind point"
    ),
    "random_init": Recipe(
        _random_init,
        "the mask of level {level} on a fresh random initialisation, trained from the start",
        anew=True,
    ),
    "random_prune": Recipe(
        _random_prune,
        "of w({before}) a random {share} of the weights left were pruned, the others rewound and trained",
    ),
    "random_prune_one_shot": Recipe(
        _random_prune_one_shot, "the dense network pruned at random in one go, rewound and trained"
    ),
    "prune_larger": Recipe(
        _prune_larger,
        "of w({before}) the next-larger {share} of the weights left were pruned and the smallest kept, then "
        "rewound and trained",
    ),
}
