"""How each solution starts: which mask, from which weights, under which schedule; one file a method.

A method of yours is one more file with a `Recipe`, its name in `lth.plan.place` and its line here.
"""

from __future__ import annotations

from collections.abc import Mapping

from lth.plan.place import Kind
from lth.solution.recipe.dense import start_dense
from lth.solution.recipe.erk import ERK
from lth.solution.recipe.grasp import GRASP
from lth.solution.recipe.layer_magnitude import LAYER_MAGNITUDE
from lth.solution.recipe.magnitude_at_init import MAGNITUDE_AT_INIT
from lth.solution.recipe.paper import PAPER
from lth.solution.recipe.shuffled import SHUFFLED
from lth.solution.recipe.signs import MAGNITUDES_ONLY, SIGNS_ONLY
from lth.solution.recipe.snip import SNIP
from lth.solution.recipe.start import Ingredients, Recipe, Start
from lth.solution.recipe.synflow import SYNFLOW
from lth.solution.solution import Solution

__all__ = ["RECIPES", "Ingredients", "Recipe", "Start", "first_step", "start_dense", "start_sparse"]

RECIPES: Mapping[Kind, Recipe] = {
    **PAPER,
    "magnitude_at_init": MAGNITUDE_AT_INIT,
    "erk": ERK,
    "snip": SNIP,
    "grasp": GRASP,
    "synflow": SYNFLOW,
    "layer_magnitude": LAYER_MAGNITUDE,
    "shuffled": SHUFFLED,
    "signs_only": SIGNS_ONLY,
    "magnitudes_only": MAGNITUDES_ONLY,
}


def start_sparse(kind: Kind, given: Ingredients) -> Start:
    """Return the start of the solution of `kind` at the level of `given`.

    Raises:
        ValueError: If the level can't be pruned as asked (too few survivors).
    """
    return RECIPES[kind].start(given)


def first_step(solution: Solution) -> int:
    """Return the step of its schedule that a solution's training began at."""
    anew = solution.level == 0 or RECIPES[solution.kind].anew
    return 0 if anew else solution.rewind.step
