"""GraSP: prunes before training what lowers the norm of the gradient least, or raises it."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from lth.network.mask import Mask
from lth.network.prune import prune_lowest
from lth.solution.recipe.score import Untrained, gradients, untrained
from lth.solution.recipe.start import Ingredients, Recipe, Start


def _start(given: Ingredients) -> Start:
    """The weights of w0 whose absence lowers the gradient's norm least pruned to the density of m(L), from w0.

        score_i = w_i (H g)_i, half the first-order fall of ‖g‖² without w_i, of one mini-batch

    Those with the lowest score go. GraSP writes -w_i (H g)_i and removes the highest; its code also divides
    logits by 200, which its equations do not.

    Source: Wang, Zhang and Grosse 2020, arXiv 2002.07376, equation 8 and algorithm 1.
    """
    with untrained(given, "grasp") as at_start:
        scores = preservations(at_start, given.everything)
    return given.from_initialisation(given.pruned(given.everything, partial(prune_lowest, scores)))


def preservations(at_start: Untrained, mask: Mask) -> dict[str, Tensor]:
    """Return w · (H g) of every prunable weight, by name."""
    weights = at_start.prunable(mask)
    slopes = gradients(at_start.loss(), weights, twice=True)
    flow = torch.stack([(slope * slope.detach()).sum() for slope in slopes.values()]).sum()
    curved = gradients(flow, weights)  # H g, as the second factor counts as a constant
    return {name: weight.detach() * curved[name] for name, weight in weights.items()}


GRASP = Recipe(
    _start,
    "the initialisation pruned in one go by GraSP, which keeps the norm of the gradient, then trained",
    anew=True,
)
