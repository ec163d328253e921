"""SNIP: prunes the weights whose absence changes the loss least, to first order, before training."""

from __future__ import annotations

from functools import partial

from torch import Tensor

from lth.network.mask import Mask
from lth.network.prune import prune_lowest
from lth.solution.recipe.score import Untrained, gradients, untrained
from lth.solution.recipe.start import Ingredients, Recipe, Start


def _start(given: Ingredients) -> Start:
    """The weights of w0 with the lowest score pruned in one go to the density of m(L), from w0.

        score_i = |w_i · ∂loss/∂w_i|, the first-order change of the loss of one mini-batch without w_i

    Source: Lee, Ajanthan and Torr 2019, arXiv 1810.02340, equations 5 and 6.
    """
    with untrained(given, "snip") as at_start:
        scores = sensitivities(at_start, given.everything)
    return given.from_initialisation(given.pruned(given.everything, partial(prune_lowest, scores)))


def sensitivities(at_start: Untrained, mask: Mask) -> dict[str, Tensor]:
    """Return |w · ∂loss/∂w| of every prunable weight, by name."""
    weights = at_start.prunable(mask)
    slopes = gradients(at_start.loss(), weights)
    return {name: (weight.detach() * slopes[name]).abs() for name, weight in weights.items()}


SNIP = Recipe(
    _start,
    "the initialisation pruned in one go by SNIP's connection sensitivity |w · gradient|, then trained",
    anew=True,
)
