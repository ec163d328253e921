"""The colour and marker of a solution, the same in every figure.

Levels of IMP run along viridis. Baselines take the colours of Okabe and Ito (2008), and a marker each, so that
neither colour alone nor shape alone has to be told apart.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from matplotlib import colormaps
from matplotlib.colors import to_hex

from lth.errors import InputError

# The square root spreads the first levels, so that a study of two levels and one of sixteen are both legible.
_LAST_COLOURED_LEVEL = 16
_LIGHTEST = 0.93  # of viridis; beyond it, yellow vanishes on white


@dataclass(frozen=True)
class Appearance:
    """How a solution is drawn."""

    colour: str  # hexadecimal
    marker: str  # of matplotlib
    scale: float = 1.0  # of the marker's diameter; stars and crosses fill less of theirs


BASELINES: Mapping[str, Appearance] = {
    "one_shot": Appearance("#E69F00", "s"),
    "fine_tune": Appearance("#56B4E9", "D"),
    "lr_rewind": Appearance("#009E73", "v"),
    "random_init": Appearance("#D55E00", "X", 1.2),
    "random_prune": Appearance("#0072B2", "P", 1.2),
    "random_prune_one_shot": Appearance("#CC79A7", "*", 1.6),
    "prune_larger": Appearance("#000000", "^"),
}
OTHER = Appearance("#777777", "h")


def level_colour(level: int) -> str:
    """Return the colour of an IMP level: dark for the dense network, lighter the sparser."""
    position = math.sqrt(min(level / _LAST_COLOURED_LEVEL, 1.0))
    return to_hex(colormaps["viridis"](_LIGHTEST * position))


def appearance(kind: str, level: int) -> Appearance:
    """Return how a solution of a kind is drawn.

    Raises:
        ValueError: If the kind is neither `imp` nor a baseline.
    """
    if kind == "imp":
        return Appearance(level_colour(level), "o")
    if kind not in BASELINES:
        raise InputError(f"unknown kind of solution {kind!r}; known are imp, {', '.join(BASELINES)}")
    return BASELINES[kind]


def appearance_of(name: str) -> Appearance:
    """Return how a solution is drawn, by its name; grey for other names."""
    if name == "dense":
        return appearance("imp", 0)
    if match := re.fullmatch(r"level (\d+)", name):
        return appearance("imp", int(match[1]))
    if match := re.fullmatch(r"(\w+) at level \d+", name):
        return BASELINES.get(match[1], OTHER)
    return OTHER
