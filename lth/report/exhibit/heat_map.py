"""How near all solutions are to each other, in weights or in what they compute, as annotated heat maps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from lth.evidence.evidence import Evidence
from lth.evidence.table import Cell, Table, rounded
from lth.plan.place import Kind, Place
from lth.report.exhibit.exhibit import Template
from lth.report.exhibit.wording import sentence
from lth.report.figure.style import SMALL_TEXT_SIZE, TEXT_SIZE, TWO_COLUMNS, head, new_figure

_OUTSIDERS: tuple[Kind, ...] = ("random_init", "random_prune_one_shot")
_CELL_INCHES = 0.42  # of a side, at the most
_NAME_INCHES = 1.1  # of the solutions' names beside the map, and of the bar on its other side
_LEAST_CELL_INCHES = 0.28  # that has room for a number


@dataclass(frozen=True)
class Affinity:
    """How near solutions are, in one of two senses."""

    name: str
    unit: str
    matrix: Callable[[Evidence], np.ndarray]
    nearer: Callable[[float, float], bool]  # whether the first value means nearer than the second
    nearest: Callable[[list[float]], float]
    farthest: Callable[[list[float]], float]
    colours: str
    written: str  # format of a cell
    places: Callable[[Evidence], Sequence[Place]] = lambda evidence: evidence.all_distances.places
    of: str = "between solutions"


EUCLIDEAN = Affinity(
    "distance",
    "L2",
    lambda evidence: evidence.all_distances.euclidean,
    lambda a, b: a < b,
    min,
    max,
    "Blues",
    ".3g",
)
COSINE = Affinity(
    "cosine", "", lambda evidence: evidence.all_distances.cosine, lambda a, b: a > b, max, min, "Blues_r", ".2f"
)


def _say(affinity: Affinity, evidence: Evidence) -> str:
    last = evidence.last
    between = partial(_between, affinity, evidence)
    levels = [Place.imp(level) for level in range(last + 1)]
    farthest = affinity.farthest([between(a, b) for i, a in enumerate(levels) for b in levels[:i]])
    parts = [f"the farthest two IMP solutions have the {affinity.name} {rounded(farthest)}"]
    for kind in _OUTSIDERS:
        nearest = affinity.nearest([between(Place(kind, last), level) for level in levels])
        verdict = "farther than that" if affinity.nearer(farthest, nearest) else "not farther than that"
        parts.append(f"{kind} is {verdict} from all of them (nearest {rounded(nearest)})")
    step = between(Place.imp(last), Place("random_prune", last))
    leap = between(Place.imp(last), Place("random_prune_one_shot", last))
    nearer = "nearer" if affinity.nearer(step, leap) else "not nearer"
    parts.append(
        f"random_prune is {nearer} to w({last}) than random_prune_one_shot "
        f"({rounded(step)} against {rounded(leap)})"
    )
    text = sentence(parts)
    return text[:1].upper() + text[1:]


def _between(affinity: Affinity, evidence: Evidence, a: Place, b: Place) -> float:
    places = affinity.places(evidence)
    return float(affinity.matrix(evidence)[places.index(a), places.index(b)])


def _numbers(affinity: Affinity, evidence: Evidence) -> Table:
    matrix = affinity.matrix(evidence)
    names = [place.name for place in affinity.places(evidence)]
    rows: list[tuple[Cell, ...]] = [
        (first, second, float(matrix[i, j])) for i, first in enumerate(names) for j, second in enumerate(names)
    ]
    return Table(("first", "second", affinity.name), tuple(rows))


def _draw(affinity: Affinity, evidences: Sequence[Evidence]) -> Figure:
    """Draw the mean over seeds, and beneath it the standard deviation of several where numbers have room."""
    matrices = np.array([affinity.matrix(evidence) for evidence in evidences])
    matrix, evidence = matrices.mean(axis=0), evidences[0]
    spread = matrices.std(axis=0, ddof=1) if len(matrices) > 1 else None
    names = [_short_name(place, evidence.last) for place in affinity.places(evidence)]
    cell = min(_CELL_INCHES, (TWO_COLUMNS - 2 * _NAME_INCHES) / len(names))
    figure = new_figure(TWO_COLUMNS, cell * len(names) + _NAME_INCHES + 0.5)
    axes = figure.add_subplot()
    unit = f" ({affinity.unit})" if affinity.unit else ""
    written = cell >= _LEAST_CELL_INCHES
    told = "mean ± standard deviation" if written else "mean"
    over = "" if spread is None else f"\n{told} over {len(matrices)} seeds"
    head(
        figure,
        f"{affinity.name[:1].upper()}{affinity.name[1:]}{unit} {affinity.of}; baselines are at level "
        f"{evidence.last}{over}",
    )
    image = axes.imshow(matrix, cmap=affinity.colours)
    axes.set_xticks(range(len(names)), names, rotation=60, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(labelsize=SMALL_TEXT_SIZE)
    if written:
        _write_numbers(axes, affinity, image, matrix, spread)
    bar = figure.colorbar(image, ax=axes, shrink=0.7)
    bar.set_label(f"{affinity.name}{unit}", fontsize=TEXT_SIZE)
    bar.ax.tick_params(labelsize=SMALL_TEXT_SIZE)
    return figure


def _write_numbers(
    axes: Axes, affinity: Affinity, image: AxesImage, matrix: np.ndarray, spread: np.ndarray | None
) -> None:
    """Write each number into its cell, dark on light and light on dark."""
    for (i, j), value in np.ndenumerate(matrix):
        red, green, blue, _ = image.cmap(image.norm(value))
        dark = 0.299 * red + 0.587 * green + 0.114 * blue < 0.5
        text = format(value, affinity.written)
        if spread is not None and i != j:
            text += f"\n±{_short(float(spread[i, j]))}"
        colour = "white" if dark else "black"
        axes.text(j, i, text, ha="center", va="center", fontsize=SMALL_TEXT_SIZE, color=colour)


def _short(spread: float) -> str:
    """Return one digit, in at most five characters."""
    text = f"{spread:.1g}"
    return text if len(text) <= 5 else f"{spread:.0e}".replace("e-0", "e-")


def _short_name(place: Place, last: int) -> str:
    return place.kind if place.kind != "imp" and place.level == last else place.name


def _draw_one(affinity: Affinity, evidence: Evidence) -> Figure:
    return _draw(affinity, [evidence])


HEAT_MAP = Template(_say, _numbers, _draw_one, _draw)  # of all pairs
