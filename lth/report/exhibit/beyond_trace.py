"""The trace of the Hessian beside the mean plain radius, which on a quadratic loss it decides.

There the radius along a unit direction u is √(2 (cutoff - loss) / uᵀHu), and uᵀHu is tr(H)/n on average.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from lth.evidence.evidence import Evidence
from lth.evidence.table import Cell, Table
from lth.plan.place import Point
from lth.report.exhibit.comparison import PROJECTION
from lth.report.exhibit.exhibit import Exhibit, of_one
from lth.report.exhibit.level_axis import begin_level_panel, plot_over_levels
from lth.report.exhibit.wording import Compared, compare, sentence
from lth.report.figure.all_seeds import explain_seeds
from lth.report.figure.appearance import PROJECTION_LOOK, SOLUTION_LOOK, Appearance
from lth.report.figure.panels import legend_above
from lth.report.figure.style import TWO_COLUMNS, new_figure
from lth.setting.terms import terms


@dataclass(frozen=True)
class _Row:
    """What is known of a point in level-L space, with plain directions."""

    level: int
    point: str
    trace: float
    standard_error: float
    dimension: int
    radius: float
    radius_error: float | None  # standard, over the directions
    num_censored: int
    expected_radius: float | None  # of a quadratic loss with this trace


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
        radius_error=radii.standard_error,
        num_censored=radii.num_censored,
        expected_radius=expected,
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
            row.radius_error,
            row.num_censored,
            row.expected_radius,
        )
        for rows in _rows(evidence).values()
        for row in rows
    ]
    headings = ("level", "point", "trace", "trace_standard_error", "dimension", "plain_radius_mean")
    return Table((*headings, "plain_radius_standard_error", "num_censored", "quadratic_radius"), tuple(rows))


def _draw(evidences: Sequence[Evidence]) -> Figure:
    figure, levels = new_figure(TWO_COLUMNS, 3.4), list(evidences[0].levels)
    trace_axes, radius_axes = figure.subplots(1, 2)
    for axes, quantity in (
        (trace_axes, f"trace of the Hessian ({terms().curvature_unit})"),
        (radius_axes, "mean plain radius (L2)"),
    ):
        begin_level_panel(axes, evidences[0], levels, title="", quantity=quantity)
    found = [_rows(evidence) for evidence in evidences]
    for name, look in ((PROJECTION.flatter, SOLUTION_LOOK), (PROJECTION.sharper, PROJECTION_LOOK)):
        seeds = [rows[name] for rows in found]
        traces = [[row.trace for row in rows] for rows in seeds]
        plot_over_levels(
            trace_axes, levels, traces, look, name, errors=[row.standard_error for row in seeds[0]]
        )
        bounds, total = sum(row.num_censored > 0 for rows in seeds for row in rows), len(seeds) * len(levels)
        text = f"{name} ({bounds} of {total} are lower bounds)" if bounds else name
        radii = [[row.radius for row in rows] for rows in seeds]
        plot_over_levels(radius_axes, levels, radii, look, text, errors=[row.radius_error for row in seeds[0]])
        expected = [[row.expected_radius for row in rows] for rows in seeds]
        faint = Appearance(look.colour, "x")
        plot_over_levels(radius_axes, levels, expected, faint, f"{name}, of a quadratic loss", line="")
    known = ", with standard errors" if len(evidences) == 1 else ""
    legend_above(trace_axes, f"Trace{known}")
    legend_above(radius_axes, f"Mean radius in plain directions{known}")
    explain_seeds(figure, evidences)
    return figure


TRACE = Exhibit(
    file="beyond_trace",
    title="Beyond the paper: the trace of the Hessian and plain radii at w(L) and at m(L)⊙w(L-1)",
    paper="The paper reads both the leading eigenvalues and the radii as volume; radii along random directions "
    "measure the trace instead.",
    found=_say,
    numbers=_numbers,
    draw=of_one(_draw),
    draw_seeds=_draw,
)
