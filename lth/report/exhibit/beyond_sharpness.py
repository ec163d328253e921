"""Adaptive sharpness over the levels, and of the solutions at the last one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lth.evidence.evidence import Evidence
from lth.evidence.table import Cell, Table, rounded
from lth.measure.sharpness import Sharpness, mean_and_error
from lth.plan.place import Place, Point
from lth.report.exhibit.comparison import PROJECTION
from lth.report.exhibit.exhibit import Exhibit, of_one
from lth.report.exhibit.level_axis import begin_level_panel, plot_over_levels
from lth.report.exhibit.wording import Compared, compare, sentence
from lth.report.figure.all_seeds import as_rows, draw_bars, explain_seeds
from lth.report.figure.appearance import PROJECTION_LOOK, SOLUTION_LOOK, Appearance, appearance
from lth.report.figure.panels import dress_panel
from lth.report.figure.style import SMALL_TEXT_SIZE, TEXT_SIZE, TWO_COLUMNS, new_figure, use_log_y
from lth.setting.terms import terms

_LINES = ("-", "--", ":", "-.")  # of the sizes of a change, the smallest first


@dataclass(frozen=True)
class _Series:
    name: str
    title: str
    field: str
    over: str  # what there are several of


_EVERY = (
    _Series("average, normal", "Average, δ ~ N(0, ρ² w²)", "gaussian", "draws"),
    _Series("average, uniform", "Average, |δᵢ| ≤ ρ|wᵢ|", "uniform", "draws"),
    _Series("worst case of p = 2", "Worst case, ‖δ/|w|‖₂ ≤ ρ", "worst_2", "batches"),
    _Series("worst case of p = ∞", "Worst case, |δᵢ| ≤ ρ|wᵢ|", "worst_inf", "batches"),
)


def _mean(found: Sharpness, series: _Series, size: int) -> tuple[float, float | None]:
    """Return the mean at one size of the change, and its standard error."""
    return mean_and_error(getattr(found, series.field)[size])


def _say(evidence: Evidence) -> str:
    """Return at how many levels what pruning leaves is sharper than what training makes of it."""
    parts = []
    for series in _EVERY:
        size = len(evidence.setting.analysis.rho) - 1
        found = [
            Compared(
                pair.level,
                _mean(evidence.sharpness[pair.sharper], series, size)[0],
                _mean(evidence.sharpness[pair.flatter], series, size)[0],
            )
            for pair in PROJECTION.pairs(evidence)
        ]
        what = f"adaptive sharpness, {series.name}, at ρ = {evidence.setting.analysis.rho[size]:g}"
        parts.append(compare(what, PROJECTION.sharper, PROJECTION.flatter, found, absent=""))
    text = sentence([*parts, _extremes(evidence)])
    return text[:1].upper() + text[1:]


def _extremes(evidence: Evidence) -> str:
    """Return which solution at the last level is the sharpest at the worst of p = 2, and which the least."""
    size = len(evidence.setting.analysis.rho) - 1
    points = [point for point in _at_last(evidence) if point.form == "solution"]
    values = {point: _mean(evidence.sharpness[point], _EVERY[2], size)[0] for point in points}
    known = {point: value for point, value in values.items() if np.isfinite(value)}
    if len(known) < 2:
        return ""
    (least, low), *_, (most, high) = sorted(known.items(), key=lambda item: item[1])
    return (
        f"of the solutions at level {evidence.last} the worst case of p = 2 is least at {least.symbol} "
        f"({rounded(low)}) and most at {most.symbol} ({rounded(high)})"
    )


def _at_last(evidence: Evidence) -> list[Point]:
    """Return w(N), what pruning left before it, and the other solutions at its level."""
    last = evidence.last
    every = [point for point in evidence.sharpness if point.place.level == last]
    first = [Point.at(Place.imp(last)), Point.projection(last)]
    return [*(point for point in first if point in every), *(point for point in every if point not in first)]


def _numbers(evidence: Evidence) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for point, found in evidence.sharpness.items():
        if point.place.level > evidence.last:
            continue
        for series in _EVERY:
            for size, rho in enumerate(found.rho):
                mean, error = _mean(found, series, size)
                several = len(getattr(found, series.field)[size])
                rows.append((point.place.level, point.symbol, series.name, float(rho), mean, error, several))
    headings = ("level", "point", "sharpness", "rho", "mean", "standard_error", "draws_or_batches")
    return Table(headings, tuple(rows))


def _draw(evidences: Sequence[Evidence]) -> Figure:
    figure = new_figure(TWO_COLUMNS, 9.4)
    cells = figure.subplots(len(_EVERY), 2, sharex="col", sharey="row")
    for row, series in zip(cells, _EVERY, strict=True):
        _draw_levels(row[0], evidences, series)
        _draw_last(row[1], evidences, series)
    for axes in cells[:-1, 0]:
        axes.set_xlabel("")
    handles, labels = cells[0, 0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower center", ncols=2, fontsize=SMALL_TEXT_SIZE, handlelength=4
    )
    explain_seeds(figure, evidences)
    return figure


def _draw_levels(axes: Axes, evidences: Sequence[Evidence], series: _Series) -> None:
    first = evidences[0]
    levels = list(range(first.last + 1))
    begin_level_panel(axes, first, levels, title=series.title, quantity=terms().loss_axis("rise of the loss"))
    use_log_y(axes)
    for size, rho in enumerate(first.setting.analysis.rho):
        for name, look, points in (
            ("w(L)", SOLUTION_LOOK, {level: Point.at(Place.imp(level)) for level in levels}),
            ("m(L)⊙w(L-1)", PROJECTION_LOOK, {level: Point.projection(level) for level in levels[1:]}),
        ):
            found = [
                [_mean(evidence.sharpness[point], series, size) for point in points.values()]
                for evidence in evidences
            ]
            plot_over_levels(
                axes,
                list(points),
                [[mean for mean, _ in row] for row in found],
                look,
                f"{name}, ρ = {rho:g}",
                errors=[error for _, error in found[0]],
                line=_LINES[size % len(_LINES)],
            )


def _draw_last(axes: Axes, evidences: Sequence[Evidence], series: _Series) -> None:
    """Draw the solutions at the last level side by side, at every size of the change."""
    points = _at_last(evidences[0])
    for place, point in enumerate(points):
        is_projection = point.form == "projection"
        look = PROJECTION_LOOK if is_projection else appearance(point.place)
        for size in range(len(evidences[0].setting.analysis.rho)):
            values = as_rows([[_mean(evidence.sharpness[point], series, size)[0]] for evidence in evidences])
            _draw_point(axes, place, values, look, _mean(evidences[0].sharpness[point], series, size)[1])
    dress_panel(axes)
    names = [point.symbol for point in points]
    axes.set_xticks(range(len(points)), names, rotation=60, ha="right", rotation_mode="anchor")
    axes.tick_params(labelsize=SMALL_TEXT_SIZE)
    axes.set_title(f"at level {evidences[0].last}, every ρ", fontsize=TEXT_SIZE)


def _draw_point(axes: Axes, place: int, values: np.ndarray, look: Appearance, error: float | None) -> None:
    if len(values) > 1:
        draw_bars(axes, [place], values, look, "_solution", "")
        return
    axes.errorbar(
        [place],
        values[0],
        yerr=error,
        color=look.colour,
        marker=look.marker,
        markersize=5 * look.scale,
        capsize=2,
    )


SHARPNESS = Exhibit(
    file="beyond_sharpness",
    title="Beyond the paper: adaptive sharpness, on average and at worst",
    paper="The paper measures curvature and radii, both of which depend on the scale of the weights. Adaptive "
    "sharpness (arXiv 2102.11600, 2302.07011) does not.",
    found=_say,
    numbers=_numbers,
    draw=of_one(_draw),
    draw_seeds=_draw,
)
