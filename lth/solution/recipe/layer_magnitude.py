"""Magnitude pruning of every layer by the same share, a control of where m(L) prunes."""

from __future__ import annotations

from functools import partial

from lth.network.prune import apportioned, prune_smallest, prune_to
from lth.solution.recipe.start import Ingredients, Recipe, Start


def _start(given: Ingredients) -> Start:
    """Of every layer the smallest p of the survivors of w(L-1), as many as m(L) keeps in all, from wk."""
    before = given.previous
    kept = {name: int(each.sum()) for name, each in before.mask.keep.items()}
    target = apportioned(dict(kept), kept, given.num_kept)
    return given.rewound(prune_to(target, before.mask, partial(prune_smallest, before.final)))


LAYER_MAGNITUDE = Recipe(
    _start,
    "of every layer of w({before}) the smallest {share} of the weights left were pruned, the others rewound "
    "and trained",
)
