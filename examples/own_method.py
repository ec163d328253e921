"""A way of your own to a sparse network: keep the weights that training moved most.

    mlflow run . -e study -P own_method=examples.own_method:moved_most
    mlflow run . -e baseline -P kind=own_method -P level=3 -P own_method=examples.own_method:moved_most

It is then trained, measured and drawn beside the paper's solutions, at the density of the level.
"""

from __future__ import annotations

from functools import partial

from lth.network.prune import prune_lowest
from lth.solution.recipe import Ingredients, Start


def moved_most(given: Ingredients) -> Start:
    """The weights that w(0) moved least from their initialisation pruned in one go, the others rewound."""
    dense = given.start_of_dense
    final, initial = dense.final.parameters, dense.initial.parameters
    moved = {name: (final[name] - initial[name]).abs() for name in given.everything.keep}
    return given.rewound(given.pruned(given.everything, partial(prune_lowest, moved)))
