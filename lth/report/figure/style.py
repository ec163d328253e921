"""The page every figure is drawn on, and its logarithmic axes.

Nothing here touches `matplotlib.rcParams` or pyplot: what figures share is passed to them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter, LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter

TEXT_SIZE = 9.0  # points
SMALL_TEXT_SIZE = 8.0
GRID_COLOUR = "#DDDDDD"
NEUTRAL_COLOUR = "#555555"


def new_figure(width_inches: float, height_inches: float) -> Figure:
    """Return an empty white page that keeps labels, legends and panels apart."""
    return Figure(figsize=(width_inches, height_inches), dpi=150, facecolor="white", layout="constrained")


def dress(axes: Axes, *, title: str, x: str, y: str) -> None:
    """Give a panel its title, its axes' quantities with units, and a faint grid behind the data."""
    axes.set_title(title, fontsize=TEXT_SIZE + 1)
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
