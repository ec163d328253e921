"""The ways of trainings over the loss on a plane, and over the two axes along which they vary most."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lth.measure.surface import Surface
from lth.measure.trajectory import Trajectories
from lth.plan.place import Place
from lth.report.figure.appearance import appearance
from lth.report.figure.style import SMALL_TEXT_SIZE, TEXT_SIZE, TWO_COLUMNS, dress, head, new_figure, wrapped
from lth.report.figure.surface import draw_losses

_MARGIN = 0.06  # of what is drawn, around it


def draw_paths(
    found: Trajectories,
    points: Mapping[Place, np.ndarray],
    corners: tuple[Place, Place, Place],
    surface: Surface | None = None,
) -> Figure:
    """Draw trainings as lines from a ring at their start to a marker at their end, a dot a kept epoch.

    Above, the plane through three solutions with the loss on it, where there is one; below, the principal axes
    of all points. Titles and legends say how much of their variance, and of each way, is to be seen.

    Args:
        found: Where trainings were.
        points: Which points are of the training of a solution, (points,), bool.
        corners: The solutions that span the plane.
        surface: The loss on the plane.
    """
    figure = new_figure(TWO_COLUMNS, 7.6)
    (on_plane, beside_plane), (on_axes, beside_axes) = figure.subplots(2, 2, width_ratios=(2.6, 1))
    first, second, third = (place.name for place in corners)
    head(figure, "The ways of trainings: ○ start, · kept epochs, ● end")
    dress(
        on_plane,
        title=f"On the plane through {first}, {second} and {third}, which holds {_percent(found.in_plane)} "
        "of the variance of all points",
        x=wrapped(f"L2 distance along {first} → {second}", 3.0),
        y=wrapped(f"orthogonal, toward {third}", 2.5),
    )
    share = _percent(found.explained[:2].sum())
    dress(
        on_axes,
        title=f"On the two principal axes of all points, which hold {share} of their variance",
        x=f"first axis (L2; {_percent(found.explained[0])} of the variance)",
        y=f"second axis (L2; {_percent(_second(found))})",
    )
    legend = [] if surface is None else draw_losses(on_plane, surface)
    _draw_ways(on_plane, points, found.x, found.y, found.moved_in_plane)
    _draw_ways(on_axes, points, found.first, found.second, found.moved_in_axes)
    on_plane.set_aspect("equal")
    on_axes.set_aspect("equal", adjustable="datalim")
    for axes, beside, more in ((on_plane, beside_plane, legend), (on_axes, beside_axes, [])):
        _explain(beside, [*axes.get_legend_handles_labels()[0], *more])
    return figure


def _draw_ways(
    axes: Axes, points: Mapping[Place, np.ndarray], x: np.ndarray, y: np.ndarray, moved: np.ndarray
) -> None:
    for place, held in zip(points, moved, strict=True):
        own, look = points[place], appearance(place)
        label = f"{place.name}: {_percent(held)}"
        axes.plot(
            x[own], y[own], color=look.colour, marker=".", markersize=3, linewidth=1.1, zorder=4, label=label
        )
        axes.plot(x[own][0], y[own][0], "o", color=look.colour, markersize=6, markerfacecolor="white", zorder=5)
        axes.plot(
            x[own][-1],
            y[own][-1],
            look.marker,
            color=look.colour,
            markersize=6,
            markeredgecolor="white",
            zorder=6,
        )
    axes.margins(_MARGIN)


def _explain(beside: Axes, handles: list[Artist]) -> None:
    beside.set_axis_off()
    beside.legend(
        handles=handles,
        title="share of the squared way from\nstart to end that is to be seen",
        loc="upper left",
        frameon=False,
        fontsize=SMALL_TEXT_SIZE,
        title_fontsize=TEXT_SIZE,
        alignment="left",
        borderaxespad=0,
    )


def _second(found: Trajectories) -> float:
    return float(found.explained[1]) if len(found.explained) > 1 else 0.0


def _percent(share: float) -> str:
    return "none" if np.isnan(share) else f"{100 * float(share):.3g} %"
