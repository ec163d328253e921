"""Measures of a basin that a rescaling of the weights leaves as they are, beside the paper's that it changes.

BatchNorm makes the loss blind to the norm of the weights before it, so eigenvalues scale with 1/‖w‖² and plain
radii with ‖w‖: a solution that is merely shorter looks sharper.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from matplotlib.figure import Figure

from lth.evidence.evidence import Evidence
from lth.evidence.table import Cell, Table, yes_no
from lth.plan.place import Point
from lth.report.exhibit.comparison import PROJECTION, REVERSE, Comparison
from lth.report.exhibit.exhibit import Exhibit, of_one
from lth.report.exhibit.level_axis import begin_level_panel, plot_over_levels
from lth.report.exhibit.spectra import ABSENT, known_within, say_not_converged
from lth.report.exhibit.wording import Compared, compare, sentence
from lth.report.figure.all_seeds import explain_seeds
from lth.report.figure.appearance import PREVIOUS_LOOK, PROJECTION_LOOK, REVERSE_LOOK, SOLUTION_LOOK
from lth.report.figure.panels import legend_above
from lth.report.figure.style import TWO_COLUMNS, new_figure

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
    error: Callable[[Evidence, int, Point], float | None] | None = (
        None  # standard error over directions, or within how much it is known
    )


def _plain_radius(evidence: Evidence, level: int, point: Point) -> float:
    return evidence.radii_at(level, point, "plain").mean


def _radius_error(evidence: Evidence, level: int, point: Point) -> float | None:
    return evidence.radii_at(level, point, "plain").standard_error


def _relative_error(evidence: Evidence, level: int, point: Point) -> float | None:
    error = _radius_error(evidence, level, point)
    return None if error is None else error / evidence.curvature[point].size.weight_norm


def _relative_radius(evidence: Evidence, level: int, point: Point) -> float:
    return _plain_radius(evidence, level, point) / evidence.curvature[point].size.weight_norm


_MEASURES = (
    _Measure(
        "log_eig_product (Σ ln λ)",
        "log_eig_product",
        lambda e, _, point: e.log_eig_product(point),
        True,
        lambda e, _, point: known_within(e, point),
    ),
    _Measure(
        "scaled log_eig_product (Σ ln λ‖w‖²)",
        "scaled_log_eig_product",
        lambda e, _, point: e.scaled_log_eig_product(point),
        True,
        lambda e, _, point: known_within(e, point),
    ),
    _Measure("mean plain radius (L2)", "plain_radius_mean", _plain_radius, False, _radius_error),
    _Measure(
        "mean plain radius / ‖w‖", "plain_radius_over_weight_norm", _relative_radius, False, _relative_error
    ),
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


def _draw(evidences: Sequence[Evidence]) -> Figure:
    figure, levels = new_figure(TWO_COLUMNS, 9.0), list(evidences[0].levels)
    cells = figure.subplots(len(_MEASURES), len(_COMPARISONS))
    for row, measure in zip(cells, _MEASURES, strict=True):
        for axes, (space, comparison) in zip(row, _COMPARISONS, strict=True):
            begin_level_panel(axes, evidences[0], levels, title="", quantity=measure.name)
            found = [_series(evidence, measure, comparison) for evidence in evidences]
            errors = _errors(evidences[0], measure, comparison)
            for name in found[0]:
                values = [series[name] for series in found]
                plot_over_levels(axes, levels, values, _LOOKS[name], name, errors=errors[name])
            legend_above(axes, f"{measure.name}, {space} space")
    explain_seeds(figure, evidences)
    return figure


def _errors(
    evidence: Evidence, measure: _Measure, comparison: Comparison
) -> Mapping[str, list[float | None] | None]:
    """Return within how much a measure's numbers at the two points are known; None where that is not known."""
    if measure.error is None:
        return {comparison.sharper: None, comparison.flatter: None}
    return _series(evidence, replace(measure, of=measure.error), comparison)


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
    draw=of_one(_draw),
    draw_seeds=_draw,
)
