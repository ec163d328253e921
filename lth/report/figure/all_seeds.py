"""A curve of several seeds: each thin, their mean, and the interval of 95 % that it lies in (Student's t).

Two or three seeds give an interval many times as long as what they span: it is cut where it leaves the curve's
neighbourhood, so that the seeds stay legible; an end that is cut is a caret. Where the axis is logarithmic, the
mean is geometric and the interval is that of the logarithm.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lth.evidence.certainty import estimate_mean
from lth.report.figure.appearance import Appearance
from lth.report.figure.style import head

_ALPHA = 0.025  # at each end of an interval
_REACH = 1.0  # times what all seeds of a curve span: how far beyond them an interval is drawn
_SEED_WIDTH, _SEED_OPACITY = 0.8, 0.55
_FEW = 5  # seeds; of more each is fainter, so that together they are as dark


@dataclass(frozen=True)
class Middle:
    """The mean of several seeds at each point of a curve, and its interval; NaN where there is none."""

    mean: np.ndarray  # (points,)
    low: np.ndarray
    high: np.ndarray


def middle(values: np.ndarray, *, logarithmic: bool = False) -> Middle:
    """Return the mean over seeds at each point, of those that have a value there.

    Args:
        values: (seeds, points), NaN where a seed has none.
        logarithmic: Whether the mean is that of the logarithm; what is not positive counts as having none.
    """
    if logarithmic:
        found = middle(logarithms(values))
        return Middle(np.exp(found.mean), np.exp(found.low), np.exp(found.high))
    estimates = [
        estimate_mean([float(value) for value in column[np.isfinite(column)]], alpha=_ALPHA)
        for column in values.T
    ]
    ends = [(estimate.mean, estimate.low, estimate.high) for estimate in estimates]
    table = np.array([[math.nan if end is None else end for end in row] for row in ends]).reshape(-1, 3)
    return Middle(*table.T)


def logarithms(values: np.ndarray) -> np.ndarray:
    """Return log of what is positive and finite, and NaN elsewhere."""
    positive = np.isfinite(values) & (values > 0)
    found: np.ndarray = np.log(values, where=positive, out=np.full(values.shape, np.nan))
    return found


def as_rows(values: Sequence[Sequence[float | None]]) -> np.ndarray:
    """Return numbers of each seed as (seeds, points), NaN where one does not exist."""
    return np.array(
        [[math.nan if value is None else value for value in row] for row in values], dtype=np.float64
    )


def draw_bars(
    axes: Axes, x: Sequence[float], values: np.ndarray, look: Appearance, label: str, line: str
) -> None:
    """Draw the curve of each seed, and their means as markers with bars.

    Args:
        axes: Where; on a logarithmic axis means are geometric.
        x: Of the points.
        values: (seeds, points), NaN where one does not exist.
        look: Of the means; seeds take its colour.
        label: In the legend.
        line: Style of the line between means; without one the seeds have none either.
    """
    found, low, high = drawn_middle(values, logarithmic=axes.get_yscale() == "log")
    dots: Mapping[str, Any] = {"linestyle": "none", "marker": ".", "markersize": 3}
    style = _seed_style(values) if line and len(x) > 1 else dots
    for row in values:
        axes.plot(x, _finite(row), color=look.colour, label="_seed", **style)
    axes.errorbar(
        x,
        found.mean,
        yerr=(found.mean - low, high - found.mean),
        color=look.colour,
        marker=look.marker,
        markersize=5 * look.scale,
        linewidth=1.4,
        elinewidth=1.0,
        linestyle=line,
        label=label,
    )
    for ends, whole, caret in ((low, found.low, 7), (high, found.high, 6)):  # tips on the cut
        cut = np.isfinite(ends) & (ends != whole)
        axes.plot(
            np.asarray(x)[cut],
            ends[cut],
            color=look.colour,
            marker=caret,
            markersize=4,
            linestyle="none",
            label="_cut",
        )


def draw_band(
    axes: Axes,
    x: Sequence[float] | np.ndarray,
    values: np.ndarray,
    look: Appearance,
    label: str,
    *,
    size: float = 0,
) -> None:
    """Draw the curve of each seed, their mean as a line, and its interval as a band.

    Args:
        axes: Where; on a logarithmic axis means are geometric.
        x: Of the points.
        values: (seeds, points), NaN where one does not exist.
        look: Of the mean; seeds take its colour.
        label: In the legend.
        size: Of markers on the mean.
    """
    found, low, high = drawn_middle(values, logarithmic=axes.get_yscale() == "log")
    for row in values:
        axes.plot(x, _finite(row), color=look.colour, label="_seed", **_seed_style(values))
    axes.fill_between(x, low, high, color=look.colour, alpha=0.15, linewidth=0, label="_interval")
    marker = look.marker if size else ""
    axes.plot(x, found.mean, color=look.colour, marker=marker, markersize=size, linewidth=1.4, label=label)


def explain_seeds(figure: Figure, seeds: Sequence[object]) -> None:
    """Say in a figure's title what is drawn of several seeds; nothing of one."""
    scales = {scale for axes in figure.axes for scale in (axes.get_xscale(), axes.get_yscale())}
    if said := said_of_seeds(seeds, logarithmic="log" in scales):
        head(figure, "\n".join(filter(None, (figure.get_suptitle(), said))))


def said_of_seeds(seeds: Sequence[object], *, logarithmic: bool = False) -> str:
    """Return what is drawn of several seeds, on axes of which some are logarithmic; nothing of one."""
    if len(seeds) == 1:
        return ""
    mean = "mean (geometric on logarithmic axes)" if logarithmic else "mean"
    return f"{len(seeds)} seeds: each thin, their {mean}, and its t interval of 95 % (cut where it runs off)"


def _seed_style(seeds: Sequence[object] | np.ndarray) -> Mapping[str, Any]:
    return {"linewidth": _SEED_WIDTH, "alpha": _SEED_OPACITY * min(1.0, math.sqrt(_FEW / len(seeds)))}


def drawn_middle(values: np.ndarray, *, logarithmic: bool) -> tuple[Middle, np.ndarray, np.ndarray]:
    """Return means with their intervals as `middle` does, and the ends of those as far as they are drawn."""
    found = middle(values, logarithmic=logarithmic)
    scaled = logarithms(values) if logarithmic else _finite(values)
    known = scaled[np.isfinite(scaled)]
    if len(known) == 0:
        return found, found.low, found.high
    reach = _REACH * float(np.ptp(known))
    bounds = known.min() - reach, known.max() + reach
    least, most = np.exp(bounds) if logarithmic else bounds
    return found, np.maximum(found.low, least), np.minimum(found.high, most)


def _finite(values: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(values), values, np.nan)
