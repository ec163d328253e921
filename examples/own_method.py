"""Ways of your own to a sparse network: one with a mask that stays, one with a mask that moves in training.

    mlflow run . -e study -P own_method=examples.own_method:moved_most
    mlflow run . -e baseline -P kind=own_method -P level=3 -P own_method=examples.own_method:pruned_half_way

They are then trained, measured and drawn beside the paper's solutions, at the density of the level.
"""

from __future__ import annotations

from functools import partial

from lth.network.prune import prune_lowest
from lth.solution.recipe import Ingredients, Start
from lth.training.moving import Moved, Movement, Now


def moved_most(given: Ingredients) -> Start:
    """The weights that w(0) moved least from their initialisation pruned in one go, the others rewound."""
    dense = given.start_of_dense
    final, initial = dense.final.parameters, dense.initial.parameters
    moved = {name: (final[name] - initial[name]).abs() for name in given.everything.keep}
    return given.rewound(given.pruned(given.everything, partial(prune_lowest, moved)))


def pruned_half_way(given: Ingredients) -> Start:
    """Everything from the initialisation, the smallest weights pruned in one go after half of the training."""
    half = given.schedule.num_iterations // 2

    def move(now: Now) -> Moved:
        return Moved(given.pruned_by_size(now.weights, now.mask))

    return given.moving(given.everything, Movement(lambda step: step == half, move))
