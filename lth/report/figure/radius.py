"""Basin radii of a level, direction by direction, two points to a space and cutoff."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lth.evidence.analysis import PREVIOUS, PROJECTED, REVERSE, SOLUTION, LevelAnalysis
from lth.measure.radius import BasinRadii
from lth.report.figure.appearance import Appearance
from lth.report.figure.point import POINTS, point_name
from lth.report.figure.style import SMALL_TEXT_SIZE, dress, new_figure, spans_a_decade, use_integer_x, use_log_y


def draw_radii(analysis: LevelAnalysis) -> Figure:
    """Draw the radii of each point in ascending order, with their mean.

    The left panel compares w(L) with m(L) ⊙ w(L-1) in level-L space, the right one w(L) with w(L-1) in level
    L-1 space; level 0 has the left alone. A censored direction is an upward triangle at its lower bound, and
    its mean is marked as a bound too. Logarithmic where the radii of a panel span over a decade.

    Args:
        analysis: Of one level.

    Source: arXiv 2403.15022, Fig. 6 and 8.
    """
    spaces = {analysis.level: (SOLUTION, PROJECTED), analysis.level - 1: (REVERSE, PREVIOUS)}
    panels = [
        (space, present)
        for space, suffixes in spaces.items()
        if (present := {suffix: analysis.radii[suffix] for suffix in suffixes if suffix in analysis.radii})
    ]
    figure = new_figure(5.4 * len(panels), 4.6)
    for axes, (space, points) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        _draw_space(axes, space, points, analysis.level)
    return figure


def legend_text(name: str, radii: BasinRadii) -> str:
    """Return what the legend says of one point's radii."""
    text = f"{name}: mean {_mean_text(radii)}"
    if radii.num_censored:
        text += f"\n  {radii.num_censored} of {len(radii.radii)} never cross (▲, lower bounds)"
    return text


def _mean_text(radii: BasinRadii) -> str:
    return f"≥ {radii.mean:.4g}" if radii.num_censored else f"{radii.mean:.4g}"


def _draw_space(axes: Axes, space: int, points: dict[str, BasinRadii], level: int) -> None:
    cutoffs = ", ".join(dict.fromkeys(f"{radii.cutoff:.4g}" for radii in points.values()))
    plain = all(np.allclose(radii.lengths, 1) for radii in points.values())
    dress(
        axes,
        title=f"Basin radii in level-{space} space, cutoff {cutoffs} nats",
        x="direction, by ascending radius",
        y="radius (L2)" if plain else "radius (multiples of the filter-normalised direction)",
    )
    if spans_a_decade(np.concatenate([radii.radii for radii in points.values()])):
        use_log_y(axes)
    for suffix, radii in points.items():
        highest = radii.mean == max(other.mean for other in points.values())  # its value stands over its line
        _draw_point(axes, suffix, radii, legend_text(point_name(suffix, level), radii), highest=highest)
    count = max(len(radii.radii) for radii in points.values())
    axes.set_xlim(1 - 0.04 * count, 1.16 * count + 1)  # leaves room for the means' values
    use_integer_x(axes)
    axes.legend(fontsize=SMALL_TEXT_SIZE)


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


def _draw_point(axes: Axes, suffix: str, radii: BasinRadii, label: str, *, highest: bool) -> None:
    look = POINTS[suffix]
    plot_radii(axes, radii, look, label)
    axes.annotate(
        _mean_text(radii),
        xy=(1, radii.mean),
        xycoords=("axes fraction", "data"),
        xytext=(-3, 2 if highest else -2),
        textcoords="offset points",
        ha="right",
        va="bottom" if highest else "top",
        fontsize=SMALL_TEXT_SIZE,
        color=look.colour,
    )
