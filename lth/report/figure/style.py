"""The page every figure is drawn on, as wide as one or two columns of a journal, and its logarithmic axes.

A figure is drawn at the size it is printed at: its text is `SMALL_TEXT_SIZE` or larger on paper, and a report
shows the same figure larger. Nothing here touches `matplotlib.rcParams` or pyplot: what figures share is passed
to them.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter, LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter

ONE_COLUMN, TWO_COLUMNS = 3.5, 7.2  # inches, as most journals have them (89 and 183 mm)
PAGE_HEIGHT = 9.4  # inches, with room for a caption
TEXT_SIZE = 7.5  # points
SMALL_TEXT_SIZE = 7.0  # the least that journals print
_CHARACTER = 0.54  # mean width, in multiples of the text's size
GRID_COLOUR = "#DDDDDD"
NEUTRAL_COLOUR = "#555555"


def new_figure(width_inches: float, height_inches: float) -> Figure:
    """Return an empty white page that keeps labels, legends and panels apart.

    What is wider than two columns becomes smaller in proportion; its text does not.
    """
    scale = min(1.0, TWO_COLUMNS / width_inches)
    size = (scale * width_inches, scale * height_inches)
    return Figure(figsize=size, dpi=150, facecolor="white", layout="constrained")


def wrapped(text: str, width_inches: float, size: float = TEXT_SIZE) -> str:
    r"""Break text into lines that are about so long, between words.

    Example:
        >>> wrapped("the leading eigenvalues", 1.0)
        'the leading\neigenvalues'
    """
    most = max(8, int(width_inches * 72 / (_CHARACTER * size)))
    lines = [
        textwrap.wrap(line, most, break_long_words=False, break_on_hyphens=False) for line in text.split("\n")
    ]
    return "\n".join("\n".join(line) for line in lines)


def head(figure: Figure, text: str) -> None:
    """Give a figure its title, in lines as long as it is wide."""
    figure.suptitle(wrapped(text, figure.get_figwidth(), TEXT_SIZE + 0.5), fontsize=TEXT_SIZE + 0.5)


def width_of(axes: Axes) -> float:
    """Return the width that a panel has for itself and its labels, inches."""
    grid = axes.get_gridspec()
    page = axes.figure.bbox.width / axes.figure.dpi
    return float(page if grid is None else page / grid.ncols)


def dress(axes: Axes, *, title: str, x: str, y: str) -> None:
    """Give a panel its title, its axes' quantities with units, and a faint grid behind the data."""
    axes.set_title(wrapped(title, 0.86 * width_of(axes)), fontsize=TEXT_SIZE)
    axes.set_xlabel(x, fontsize=TEXT_SIZE)
    axes.set_ylabel(y, fontsize=TEXT_SIZE)
    axes.tick_params(which="both", labelsize=SMALL_TEXT_SIZE)
    axes.grid(True, color=GRID_COLOUR, linewidth=0.6)
    axes.set_axisbelow(True)


def use_log_y(axes: Axes) -> None:
    """Make the vertical axis logarithmic, with labels between the decades where it shows few of those."""
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(_PlainLogFormatter())
    axes.yaxis.set_minor_formatter(_PlainLogFormatter(minor_thresholds=(1.5, 0.6)))


def use_log_x(axes: Axes) -> None:
    """Make the horizontal axis logarithmic, labelled at 1, 2 and 5 of each decade, which stand clear."""
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def use_integer_x(axes: Axes) -> None:
    """Put the horizontal axis' labels on round integers, for what is counted."""
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))


def thinned(positions: Sequence[int], most: int) -> list[int]:
    """Return evenly spaced ones of at most so many positions; the last is always among them."""
    step = math.ceil(len(positions) / most) if positions else 1
    return list(positions)[::-1][::step][::-1]


def spans_a_decade(values: np.ndarray) -> bool:
    """Say whether the finite values are all positive and the largest is over ten times the smallest."""
    finite = values[np.isfinite(values)]
    return bool(len(finite) and finite.min() > 0 and finite.max() > 10 * finite.min())


def value_limits(values: np.ndarray) -> tuple[float, float] | None:
    """Return limits around values that are all one number, which autoscaling would blow rounding up into."""
    finite = values[np.isfinite(values)]
    if len(finite) == 0 or np.ptp(finite) > 1e-9 * np.abs(finite).max():
        return None
    height = max(0.1 * abs(float(finite[0])), 1e-3)
    return float(finite[0]) - height, float(finite[0]) + height


class _PlainLogFormatter(LogFormatter):
    """Labels what `LogFormatter` labels, as 0.02 instead of 2e-02 or a power of ten."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        return f"{x:g}" if super().__call__(x, pos) else ""
