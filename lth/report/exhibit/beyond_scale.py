"""Measures of a basin that a rescaling of the weights leaves as they are, beside the paper's that it changes.

BatchNorm makes the loss blind to the norm of the weights before it, so eigenvalues scale with 1/‖w‖² and plain
radii with ‖w‖: a solution that is merely shorter looks sharper.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from matplotlib.figure import Figure

from lth.evidence.evidence import Evidence
from lth.evidence.table import Cell, Table, yes_no
from lth.plan.place import Point
from lth.report.exhibit.comparison import PROJECTION, REVERSE, Comparison
from lth.report.exhibit.exhibit import Exhibit
from lth.report.exhibit.level_axis import begin_level_panel, plot_over_levels
from lth.report.exhibit.panels import legend_above
from lth.report.exhibit.spectra import ABSENT, say_not_converged
from lth.report.exhibit.wording import Compared, compare, sentence
from lth.report.figure.appearance import PREVIOUS_LOOK, PROJECTION_LOOK, REVERSE_LOOK, SOLUTION_LOOK
from lth.report.figure.style import new_figure

_LOOKS = {
    PROJECTION.sharper: PROJECTION_LOOK,
    PROJECTION.flatter: SOLUTION_LOOK,
    REVERSE.sharper: REVERSE_LOOK,
    REVERSE.flatter: PREVIOUS_LOOK,
}


@dataclass(frozen=True)
class _Measure:
    name: str
    heading: str
    of: Callable[[Evidence, int, Point], float | None]
    larger_is_sharper: bool


def _plain_radius(evidence: Evidence, level: int, point: Point) -> float:
    return evidence.radii_at(level, point, "plain").mean


def _relative_radius(evidence: Evidence, level: int, point: Point) -> float:
    return _plain_radius(evidence, level, point) / evidence.curvature[point].size.weight_norm


_MEASURES = (
    _Measure("log_eig_product (Σ ln λ)", "log_eig_product", lambda e, _, point: e.log_eig_product(point), True),
    _Measure(
        "scaled log_eig_product (Σ ln λ‖w‖²)",
        "scaled_log_eig_product",
        lambda e, _, point: e.scaled_log_eig_product(point),
        True,
    ),
    _Measure("mean plain radius (L2)", "plain_radius_mean", _plain_radius, False),
    _Measure("mean plain radius / ‖w‖", "plain_radius_over_weight_norm", _relative_radius, False),
)
_COMPARISONS = (("level L", PROJECTION), ("level L-1", REVERSE))


def _say(evidence: Evidence) -> str:
    parts = []
    for measure in _MEASURES:
        for _, comparison in _COMPARISONS:
            found = []
            for pair in comparison.pairs(evidence):
                sharper = measure.of(evidence, pair.level, pair.sharper)
                flatter = measure.of(evidence, pair.level, pair.flatter)
                values = (sharper, flatter) if measure.larger_is_sharper else (flatter, sharper)
                found.append(Compared(pair.level, *values))
            names = comparison.sharper, comparison.flatter
            if not measure.larger_is_sharper:
                names = comparison.flatter, comparison.sharper
            parts.append(compare(measure.heading, *names, found, absent=ABSENT))
    compared = [pair for _, comparison in _COMPARISONS for pair in comparison.pairs(evidence)]
    points = [point for pair in compared for point in (pair.sharper, pair.flatter)]
    return sentence([*parts, say_not_converged(evidence, points)])


def _numbers(evidence: Evidence) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for space, comparison in _COMPARISONS:
        for pair in comparison.pairs(evidence):
            for point in (pair.sharper, pair.flatter):
                values = [measure.of(evidence, pair.level, point) for measure in _MEASURES]
                norm = float(evidence.curvature[point].size.weight_norm)
                converged = yes_no(evidence.curvature[point].spectrum.converged)
                rows.append((pair.level, space, point.symbol, norm, converged, *values))
    headings = (
        "level",
        "space",
        "point",
        "weight_norm",
        "converged",
        *[measure.heading for measure in _MEASURES],
    )
    return Table(headings, tuple(rows))


def _draw(evidence: Evidence) -> Figure:
    figure = new_figure(11.0, 11.5)
    cells = figure.subplots(len(_MEASURES), len(_COMPARISONS))
    for row, measure in zip(cells, _MEASURES, strict=True):
        for axes, (space, comparison) in zip(row, _COMPARISONS, strict=True):
            begin_level_panel(axes, evidence, list(evidence.levels), title="", quantity=measure.name)
            for name, values in _series(evidence, measure, comparison).items():
                plot_over_levels(axes, list(evidence.levels), values, _LOOKS[name], name)
            legend_above(axes, f"{measure.name}, {space} space")
    return figure


def _series(evidence: Evidence, measure: _Measure, comparison: Comparison) -> dict[str, list[float | None]]:
    pairs = comparison.pairs(evidence)
    return {
        comparison.sharper: [measure.of(evidence, pair.level, pair.sharper) for pair in pairs],
        comparison.flatter: [measure.of(evidence, pair.level, pair.flatter) for pair in pairs],
    }


SCALE = Exhibit(
    file="beyond_scale",
    title="Beyond the paper: measures less dependent on the scale of the weights, beside the raw ones",
    paper="The paper gives log-products and radii as they are; both depend on the norm of the weights, which "
    "BatchNorm makes arbitrary.",
    found=_say,
    numbers=_numbers,
    draw=_draw,
)
