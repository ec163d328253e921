"""Solutions on a plane as numbered markers, and the table that names the numbers.

Names would cover each other where solutions lie close; numbers with leaders stay legible for fifteen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from lth.measure.surface import Marker
from lth.plan.place import Place
from lth.report.figure.appearance import appearance
from lth.report.figure.placement import place_labels
from lth.report.figure.style import NEUTRAL_COLOUR, SMALL_TEXT_SIZE
from lth.setting.terms import terms

ROW_POINTS = 13.5  # height of a row of the table
_LABEL_RADIUS_POINTS = 6.5
_ROUNDING = 1e-9  # L2
_LEADER = {"arrowstyle": "-", "color": NEUTRAL_COLOUR, "linewidth": 0.7, "shrinkA": 0, "shrinkB": 0}


def draw_numbered(axes: Axes, markers: Sequence[Marker], corners: Sequence[Place]) -> None:
    """Draw a marker at every solution's foot on the plane, and its number beside it on a leader.

    Args:
        axes: Holds the plane, with its limits set and its layout settled: distances between labels follow it.
        markers: Numbered from 1 in this order.
        corners: Those that are drawn larger, edged in black.
    """
    if not markers:
        return
    feet = np.array([(marker.x, marker.y) for marker in markers])
    points = axes.transData.transform(feet) * 72 / axes.figure.dpi
    offsets = place_labels(points, radius=_LABEL_RADIUS_POINTS, gap=3.0)
    for number, (marker, offset) in enumerate(zip(markers, offsets, strict=True), start=1):
        look = appearance(marker.place)
        axes.plot(
            marker.x,
            marker.y,
            color=look.colour,
            marker=look.marker,
            markersize=look.scale * (8 if marker.place in corners else 6),
            markeredgecolor="black" if marker.place in corners else "white",
            markeredgewidth=1.4 if marker.place in corners else 0.7,
            zorder=5,
            label=marker.place.name,
        )
        axes.annotate(
            str(number),
            xy=(marker.x, marker.y),
            xytext=tuple(offset),
            textcoords="offset points",
            zorder=6,
            **_number_style(look.colour),
        ).set_in_layout(False)
        axes.annotate(
            "",
            xy=(marker.x, marker.y),
            xytext=tuple(offset),
            textcoords="offset points",
            arrowprops=_LEADER,
            zorder=4,  # under every number
        ).set_in_layout(False)


def write_table(side: Axes, markers: Sequence[Marker], cutoff: float | None) -> None:
    """List number, name, own loss and distance; with a cutoff also if the solution lies in its set."""
    levels = {marker.place.level for marker in markers if marker.place.kind != "imp"}
    heading = f"solution (baselines\nof level {min(levels)})" if len(levels) == 1 else "solution"
    of_loss = "loss\n(nats)" if terms().has_unit else "loss"
    columns = [
        (0.1, "left", heading),
        (0.74, "right", of_loss),
        (0.9, "right", "off\nplane\n(L2)"),
    ]
    if cutoff is not None:
        columns.append((1.0, "right", "in\nset"))
    for x, align, heading in columns:
        _write(side, heading, x, 0.6, ha=align, fontsize=SMALL_TEXT_SIZE, color=NEUTRAL_COLOUR)
    for row, marker in enumerate(markers, start=1):
        name = marker.place.kind if len(levels) == 1 and marker.place.kind != "imp" else marker.place.name
        cells = [name, f"{marker.loss:.4g}", _distance(marker.distance)]
        if cutoff is not None:
            cells.append("yes" if marker.loss <= cutoff else "no")
        _write(side, str(row), 0.03, row + 1, **_number_style(appearance(marker.place).colour))
        for (x, align, _), text in zip(columns, cells, strict=True):
            _write(side, text, x, row + 1, ha=align, fontsize=SMALL_TEXT_SIZE)


def _distance(distance: float) -> str:
    """Return a distance; that of a corner of the plane is none, but for rounding."""
    return "0" if distance < _ROUNDING else f"{distance:.3g}"


def _write(side: Axes, text: str, x: float, row: float, **look: Any) -> None:
    side.annotate(
        text,
        xy=(x, 1),
        xycoords="axes fraction",
        xytext=(0, -ROW_POINTS * row),
        textcoords="offset points",
        **{"va": "center", **look},
    ).set_in_layout(False)


def _number_style(colour: str) -> dict[str, Any]:
    box = {"boxstyle": "circle,pad=0.15", "facecolor": "white", "edgecolor": colour, "linewidth": 1.3}
    return {"ha": "center", "va": "center", "fontsize": SMALL_TEXT_SIZE, "bbox": box}
