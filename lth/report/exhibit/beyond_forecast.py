"""How much of each level can be pruned before its loss leaves the sublevel set, measured and forecast."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lth.evidence.evidence import Evidence
from lth.evidence.table import Cell, Table, rounded
from lth.measure.pruning_forecast import PruningForecast
from lth.plan.place import Place, Point
from lth.report.exhibit.exhibit import Exhibit, of_one
from lth.report.exhibit.level_axis import begin_level_panel, plot_over_levels
from lth.report.exhibit.wording import sentence
from lth.report.figure.all_seeds import draw_band, explain_seeds
from lth.report.figure.appearance import PROJECTION_LOOK, REVERSE_LOOK, SOLUTION_LOOK, Appearance
from lth.report.figure.panels import dress_panel, grid_shape, panel_height
from lth.report.figure.style import (
    NEUTRAL_COLOUR,
    SMALL_TEXT_SIZE,
    TEXT_SIZE,
    TWO_COLUMNS,
    new_figure,
    use_log_y,
)
from lth.setting.terms import terms


@dataclass(frozen=True)
class _Curve:
    """A loss over the share of weights pruned."""

    column: str
    label: str
    look: Appearance
    losses: Callable[[PruningForecast], np.ndarray]


_CURVES = (
    _Curve("loss", "measured", SOLUTION_LOOK, lambda found: found.loss),
    _Curve("quadratic", "forecast, δᵀHδ/2", PROJECTION_LOOK, lambda found: found.forecast(found.quadratic)),
    _Curve("spectral", "forecast, spectrum", REVERSE_LOOK, lambda found: found.forecast(found.spectral)),
)


def _at(evidence: Evidence, level: int) -> PruningForecast:
    return evidence.forecasts[Point.at(Place.imp(level))]


def _largest(evidence: Evidence, level: int, curve: _Curve) -> float:
    """Return the largest share that goes before a curve leaves the sublevel set of the study."""
    found = _at(evidence, level)
    return found.largest(curve.losses(found), evidence.sublevel_cutoff)


def _levels(evidence: Evidence) -> list[int]:
    return list(range(evidence.last + 1))


def _say(evidence: Evidence) -> str:
    cutoff, fraction = evidence.sublevel_cutoff, evidence.setting.pruning.prune_fraction
    parts = []
    for level in _levels(evidence):
        measured, quadratic, spectral = (100 * _largest(evidence, level, curve) for curve in _CURVES)
        parts.append(
            f"w({level}) stays in the sublevel set until {rounded(measured)} % of its weights are pruned, "
            f"against {rounded(quadratic)} % by δᵀHδ and {rounded(spectral)} % by its spectrum"
        )
    ends = [
        f"the set is that of a loss up to {terms().of_loss(rounded(cutoff))}, and a level prunes "
        f"{rounded(100 * fraction)} %",
        _of_slope(evidence),
    ]
    return sentence([*parts, *ends])


def _of_slope(evidence: Evidence) -> str:
    """Return how much the slope would add, which a forecast from a minimum leaves out."""
    most = [np.abs(_at(evidence, level).slope / _at(evidence, level).quadratic) for level in _levels(evidence)]
    known = np.concatenate(most)
    known = known[np.isfinite(known)]
    if not len(known):
        return ""
    return f"the slope, which both leave out, is {rounded(float(np.median(known)))} of δᵀHδ/2 in the median"


def _numbers(evidence: Evidence) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for level in _levels(evidence):
        found = _at(evidence, level)
        curves = [curve.losses(found) for curve in _CURVES]
        largest = [_largest(evidence, level, curve) for curve in _CURVES]
        for index, share in enumerate(found.pruned):
            values = [float(curve[index]) for curve in curves]
            rows.append(
                (level, float(share), *values, float(found.slope[index]), float(found.inside[index]), *largest)
            )
    names = [curve.column for curve in _CURVES]
    headings = (
        "level",
        "pruned",
        *names,
        "slope",
        "inside_eigenvectors",
        *[f"largest_by_{name}" for name in names],
    )
    return Table(headings, tuple(rows))


def _draw(evidences: Sequence[Evidence]) -> Figure:
    levels = _levels(evidences[0])
    rows, columns = grid_shape(len(levels) + 1)
    figure = new_figure(TWO_COLUMNS, rows * panel_height(rows, columns) + 0.6)
    cells = list(figure.subplots(rows, columns, squeeze=False).ravel())
    for spare in cells[len(levels) + 1 :]:
        spare.remove()
    for axes, level in zip(cells, levels, strict=False):
        _draw_level(axes, evidences, level)
    _draw_largest(cells[len(levels)], evidences, levels)
    handles, labels = cells[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=5, fontsize=SMALL_TEXT_SIZE)
    explain_seeds(figure, evidences)
    return figure


def _draw_level(axes: Axes, evidences: Sequence[Evidence], level: int) -> None:
    dress_panel(axes)
    use_log_y(axes)
    found = [_at(evidence, level) for evidence in evidences]
    shares = 100 * found[0].pruned
    for curve in _CURVES:
        values = np.array([curve.losses(each) for each in found])
        draw_band(axes, shares, np.where(values > 0, values, math.nan), curve.look, curve.label)
    cutoffs = [evidence.sublevel_cutoff for evidence in evidences]
    axes.axhline(float(np.mean(cutoffs)), color="black", linewidth=1.0, linestyle=":", label="sublevel set")
    fraction = 100 * evidences[0].setting.pruning.prune_fraction
    axes.axvline(fraction, color=NEUTRAL_COLOUR, linewidth=0.9, linestyle="--", label="prune_fraction")
    axes.set_xlabel("weights pruned (%)", fontsize=TEXT_SIZE)
    axes.set_ylabel(terms().loss_axis(), fontsize=TEXT_SIZE)
    axes.set_title(f"w({level})", fontsize=TEXT_SIZE)


def _draw_largest(axes: Axes, evidences: Sequence[Evidence], levels: list[int]) -> None:
    begin_level_panel(
        axes, evidences[0], levels, title="Until the sublevel set is left", quantity="weights pruned (%)"
    )
    for curve in _CURVES:
        values = [[100 * _largest(evidence, level, curve) for level in levels] for evidence in evidences]
        plot_over_levels(axes, levels, values, curve.look, curve.label)
    fraction = 100 * evidences[0].setting.pruning.prune_fraction
    axes.axhline(fraction, color=NEUTRAL_COLOUR, linewidth=0.9, linestyle="--", label="prune_fraction")


FORECAST = Exhibit(
    file="beyond_forecast",
    title="Beyond the paper: does a spectrum forecast how much can be pruned?",
    paper="The paper prunes a fixed share at each level. That flatness forecasts how much can go is a finding "
    "of arXiv 2210.03044.",
    found=_say,
    numbers=_numbers,
    draw=of_one(_draw),
    draw_seeds=_draw,
)
