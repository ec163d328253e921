"""The training loss on the plane through three solutions, with every solution over it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import FixedLocator, NullLocator, StrMethodFormatter

from lth.measure.surface import Surface
from lth.plan.place import Place
from lth.report.figure.loss_shades import Shades, boundary, round_losses, shades_of
from lth.report.figure.numbered import ROW_POINTS, draw_numbered, write_table
from lth.report.figure.style import (
    NEUTRAL_COLOUR,
    SMALL_TEXT_SIZE,
    TEXT_SIZE,
    TWO_COLUMNS,
    head,
    new_figure,
    wrapped,
)
from lth.setting.terms import terms

_COLOURS = "Blues"  # low losses light, so that the markers, which lie low, stand out
_NUM_SHADES = 24
_MAP_INCHES = 2.9  # of its longer side, at the most
_BESIDE_INCHES = 0.95  # what names the axes and the colours
_BESIDE_GRID = 0.05  # of its width, around a solution that lies beyond it
_NOT_FINITE: dict[str, Any] = {"facecolor": "#D0D0D0", "edgecolor": "#888888", "hatch": "///", "linewidth": 0}


def draw_surface(
    surface: Surface, corners: tuple[Place, Place, Place], *, cutoff: float | None = None
) -> Figure:
    """Draw the loss as logarithmic shades over the plane, in true L2 units and equal aspect.

    Solutions are numbered where they lie over the plane; a table beside it names them with their own loss and
    their distance off the plane. From one grid point to the next it is the logarithm of the loss that changes
    evenly. Cells whose loss is not finite are left out of the contours and show as hatched grey. Losses over
    `1e5` times the lowest, and losses of zero, take the colour of the scale's end.

    Args:
        surface: Losses on the grid, and the solutions.
        corners: The three solutions that span the plane.
        cutoff: Loss; the boundary of {w : Loss(w) ≤ cutoff} is drawn thick, and the table says which
            solutions lie in that set, by their own loss.

    Source: arXiv 2403.15022, Fig. 13 to 20; their projection follows Li et al. (arXiv 1712.09913).
    """
    extents = (
        _extent(surface.x, [one.x for one in surface.markers]),
        _extent(surface.y, [one.y for one in surface.markers]),
    )
    width, height = (float(high - low) for low, high in extents)
    scale = _MAP_INCHES / max(width, height / 1.2)
    map_width, map_height = max(width * scale, 1.6), max(height * scale, 1.6)
    table_height = (ROW_POINTS * (len(surface.markers) + 3) + 60) / 72
    figure = new_figure(TWO_COLUMNS, max(map_height + 0.9, table_height))
    beside = map_width + _BESIDE_INCHES
    axes, side = figure.subplots(1, 2, width_ratios=(beside, TWO_COLUMNS - beside))
    first, second, third = (place.name for place in corners)
    head(figure, f"Training loss on the plane through {first}, {second} and {third}")
    axes.set_xlabel(wrapped(f"L2 distance along {first} → {second}", map_width), fontsize=TEXT_SIZE)
    axes.set_ylabel(wrapped(f"L2 distance orthogonal, toward {third}", map_height), fontsize=TEXT_SIZE)
    axes.tick_params(labelsize=SMALL_TEXT_SIZE)
    axes.set(aspect="equal", xlim=extents[0], ylim=extents[1])

    legend = draw_losses(axes, surface)
    if cutoff is not None:
        legend.append(_draw_sublevel_set(axes, surface, cutoff))
    side.set_axis_off()
    write_table(side, surface.markers, cutoff)
    if legend:
        side.legend(handles=legend, loc="lower left", fontsize=SMALL_TEXT_SIZE, frameon=False, borderaxespad=0)
    figure.draw_without_rendering()  # settles the layout, which the distances between labels depend on
    draw_numbered(axes, surface.markers, corners)
    return figure


def _extent(lines: np.ndarray, feet: Sequence[float]) -> tuple[float, float]:
    """Return where an axis begins and ends: with the grid, or with a margin beyond feet that lie outside it."""
    low, high = float(lines[0]), float(lines[-1])
    margin = _BESIDE_GRID * (high - low)
    outside = [foot for foot in feet if not low <= foot <= high]
    return min([low, *(foot - margin for foot in outside)]), max([high, *(foot + margin for foot in outside)])


def draw_losses(axes: Axes, surface: Surface) -> list[Line2D | Patch]:
    """Draw shades, contour lines and colourbar, and return what the legend must explain."""
    finite = np.isfinite(surface.loss)
    shades = shades_of(surface.loss[finite])
    legend: list[Line2D | Patch] = []
    if not finite.all():
        patch = Rectangle(
            (surface.x[0], surface.y[0]),
            float(np.ptp(surface.x)),
            float(np.ptp(surface.y)),
            **_NOT_FINITE,
            zorder=0,
            label=f"not finite ({int((~finite).sum())} of {finite.size} grid points)",
        )
        axes.add_patch(patch)
        legend.append(Patch(**_NOT_FINITE, label=patch.get_label()))
    if shades is None:
        return legend
    clipped = np.clip(surface.loss, shades.lowest, shades.highest)
    drawn = np.ma.masked_array(np.log10(clipped), mask=~finite)  # which is even between grid points, too
    bounds = np.linspace(np.log10(shades.lowest), np.log10(shades.highest), _NUM_SHADES + 1)
    axes.contourf(surface.x, surface.y, drawn, levels=bounds, cmap=_COLOURS, zorder=1)
    ticks = round_losses(shades)
    inner = np.log10(ticks)
    inner = inner[(inner > drawn.min()) & (inner < drawn.max())]
    if len(inner):
        axes.contour(
            surface.x,
            surface.y,
            drawn,
            levels=inner,
            colors=NEUTRAL_COLOUR,
            linewidths=0.5,
            linestyles="solid",  # Matplotlib dashes what is negative, as logarithms are
            zorder=2,
        )
    _draw_colourbar(axes, LogNorm(shades.lowest, shades.highest), shades, ticks)
    return legend


def _draw_colourbar(axes: Axes, norm: LogNorm, shades: Shades, ticks: np.ndarray) -> None:
    beside = axes.inset_axes((1.03, 0, 0.04, 1))  # as high as the map, whatever its aspect
    bar = axes.figure.colorbar(ScalarMappable(norm, _COLOURS), cax=beside, extend=shades.extend)
    bar.ax.yaxis.set_major_locator(FixedLocator(ticks.tolist()))
    bar.ax.yaxis.set_minor_locator(NullLocator())
    bar.ax.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    bar.ax.tick_params(labelsize=SMALL_TEXT_SIZE)
    bar.set_label(terms().loss_axis(), fontsize=TEXT_SIZE)


def _draw_sublevel_set(axes: Axes, surface: Surface, cutoff: float) -> Line2D:
    """Draw the boundary of {Loss ≤ cutoff} on the plane, and return its entry in the legend."""
    losses = np.ma.masked_invalid(surface.loss)
    text = f"Loss ≤ {terms().of_loss(f'{cutoff:.4g}')}"
    if losses.count() == 0 or losses.min() > cutoff:
        text += " (no grid point)"
    elif losses.max() <= cutoff:
        text += " (every finite grid point)"
    else:
        heights, level = boundary(surface.loss, cutoff)
        axes.contour(
            surface.x,
            surface.y,
            np.ma.masked_invalid(heights),
            levels=[level],
            colors="black",
            linewidths=2.4,
            linestyles="solid",
            zorder=3,
        )
    return Line2D([], [], color="black", linewidth=2.4, label=text)
