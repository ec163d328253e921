"""Basin radii of two points side by side, direction by direction, and their means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import get_args

import numpy as np
from matplotlib.figure import Figure

from lth.evidence.evidence import Evidence
from lth.evidence.table import Cell, Table, rounded, yes_no
from lth.measure.radius import BasinRadii
from lth.plan.place import Point
from lth.report.exhibit.comparison import Comparison, Pair, looks
from lth.report.exhibit.exhibit import Template
from lth.report.exhibit.panels import legend_above, panel_grid
from lth.report.exhibit.wording import Compared, compare, sentence
from lth.report.figure.appearance import Appearance
from lth.report.figure.radius import plot_radii
from lth.report.figure.style import spans_a_decade, use_integer_x, use_log_y
from lth.setting.setting import DirectionNorm

UNITS = {"plain": "radius (L2)", "filter": "radius (× direction)"}
DIRECTIONS = {"plain": "plain", "filter": "filter-normalised"}


def direction_norms(evidence: Evidence) -> tuple[DirectionNorm, ...]:
    """Return the kinds of direction, the one that the study draws first."""
    headline = evidence.setting.analysis.direction_norm
    return (headline, *[norm for norm in get_args(DirectionNorm) if norm != headline])


def log_volume(norm: DirectionNorm, radii: BasinRadii) -> float | None:
    """Return log V; None where directions are not plain, which it is defined for."""
    return float(radii.log_volume) if norm == "plain" else None


def say_radii(comparison: Comparison, evidence: Evidence) -> str:
    """Say where the mean radius is larger at the flatter point, in both kinds of direction."""
    parts = []
    for norm in direction_norms(evidence):
        found, bounds, total = [], 0, 0
        for pair in comparison.pairs(evidence):
            flatter, sharper = (evidence.radii_at(pair.level, point, norm) for point in _order(pair))
            found.append(Compared(pair.level, flatter.mean, sharper.mean))
            bounds += flatter.num_censored + sharper.num_censored
            total += len(flatter.radii) + len(sharper.radii)
        names = comparison.flatter, comparison.sharper
        if len(found) == 1:
            (pair,) = comparison.pairs(evidence)
            names = pair.flatter.symbol, pair.sharper.symbol
        parts.append(compare(f"the mean radius in {DIRECTIONS[norm]} directions", *names, found, absent=""))
        parts.append(f"{bounds} of these {total} radii are lower bounds" if bounds else "")
    text = sentence(parts)
    return text[:1].upper() + text[1:]


def mean_radii_rows(comparison: Comparison, evidence: Evidence) -> Table:
    """Return mean radii, how many radii are lower bounds, and log-volumes where directions are plain."""
    rows: list[tuple[Cell, ...]] = []
    for norm in direction_norms(evidence):
        for pair in comparison.pairs(evidence):
            flatter, sharper = (evidence.radii_at(pair.level, point, norm) for point in _order(pair))
            rows.append(
                (
                    pair.level,
                    norm,
                    flatter.cutoff,
                    flatter.mean,
                    sharper.mean,
                    flatter.num_censored,
                    sharper.num_censored,
                    log_volume(norm, flatter),
                    log_volume(norm, sharper),
                )
            )
    points = comparison.flatter, comparison.sharper
    quantities = ("mean radius", "radii that are lower bounds", "log volume")
    columns = [f"{quantity} at {point}" for quantity in quantities for point in points]
    return Table(("L", "directions", "cutoff (nats)", *columns), tuple(rows))


def radii_numbers(comparison: Comparison, evidence: Evidence) -> Table:
    """Return every radius in both kinds of direction, a row each."""
    rows: list[tuple[Cell, ...]] = []
    for norm in direction_norms(evidence):
        for pair in comparison.pairs(evidence):
            for point in _order(pair):
                radii = evidence.radii_at(pair.level, point, norm)
                shared = (radii.cutoff, radii.loss, radii.mean, log_volume(norm, radii))
                rows += [
                    (
                        pair.level,
                        norm,
                        point.symbol,
                        direction,
                        float(radii.radii[direction]),
                        float(radii.lengths[direction]),
                        yes_no(radii.censored[direction]),
                        *shared,
                    )
                    for direction in range(len(radii.radii))
                ]
    headings = ("level", "directions", "point", "direction", "radius", "direction_length", "censored")
    return Table((*headings, "cutoff", "loss", "mean_radius", "log_volume"), tuple(rows))


def draw_radii(comparison: Comparison, evidence: Evidence) -> Figure:
    """Draw the radii of each point, a panel a pair."""
    return draw_panels(evidence, [(pair.level, looks(pair)) for pair in comparison.pairs(evidence)])


def draw_panels(evidence: Evidence, panels: Sequence[tuple[int, Mapping[Point, Appearance]]]) -> Figure:
    """Draw the radii of each point in ascending order with their mean, a panel for each level and its points.

    A censored direction is an upward triangle at its lower bound, and its mean is marked as a bound too.
    """
    norm, *_ = direction_norms(evidence)
    figure, cells = panel_grid(
        len(panels),
        title=f"Basin radii in {DIRECTIONS[norm]} directions, up to the loss in each title (dashed: mean)",
        x="direction, by ascending radius",
        y=UNITS[norm],
    )
    drawn = [{point: evidence.radii_at(level, point, norm) for point in points} for level, points in panels]
    wide = spans_a_decade(np.concatenate([radii.radii for found in drawn for radii in found.values()]))
    for axes, (level, points), found in zip(cells, panels, drawn, strict=True):
        if wide:
            use_log_y(axes)
        use_integer_x(axes)
        for point, radii in found.items():
            plot_radii(axes, radii, points[point], _label(radii, point), size=3.2)
        cutoff = next(iter(found.values())).cutoff  # which all points of a panel share
        legend_above(axes, f"level {level}, up to {cutoff:.3g} nats")
    return figure


def _order(pair: Pair) -> Sequence[Point]:
    return pair.flatter, pair.sharper


def _label(radii: BasinRadii, point: Point) -> str:
    bound = "≥ " if radii.num_censored else ""
    label = f"{point.symbol}: mean {bound}{rounded(radii.mean)}"
    if radii.num_censored:
        label += f"\n{radii.num_censored} of {len(radii.radii)} never cross (▲)"
    return label


RADII = Template(say_radii, radii_numbers, draw_radii)  # a panel a pair
MEAN_RADII = Template(say_radii, mean_radii_rows, None)  # a row a pair and kind of direction
