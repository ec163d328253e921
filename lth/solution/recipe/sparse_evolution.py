"""SET: after every epoch the weights nearest to zero of a layer go, and others come back at random."""

from __future__ import annotations

from functools import partial

from torch import Tensor

from lth.network.grow import grow_random
from lth.network.mask import Mask
from lth.network.prune import prune_lowest
from lth.randomness import generator
from lth.solution.recipe.erk import erk_mask
from lth.solution.recipe.start import Ingredients, Recipe, Start
from lth.training.moving import Moved, Movement, Now

_SHARE = 0.3  # ζ


def _start(given: Ingredients) -> Start:
    """The mask of `erk` from w0, moved after every epoch but the last.

    Of every layer the smallest ζ of the positive weights and the largest ζ of the negative ones go, ζ = 0.3,
    with those that are zero, and as many are drawn of all that are pruned then. They start from zero, without
    momentum, also if they were there before.

    Source: Mocanu et al. 2018, arXiv 1707.04780, algorithm 1. Its layers are matrices, of which Erdős–Rényi
    kernels are Erdős–Rényi; its networks of convolutions are sparse in their matrices alone.
    """
    epoch, end = given.schedule.iterations_per_epoch, given.schedule.num_iterations
    movement = Movement(
        lambda step: step % epoch == 0 and 0 < step < end, partial(_move, given.setting.seed, given.level)
    )
    return given.moving(erk_mask(given), movement)


def _move(seed: int, level: int, now: Now) -> Moved:
    keep, fresh = {}, {}
    for name, kept in now.mask.keep.items():
        layer = Mask({name: kept})
        left = nearest_gone(now.weights[name], layer, name)
        stream = generator(seed, "set", level, now.step, name)
        keep[name] = grow_random(left, layer.num_kept - left.num_kept, stream).keep[name]
        fresh[name] = keep[name] & ~left.keep[name]
    return Moved(Mask(keep, now.mask.frozen), fresh)


def nearest_gone(weights: Tensor, layer: Mask, name: str) -> Mask:
    """Return a layer's mask without ζ of its positive weights, ζ of its negative ones, and all that are zero.

    Example:
        >>> import torch
        >>> weights = torch.tensor([0.1, 0.2, 0.3, 0.4, -0.5, -0.4, -0.3, -0.2, 0.0, 9.0])
        >>> layer = Mask({"w": torch.tensor([True] * 9 + [False])})
        >>> nearest_gone(weights, layer, "w").keep["w"].tolist()
        [False, True, True, True, True, True, True, False, False, False]
    """
    kept = layer.keep[name]
    for side in (weights > 0, weights < 0):
        chosen = Mask({name: layer.keep[name] & side})
        gone = (
            chosen.keep[name]
            & ~prune_lowest({name: weights.abs()}, chosen, int(_SHARE * chosen.num_kept)).keep[name]
        )
        kept = kept & ~gone
    return Mask({name: kept & (weights != 0)})


SET = Recipe(
    _start,
    "trained from the initialisation under a mask that moves by SET, with the layer densities of Erdős–Rényi "
    "kernels: after every epoch the weights nearest to zero go, and others come back at random",
    anew=True,
)
