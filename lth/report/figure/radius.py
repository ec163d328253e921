"""The basin radii of a point, direction by direction."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from lth.measure.radius import BasinRadii
from lth.report.figure.appearance import Appearance


def plot_radii(axes: Axes, radii: BasinRadii, look: Appearance, label: str, *, size: float = 4) -> None:
    """Draw the radii of a point in ascending order over their rank, and their mean as a dashed line.

    A censored direction is an upward triangle at its lower bound.
    """
    order = np.argsort(radii.radii, kind="stable")
    rank = np.arange(1, len(order) + 1)
    censored = radii.censored[order]
    for chosen, marker, points, text in (
        (~censored, look.marker, size, label),
        (censored, "^", 1.75 * size, "_censored"),
    ):
        axes.plot(
            rank[chosen],
            radii.radii[order][chosen],
            color=look.colour,
            marker=marker,
            markersize=points,
            linestyle="none",
            label=text,
        )
    axes.axhline(radii.mean, color=look.colour, linestyle="--", linewidth=1, label="_mean")
