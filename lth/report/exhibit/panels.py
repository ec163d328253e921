"""Grids of small panels, each with its title and legend above it, where they can't cover data."""

from __future__ import annotations

import math

from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from lth.report.figure.style import GRID_COLOUR, SMALL_TEXT_SIZE, TEXT_SIZE, new_figure

_MOST_COLUMNS = 5
PANEL_INCHES = (2.75, 2.75)
_FEW_PANELS_INCHES = {1: (6.4, 4.6), 2: (4.8, 4.2), 3: (3.6, 3.4)}
_LEGEND_TEXT_SIZE = 7.0


def panel_inches(count: int) -> tuple[float, float]:
    """Return width and height of each of so many panels; few are larger."""
    return _FEW_PANELS_INCHES.get(count, PANEL_INCHES)


def grid_shape(count: int) -> tuple[int, int]:
    """Return rows and columns for so many panels, as even as five columns allow."""
    rows = math.ceil(count / _MOST_COLUMNS)
    return rows, math.ceil(count / rows)


def panel_grid(count: int, *, title: str, x: str, y: str, share_y: bool = True) -> tuple[Figure, list[Axes]]:
    """Return a figure with so many panels under one title, and one name for each of the axes."""
    rows, columns = grid_shape(count)
    width, height = panel_inches(count)
    figure = new_figure(columns * width, rows * height + 0.3)
    figure.suptitle(title, fontsize=TEXT_SIZE + 1)
    return figure, fill_grid(figure, count, x=x, y=y, share_y=share_y)


def fill_grid(page: Figure | SubFigure, count: int, *, x: str, y: str, share_y: bool) -> list[Axes]:
    """Fill a page with so many panels, and name its axes once."""
    page.supxlabel(x, fontsize=TEXT_SIZE)
    page.supylabel(y, fontsize=TEXT_SIZE)
    cells = page.subplots(*grid_shape(count), squeeze=False, sharey=share_y).ravel()
    for spare in cells[count:]:
        spare.remove()
    panels: list[Axes] = list(cells[:count])
    for axes in panels:
        dress_panel(axes)
    return panels


def dress_panel(axes: Axes) -> None:
    """Give a panel small ticks and a faint grid behind the data."""
    axes.tick_params(which="both", labelsize=SMALL_TEXT_SIZE - 0.5)
    axes.grid(True, color=GRID_COLOUR, linewidth=0.6)
    axes.set_axisbelow(True)


def legend_above(axes: Axes, title: str | None = None) -> None:
    """Put the legend of what is drawn above the panel, under its title."""
    axes.legend(
        title=title,
        loc="lower left",
        bbox_to_anchor=(-0.02, 1.0),
        borderaxespad=0.15,
        borderpad=0,
        frameon=False,
        alignment="left",
        handlelength=1.6,
        labelspacing=0.25,
        fontsize=_LEGEND_TEXT_SIZE,
        title_fontsize=TEXT_SIZE,
    )
