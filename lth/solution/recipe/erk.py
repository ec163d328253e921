"""A random mask whose layers have the densities of Erdős–Rényi kernels, before training."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from lth.network.mask import Mask
from lth.network.prune import apportioned, prune_random, prune_to
from lth.randomness import generator
from lth.solution.recipe.start import Ingredients, Recipe, Start


def _start(given: Ingredients) -> Start:
    """The mask of `erk_mask`, from w0."""
    return given.from_initialisation(erk_mask(given))


def erk_mask(given: Ingredients) -> Mask:
    """Return a random mask of the density of m(L), layers by `erk_density`.

    Source: Mocanu et al. 2018; for kernels, Evci et al. 2020, arXiv 1911.11134, section 3.
    """
    everything = given.everything
    sizes = {name: kept.numel() for name, kept in everything.keep.items()}
    shares = {name: erk_density(kept.shape) * sizes[name] for name, kept in everything.keep.items()}
    stream = generator(given.setting.seed, "erk", given.level)
    target = apportioned(shares, sizes, given.num_kept)
    return prune_to(target, everything, partial(prune_random, generator=stream))


def erk_density(shape: Sequence[int]) -> float:
    """Return a layer's density up to a factor of all layers: the sum of its sizes over their product.

    (n_out + n_in + height + width) / (n_out · n_in · height · width), a layer cut off at 1.

    Example:
        >>> erk_density((64, 16, 3, 3)), erk_density((10, 40))
        (0.009331597222222222, 0.125)
    """
    product = 1
    for size in shape:
        product *= size
    return sum(shape) / product


ERK = Recipe(
    _start,
    "a random mask with the layer densities of Erdős–Rényi kernels on the initialisation, trained from its "
    "start",
    anew=True,
)
