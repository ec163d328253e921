"""The colour and marker of a solution, and of the points compared at a level, the same in every figure.

Levels of IMP run along viridis. Baselines take the colours of Okabe and Ito (2008), and a marker each, so that
neither colour alone nor shape alone has to be told apart.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from matplotlib import colormaps
from matplotlib.colors import to_hex

from lth.errors import InputError
from lth.plan.place import Beside, Form, Kind, Place, Point

# The square root spreads the first levels, so that a study of two levels and one of sixteen are both legible.
_LAST_COLOURED_LEVEL = 16
_LIGHTEST = 0.93  # of viridis; beyond it, yellow vanishes on white


@dataclass(frozen=True)
class Appearance:
    """How a solution is drawn."""

    colour: str  # hexadecimal
    marker: str  # of matplotlib
    scale: float = 1.0  # of the marker's diameter; stars and crosses fill less of theirs


BASELINES: Mapping[Kind, Appearance] = {
    "one_shot": Appearance("#E69F00", "s"),
    "fine_tune": Appearance("#56B4E9", "D"),
    "lr_rewind": Appearance("#009E73", "v"),
    "random_init": Appearance("#D55E00", "X", 1.2),
    "random_prune": Appearance("#0072B2", "P", 1.2),
    "random_prune_one_shot": Appearance("#CC79A7", "*", 1.6),
    "prune_larger": Appearance("#000000", "^"),
}
METHODS: Mapping[Kind, Appearance] = {
    "magnitude_at_init": Appearance("#4477AA", "<"),
    "erk": Appearance("#EE6677", ">"),
    "snip": Appearance("#228833", "p", 1.2),
    "grasp": Appearance("#CCBB44", "h", 1.2),
    "synflow": Appearance("#66CCEE", "d"),
    "rigl": Appearance("#332288", "^"),
    "set": Appearance("#117733", "v"),
    "gradual": Appearance("#DDCC77", "P", 1.2),
    "ac_dc": Appearance("#CC6677", "X", 1.2),
    "safe": Appearance("#999933", "*", 1.6),
    "layer_magnitude": Appearance("#AA3377", "s"),
    "shuffled": Appearance("#BBBBBB", "X", 1.2),
    "signs_only": Appearance("#EE8866", "P", 1.2),
    "magnitudes_only": Appearance("#44BB99", "*", 1.6),
    "distribution_only": Appearance("#6699CC", "v"),
    "cyclic_random": Appearance("#997700", "^"),
    "permuted": Appearance("#004488", "p", 1.2),
    "unpermuted": Appearance("#994455", "h", 1.2),
    "own_method": Appearance("#882255", "D"),
}
OTHER = Appearance("#777777", "h")


def level_colour(level: int) -> str:
    """Return the colour of an IMP level: dark for the dense network, lighter the sparser."""
    position = math.sqrt(min(level / _LAST_COLOURED_LEVEL, 1.0))
    return to_hex(colormaps["viridis"](_LIGHTEST * position))


def appearance(place: Place) -> Appearance:
    """Return how a solution is drawn.

    Raises:
        ValueError: If its kind is neither `imp`, nor a baseline, nor a method, nor what is beside a study.
    """
    if place.kind == "imp" or isinstance(place, Beside):
        return Appearance(level_colour(place.level), "o")
    looks = {**BASELINES, **METHODS}
    if place.kind not in looks:
        raise InputError(f"unknown kind of solution {place.kind!r}; known are imp, {', '.join(looks)}")
    return looks[place.kind]


def end_appearance(point: Point) -> Appearance:
    """Return how a point at the end of a line is drawn: a solution as ever, and what is none in grey."""
    return appearance(point.place) if point.form == "solution" else OTHER


# Of the points that are compared at a level: Paul Tol's high-contrast set, apart from the colours of solutions.
SOLUTION_LOOK = Appearance("#004488", "o")
PREVIOUS_LOOK = Appearance("#000000", "v")
PROJECTION_LOOK = Appearance("#BB5566", "s")
REVERSE_LOOK = Appearance("#DDAA33", "D")
NEXT_LARGER_LOOK = Appearance("#000000", "^")
_LOOKS: Mapping[Form, Appearance] = {
    "projection": PROJECTION_LOOK,
    "reverse": REVERSE_LOOK,
    "next_larger": NEXT_LARGER_LOOK,
}


def point_appearance(point: Point, level: int) -> Appearance:
    """Return how one of the points that are compared at a level is drawn."""
    if point.form != "solution":
        return _LOOKS[point.form]
    return SOLUTION_LOOK if point.place.level == level else PREVIOUS_LOOK
