"""The trace of the Hessian beside the mean plain radius, which on a quadratic loss it decides.

There the radius along a unit direction u is √(2 (cutoff - loss) / uᵀHu), and uᵀHu is tr(H)/n on average.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from matplotlib.figure import Figure

from lth.evidence.evidence import Evidence
from lth.evidence.table import Cell, Table
from lth.plan.place import Point
from lth.report.exhibit.comparison import PROJECTION
from lth.report.exhibit.exhibit import Exhibit
from lth.report.exhibit.level_axis import begin_level_panel, plot_over_levels
from lth.report.exhibit.panels import legend_above
from lth.report.exhibit.wording import Compared, compare, sentence
from lth.report.figure.appearance import PROJECTION_LOOK, SOLUTION_LOOK, Appearance
from lth.report.figure.style import new_figure


@dataclass(frozen=True)
class _Row:
    """What is known of a point in level-L space, with plain directions."""

    level: int
    point: str
    trace: float
    standard_error: float
    dimension: int
    radius: float
    num_censored: int
    expected_radius: float | None  # of a quadratic loss with this trace
    log_volume: float


def _row(evidence: Evidence, level: int, point: Point) -> _Row:
    found, radii = evidence.curvature[point], evidence.radii_at(level, point, "plain")
    trace, dimension = found.trace.estimate, found.size.dimension
    expected = math.sqrt(2 * (radii.cutoff - radii.loss) * dimension / trace) if trace > 0 else None
    return _Row(
        level=level,
        point=point.symbol,
        trace=trace,
        standard_error=float(found.trace.standard_error),
        dimension=dimension,
        radius=radii.mean,
        num_censored=radii.num_censored,
        expected_radius=expected,
        log_volume=float(radii.log_volume),
    )


def _rows(evidence: Evidence) -> dict[str, list[_Row]]:
    pairs = PROJECTION.pairs(evidence)
    return {
        PROJECTION.flatter: [_row(evidence, pair.level, pair.flatter) for pair in pairs],
        PROJECTION.sharper: [_row(evidence, pair.level, pair.sharper) for pair in pairs],
    }


def _say(evidence: Evidence) -> str:
    flatter, sharper = _rows(evidence).values()
    together = list(zip(flatter, sharper, strict=True))
    traces = [Compared(flat.level, sharp.trace, flat.trace) for flat, sharp in together]
    radii = [Compared(flat.level, flat.radius, sharp.radius) for flat, sharp in together]
    volumes = [Compared(flat.level, flat.log_volume, sharp.log_volume) for flat, sharp in together]
    names = PROJECTION.sharper, PROJECTION.flatter
    clear = sum(
        abs(flat.trace - sharp.trace) > 2 * math.hypot(flat.standard_error, sharp.standard_error)
        for flat, sharp in together
    )
    return sentence(
        [
            compare("The trace", *names, traces, absent=""),
            f"the traces differ by over two standard errors at {clear} of {len(together)}",
            compare("the mean plain radius", *names[::-1], radii, absent=""),
            compare("the log volume", *names[::-1], volumes, absent=""),
        ]
    )


def _numbers(evidence: Evidence) -> Table:
    rows: list[tuple[Cell, ...]] = [
        (
            row.level,
            row.point,
            row.trace,
            row.standard_error,
            row.dimension,
            row.radius,
            row.num_censored,
            row.expected_radius,
            row.log_volume,
        )
        for rows in _rows(evidence).values()
        for row in rows
    ]
    headings = ("level", "point", "trace", "trace_standard_error", "dimension", "plain_radius_mean")
    return Table((*headings, "num_censored", "quadratic_radius", "log_volume"), tuple(rows))


def _draw(evidence: Evidence) -> Figure:
    figure, levels = new_figure(12.0, 4.4), list(evidence.levels)
    trace_axes, radius_axes, volume_axes = figure.subplots(1, 3)
    quantities = ("trace of the Hessian (nats / L2²)", "mean plain radius (L2)", "log volume (ln L2ⁿ)")
    for axes, quantity in zip((trace_axes, radius_axes, volume_axes), quantities, strict=True):
        begin_level_panel(axes, evidence, levels, title="", quantity=quantity)
    for (name, rows), look in zip(_rows(evidence).items(), (SOLUTION_LOOK, PROJECTION_LOOK), strict=True):
        errors = [row.standard_error for row in rows]
        plot_over_levels(trace_axes, levels, [row.trace for row in rows], look, name, errors=errors)
        bounds = sum(row.num_censored > 0 for row in rows)
        text = f"{name} ({bounds} of {len(rows)} are lower bounds)" if bounds else name
        plot_over_levels(radius_axes, levels, [row.radius for row in rows], look, text)
        faint = Appearance(look.colour, "x")
        expected = [row.expected_radius for row in rows]
        plot_over_levels(radius_axes, levels, expected, faint, f"{name}, of a quadratic loss", line="")
        plot_over_levels(volume_axes, levels, [row.log_volume for row in rows], look, name)
    legend_above(trace_axes, "Trace, with its standard error")
    legend_above(radius_axes, "Mean radius in plain directions")
    legend_above(volume_axes, "Log volume of the basin")
    return figure


TRACE = Exhibit(
    file="beyond_trace",
    title="Beyond the paper: the trace of the Hessian, plain radii and log volume at w(L) and at m(L)⊙w(L-1)",
    paper="The paper reads both the leading eigenvalues and the radii as volume; radii along random directions "
    "measure the trace instead.",
    found=_say,
    numbers=_numbers,
    draw=_draw,
)
