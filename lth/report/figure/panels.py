"""Grids of small panels, each with its title and legend above it, where they can't cover data."""

from __future__ import annotations

import math

from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from lth.report.figure.style import (
    GRID_COLOUR,
    ONE_COLUMN,
    PAGE_HEIGHT,
    SMALL_TEXT_SIZE,
    TEXT_SIZE,
    TWO_COLUMNS,
    head,
    new_figure,
    width_of,
    wrapped,
)

_MOST_COLUMNS = 3  # so that the legend above a panel has room
_HEIGHTS = {1: 2.8, 2: 2.5}  # of a panel, inches, by the number of columns
_HEIGHT, _LEAST_HEIGHT = 2.1, 1.5
_LABELS_INCHES = 0.55  # of a panel's width, for its vertical axis and the symbols of its legend


def grid_shape(count: int) -> tuple[int, int]:
    """Return rows and columns for so many panels, as even as three columns allow."""
    rows = math.ceil(count / _MOST_COLUMNS)
    return rows, math.ceil(count / rows)


def panel_height(rows: int, columns: int) -> float:
    """Return the height of each of so many rows of panels, inches: all on one page while they stay legible."""
    return max(_LEAST_HEIGHT, min(_HEIGHTS.get(columns, _HEIGHT), PAGE_HEIGHT / rows))


def panel_grid(count: int, *, title: str, x: str, y: str, share_y: bool = True) -> tuple[Figure, list[Axes]]:
    """Return a figure with so many panels under one title, and one name for each of the axes."""
    rows, columns = grid_shape(count)
    width = ONE_COLUMN if count == 1 else TWO_COLUMNS
    figure = new_figure(width, rows * panel_height(rows, columns) + 0.3)
    head(figure, title)
    return figure, fill_grid(figure, (rows, columns), count, x=x, y=y, share_y=share_y)


def fill_grid(
    page: Figure | SubFigure, shape: tuple[int, int], count: int, *, x: str, y: str, share_y: bool
) -> list[Axes]:
    """Fill a page with so many panels in rows and columns, and name its axes once."""
    page.supxlabel(x, fontsize=TEXT_SIZE)
    page.supylabel(y, fontsize=TEXT_SIZE)
    cells = page.subplots(*shape, squeeze=False, sharey=share_y).ravel()
    for spare in cells[count:]:
        spare.remove()
    panels: list[Axes] = list(cells[:count])
    for axes in panels:
        dress_panel(axes)
    return panels


def dress_panel(axes: Axes) -> None:
    """Give a panel small ticks and a faint grid behind the data."""
    axes.tick_params(which="both", labelsize=SMALL_TEXT_SIZE)
    axes.grid(True, color=GRID_COLOUR, linewidth=0.6)
    axes.set_axisbelow(True)


def legend_above(axes: Axes, title: str | None = None) -> None:
    """Put the legend of what is drawn above the panel, under its title, in lines as long as it has room for."""
    handles, labels = axes.get_legend_handles_labels()
    room = width_of(axes) - _LABELS_INCHES
    axes.legend(
        handles,
        [wrapped(label, room, SMALL_TEXT_SIZE) for label in labels],
        title=None if title is None else wrapped(title, room),
        loc="lower left",
        bbox_to_anchor=(-0.02, 1.0),
        borderaxespad=0.15,
        borderpad=0,
        frameon=False,
        alignment="left",
        handlelength=1.6,
        labelspacing=0.25,
        fontsize=SMALL_TEXT_SIZE,
        title_fontsize=TEXT_SIZE,
    )
