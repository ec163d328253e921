"""A random mask trained as often as IMP, a control of what many trainings do without a choice of weights."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from lth.network.prune import prune_random
from lth.randomness import generator
from lth.solution.recipe.start import Ingredients, Recipe, Start


def _start(given: Ingredients) -> Start:
    """The mask of random_prune_one_shot from w0, on the whole schedule and then L times on that from step k.

    As many steps as the chain to w(L) took, at the same learning rates, all of them under one mask. The
    optimiser's state goes on from one cycle to the next, where TurboPrune begins a new one.

    Source: Gadhikar, Nelaturu and Burkholz 2024, arXiv 2406.02773, section 3.
    """
    stream = generator(given.setting.seed, "random_prune_one_shot", given.level)
    mask = given.pruned(given.everything, partial(prune_random, generator=stream))
    schedule = given.schedule.cyclic(given.previous.rewind.step, times=given.level)
    return replace(given.from_initialisation(mask), schedule=schedule)


CYCLIC_RANDOM = Recipe(
    _start,
    "the random mask of random_prune_one_shot on the initialisation, trained as often as there were levels, "
    "the learning rate rewound each time",
    anew=True,
)
