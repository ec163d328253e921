"""How each solution starts: which mask, from which weights, under which schedule; one file a method.

A method of yours is a function that own_method=package.module:function names (`lth.solution.recipe.own`).
One of this project's is one more file with a `Recipe`, its name in `lth.plan.place` and its line here.
"""

from __future__ import annotations

from collections.abc import Mapping

from lth.plan.place import Kind
from lth.setting.parameter import Rewind
from lth.solution.recipe.ac_dc import AC_DC
from lth.solution.recipe.cyclic_random import CYCLIC_RANDOM
from lth.solution.recipe.dense import start_dense
from lth.solution.recipe.erk import ERK
from lth.solution.recipe.gradual import GRADUAL
from lth.solution.recipe.grasp import GRASP
from lth.solution.recipe.layer_magnitude import LAYER_MAGNITUDE
from lth.solution.recipe.magnitude_at_init import MAGNITUDE_AT_INIT
from lth.solution.recipe.own import OWN_METHOD
from lth.solution.recipe.paper import PAPER
from lth.solution.recipe.permuted import PERMUTED, UNPERMUTED
from lth.solution.recipe.rigl import RIGL
from lth.solution.recipe.safe import SAFE
from lth.solution.recipe.shuffled import SHUFFLED
from lth.solution.recipe.signs import DISTRIBUTION_ONLY, MAGNITUDES_ONLY, SIGNS_ONLY
from lth.solution.recipe.snip import SNIP
from lth.solution.recipe.sparse_evolution import SET
from lth.solution.recipe.start import Ingredients, Recipe, Start
from lth.solution.recipe.synflow import SYNFLOW
from lth.solution.solution import Solution

__all__ = [
    "RECIPES",
    "Ingredients",
    "Recipe",
    "Start",
    "first_step",
    "recipe_of",
    "start_dense",
    "start_sparse",
]

RECIPES: Mapping[Kind, Recipe] = {
    **PAPER,
    "magnitude_at_init": MAGNITUDE_AT_INIT,
    "erk": ERK,
    "snip": SNIP,
    "grasp": GRASP,
    "synflow": SYNFLOW,
    "rigl": RIGL,
    "set": SET,
    "gradual": GRADUAL,
    "ac_dc": AC_DC,
    "safe": SAFE,
    "layer_magnitude": LAYER_MAGNITUDE,
    "shuffled": SHUFFLED,
    "signs_only": SIGNS_ONLY,
    "magnitudes_only": MAGNITUDES_ONLY,
    "distribution_only": DISTRIBUTION_ONLY,
    "cyclic_random": CYCLIC_RANDOM,
    "permuted": PERMUTED,
    "unpermuted": UNPERMUTED,
    "own_method": OWN_METHOD,
}


# What a level of IMP is made by. Each is pruned from the level before of its own chain, which was made so too
# (Renda et al. 2020, arXiv 2003.02389); the baselines of these names are one step off the chain of weights.
_REWINDING: Mapping[Rewind, Kind] = {"weights": "imp", "lr": "lr_rewind", "none": "fine_tune"}


def recipe_of(kind: Kind, rewind: Rewind) -> Recipe:
    """Return the recipe of a kind of solution, in a study that rewinds so."""
    return RECIPES[_REWINDING[rewind] if kind == "imp" else kind]


def start_sparse(kind: Kind, given: Ingredients) -> Start:
    """Return the start of the solution of `kind` at the level of `given`.

    Raises:
        ValueError: If the level can't be pruned as asked (too few survivors).
    """
    return recipe_of(kind, given.setting.pruning.rewind).start(given)


def first_step(solution: Solution) -> int:
    """Return the step of its schedule that a solution's training began at."""
    anew = solution.level == 0 or recipe_of(solution.kind, solution.setting.pruning.rewind).anew
    return 0 if anew else solution.rewind.step
