"""Basin radii of two points side by side, direction by direction, and their means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import get_args

import numpy as np
from matplotlib.figure import Figure

from lth.evidence.evidence import Evidence
from lth.evidence.table import Cell, Table, mean_and_deviation, rounded, yes_no
from lth.measure.radius import BasinRadii
from lth.plan.place import Point
from lth.report.exhibit.comparison import Comparison, Pair, looks
from lth.report.exhibit.exhibit import Template
from lth.report.exhibit.wording import Compared, compare, sentence
from lth.report.figure.all_seeds import draw_band, explain_seeds
from lth.report.figure.appearance import Appearance
from lth.report.figure.panels import legend_above, panel_grid
from lth.report.figure.radius import plot_radii
from lth.report.figure.style import spans_a_decade, use_integer_x, use_log_y
from lth.setting.setting import DirectionNorm
from lth.setting.terms import terms

UNITS = {"plain": "radius (L2)", "filter": "radius (× direction)"}
DIRECTIONS = {"plain": "plain", "filter": "filter-normalised"}


def direction_norms(evidence: Evidence) -> tuple[DirectionNorm, ...]:
    """Return the kinds of direction, the one that the study draws first."""
    headline = evidence.setting.analysis.direction_norm
    return (headline, *[norm for norm in get_args(DirectionNorm) if norm != headline])


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
    """Return mean radii with their standard errors over the directions, and how many radii are lower bounds."""
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
                    flatter.standard_error,
                    sharper.standard_error,
                    flatter.num_censored,
                    sharper.num_censored,
                )
            )
    points = comparison.flatter, comparison.sharper
    quantities = ("mean radius", "standard error", "radii that are lower bounds")
    columns = [f"{quantity} at {point}" for quantity in quantities for point in points]
    return Table(("L", "directions", terms().loss_axis("cutoff"), *columns), tuple(rows))


def radii_numbers(comparison: Comparison, evidence: Evidence) -> Table:
    """Return every radius in both kinds of direction, a row each."""
    rows: list[tuple[Cell, ...]] = []
    for norm in direction_norms(evidence):
        for pair in comparison.pairs(evidence):
            for point in _order(pair):
                radii = evidence.radii_at(pair.level, point, norm)
                shared = (radii.cutoff, radii.loss, radii.mean, radii.standard_error)
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
    return Table((*headings, "cutoff", "loss", "mean_radius", "mean_radius_standard_error"), tuple(rows))


def draw_radii(comparison: Comparison, evidences: Sequence[Evidence]) -> Figure:
    """Draw the radii of each point, a panel a pair."""
    return draw_panels(evidences, [(pair.level, looks(pair)) for pair in comparison.pairs(evidences[0])])


def draw_panels(
    evidences: Sequence[Evidence], panels: Sequence[tuple[int, Mapping[Point, Appearance]]]
) -> Figure:
    """Draw the radii of each point in ascending order with their mean, a panel for each level and its points.

    A censored direction is an upward triangle at its lower bound, and its mean is marked as a bound too. Of
    several seeds the means are told with their standard deviation.
    """
    norm, *_ = direction_norms(evidences[0])
    several = len(evidences) > 1
    title = f"Basin radii in {DIRECTIONS[norm]} directions, up to the loss in each title"
    figure, cells = panel_grid(
        len(panels),
        title=title if several else f"{title} (dashed: mean, ± its standard error)",
        x="direction, by ascending radius",
        y=UNITS[norm],
    )
    drawn = [
        {point: [evidence.radii_at(level, point, norm) for evidence in evidences] for point in points}
        for level, points in panels
    ]
    everything = [radii.radii for found in drawn for of_seeds in found.values() for radii in of_seeds]
    wide = spans_a_decade(np.concatenate(everything))
    for axes, (level, points), found in zip(cells, panels, drawn, strict=True):
        if wide:
            use_log_y(axes)
        use_integer_x(axes)
        for point, of_seeds in found.items():
            if several:
                ascending = np.sort([radii.radii for radii in of_seeds], axis=1)
                rank = np.arange(1, ascending.shape[1] + 1)
                draw_band(axes, rank, ascending, points[point], _label_of_seeds(of_seeds, point), size=3.2)
            else:
                plot_radii(axes, of_seeds[0], points[point], _label(of_seeds[0], point), size=3.2)
        cutoffs = [radii.cutoff for radii in next(iter(found.values()))]  # which all points of a panel share
        upto = " to ".join(dict.fromkeys(f"{cutoff:.3g}" for cutoff in (min(cutoffs), max(cutoffs))))
        legend_above(axes, f"level {level}, loss up to {terms().of_loss(upto)};\n{UNITS[norm]}")
    explain_seeds(figure, evidences)
    return figure


def _order(pair: Pair) -> Sequence[Point]:
    return pair.flatter, pair.sharper


def _label(radii: BasinRadii, point: Point) -> str:
    bound = "≥ " if radii.num_censored else ""
    error = "" if radii.standard_error is None else f" ± {radii.standard_error:.1g}"
    label = f"{point.symbol}: mean {bound}{rounded(radii.mean)}{error}"
    if radii.num_censored:
        label += f"\n{radii.num_censored} of {len(radii.radii)} never cross (▲)"
    return label


def _label_of_seeds(of_seeds: Sequence[BasinRadii], point: Point) -> str:
    censored, total = sum(radii.num_censored for radii in of_seeds), sum(len(radii.radii) for radii in of_seeds)
    means = mean_and_deviation([radii.mean for radii in of_seeds])
    label = f"{point.symbol}: mean {'≥ ' if censored else ''}{means}"
    return f"{label}\n{censored} of {total} never cross" if censored else label


def _draw_one(comparison: Comparison, evidence: Evidence) -> Figure:
    return draw_radii(comparison, [evidence])


RADII = Template(say_radii, radii_numbers, _draw_one, draw_radii)  # a panel a pair
MEAN_RADII = Template(say_radii, mean_radii_rows, None)  # a row a pair and kind of direction
