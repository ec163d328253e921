"""The smallest weights of the initialisation pruned, before any training."""

from __future__ import annotations

from functools import partial

from lth.network.prune import prune_smallest
from lth.solution.recipe.start import Ingredients, Recipe, Start


def _start(given: Ingredients) -> Start:
    """The smallest weights of w0 pruned in one go to the density of m(L), from w0.

    Source: Frankle et al. 2021, arXiv 2009.08576, section 3.
    """
    initial = given.start_of_dense.initial
    return given.from_initialisation(given.pruned(given.everything, partial(prune_smallest, initial)))


MAGNITUDE_AT_INIT = Recipe(
    _start, "the smallest weights of the initialisation pruned in one go, trained from the start", anew=True
)
