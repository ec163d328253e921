"""How the measures of IMP's solutions run over the levels, and where the baselines stand."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lth.errors import InputError
from lth.evidence.binomial import interval_if_any, num_examples
from lth.evidence.summary import LevelRow
from lth.report.figure.appearance import (
    BASELINES,
    METHODS,
    PROJECTION_LOOK,
    REVERSE_LOOK,
    SOLUTION_LOOK,
    Appearance,
    appearance,
    level_colour,
)
from lth.report.figure.style import (
    NEUTRAL_COLOUR,
    SMALL_TEXT_SIZE,
    TWO_COLUMNS,
    dress,
    new_figure,
    thinned,
    use_log_y,
)
from lth.setting.terms import terms

_MOST_LABELS = 16  # of levels under a panel
_DODGE = 0.11  # levels between the markers of two kinds of baseline
_MOST_DODGE = 0.9  # levels that all kinds take together, so that each stays at its level

_NAMES = {SOLUTION_LOOK: "w(L)", PROJECTION_LOOK: "m(L) ⊙ w(L-1)", REVERSE_LOOK: "w(L) in level-(L-1) space"}

Measure = Callable[[LevelRow], float | None]


def draw_trend(rows: Sequence[LevelRow]) -> Figure:
    """Draw loss, accuracy, log_eig_product, mean radius and barriers over the levels.

    Rows of kind `imp` are lines; baselines are markers in the panels of loss and accuracy, the kinds side by
    side so that none hides another. What was not measured at a level leaves a gap, and a panel without any
    value says so.

    Args:
        rows: One a solution, in any order.

    Raises:
        ValueError: If there is no row, or a kind is unknown.

    Source: arXiv 2403.15022, Fig. 1, 5 to 8, 12, 23 and 24.
    """
    if not rows:
        raise InputError("there is no row to draw; finish at least one level")
    levels = sorted((row for row in rows if row.kind == "imp"), key=lambda row: row.level)
    baselines = [row for row in rows if row.kind != "imp"]
    figure = new_figure(TWO_COLUMNS, 8.4)
    loss, accuracy, curvature, radius, barrier_loss, barrier_error = figure.subplots(3, 2).ravel()

    _begin(loss, rows, "Training loss", terms().loss_axis())
    use_log_y(loss)
    _draw_solutions(loss, levels, baselines, lambda row: row.train_loss)
    of_metric = f"Test {terms().metric_name}{' (bars: binomial, 95 %)' if terms().is_counted else ''}"
    _begin(accuracy, rows, of_metric, terms().metric_axis)
    _draw_solutions(accuracy, levels, baselines, lambda row: terms().scale * row.test_accuracy)
    _draw_accuracy_intervals(accuracy, levels)

    _begin(curvature, rows, "Inverse basin volume", "log_eig_product (Σ ln λ)")
    _draw_point(
        curvature, levels, SOLUTION_LOOK, lambda row: row.log_eig_product, lambda row: row.log_eig_width
    )
    _draw_point(curvature, levels, PROJECTION_LOOK, lambda row: row.log_eig_product_projected)
    _draw_point(curvature, levels, REVERSE_LOOK, lambda row: row.log_eig_product_reverse)
    _begin(radius, rows, "Mean basin radius, level-L space; cutoff set per level", "mean radius (× direction)")
    _draw_point(
        radius, levels, SOLUTION_LOOK, lambda row: row.radius_mean, lambda row: row.radius_standard_error
    )
    _draw_point(radius, levels, PROJECTION_LOOK, lambda row: row.radius_mean_projected)

    _begin(barrier_loss, rows, "Barrier from level L-1 to level L, training loss", terms().loss_axis("barrier"))
    _draw_line(barrier_loss, levels, lambda row: row.barrier_loss)
    in_error = f"Barrier from level L-1 to level L, {terms().error_name}"
    _begin(barrier_error, rows, in_error, f"barrier ({terms().error_unit})")
    _draw_line(barrier_error, levels, lambda row: _told(row.barrier_error))
    for axes in (curvature, radius, barrier_loss, barrier_error):
        _finish(axes)
    if baselines:
        figure.legend(
            *accuracy.get_legend_handles_labels(),
            loc="outside upper center",
            ncols=4,
            fontsize=SMALL_TEXT_SIZE,
            title="Solutions; baselines of one level stand side by side",
            title_fontsize=SMALL_TEXT_SIZE,
        )
    return figure


def _begin(axes: Axes, rows: Sequence[LevelRow], title: str, quantity: str) -> None:
    """Dress a panel and label its levels with their densities, thinned out where there are many."""
    dress(axes, title=title, x="level; weights kept (%)", y=quantity)
    # A baseline's density can differ from its level's by a weight; IMP's is the one that names the level.
    densities = {row.level: row.density for row in sorted(rows, key=lambda row: row.kind == "imp")}
    levels = sorted(densities)
    axes.set_xticks(levels, minor=True)
    labelled = thinned(levels, _MOST_LABELS)
    axes.set_xticks(
        labelled, [f"{level}\n{100 * densities[level]:.3g}" for level in labelled], fontsize=SMALL_TEXT_SIZE
    )
    axes.margins(y=0.12)
    axes.set_xlim(levels[0] - 0.6, levels[-1] + 0.6)


def _draw_solutions(
    axes: Axes, levels: Sequence[LevelRow], baselines: Sequence[LevelRow], measure: Measure
) -> None:
    positions = [row.level for row in levels]
    values = _values(levels, measure)
    axes.plot(positions, values, color=NEUTRAL_COLOUR, linewidth=1, zorder=1, label="_line")
    axes.scatter(positions, values, c=[level_colour(level) for level in positions], s=34, zorder=2, label="imp")
    for row in baselines:
        appearance(row.place)  # an unknown kind raises
    looks = {**BASELINES, **METHODS}
    kinds = [kind for kind in looks if any(row.kind == kind for row in baselines)]
    step = min(_DODGE, _MOST_DODGE / max(len(kinds), 1))
    for place, kind in enumerate(kinds):
        own, look = [row for row in baselines if row.kind == kind], looks[kind]
        dodge = step * (place - (len(kinds) - 1) / 2)
        axes.scatter(
            [row.level + dodge for row in own],
            _values(own, measure),
            color=look.colour,
            marker=look.marker,
            s=38 * look.scale**2,
            linewidths=0,
            zorder=3,
            label=kind,
        )


def _draw_accuracy_intervals(axes: Axes, levels: Sequence[LevelRow]) -> None:
    """Draw Wilson's interval of each level's accuracy, where it was counted."""
    examples = num_examples(row.test_accuracy for row in levels) if terms().is_counted else None
    for row in levels:
        if (interval := interval_if_any(row.test_accuracy, examples)) is not None:
            ends = [100 * end for end in interval]
            axes.plot([row.level] * 2, ends, color=NEUTRAL_COLOUR, linewidth=1, zorder=1, label="_interval")


def _draw_point(
    axes: Axes,
    levels: Sequence[LevelRow],
    look: Appearance,
    measure: Measure,
    error: Measure | None = None,
) -> None:
    values = _values(levels, measure)
    if np.isnan(values).all():
        return
    if error is not None:
        bars = np.nan_to_num(_values(levels, error))
        axes.vlines([row.level for row in levels], values - bars, values + bars, color=look.colour, linewidth=1)
    axes.plot(
        [row.level for row in levels],
        values,
        color=look.colour,
        marker=look.marker,
        markersize=5,
        linewidth=1.2,
        label=_NAMES[look],
    )


def _draw_line(axes: Axes, levels: Sequence[LevelRow], measure: Measure) -> None:
    values = _values(levels, measure)
    if np.isnan(values).all():
        return
    axes.plot(
        [row.level for row in levels], values, color=NEUTRAL_COLOUR, marker="o", markersize=5, linewidth=1.2
    )
    axes.set_ylim(bottom=0)


def _finish(axes: Axes) -> None:
    if not axes.lines:
        axes.text(0.5, 0.5, "not measured", ha="center", transform=axes.transAxes, color=NEUTRAL_COLOUR)
        axes.set_yticks([])
    elif len(axes.lines) > 1:
        bottom, top = axes.get_ylim()
        rows = math.ceil(len(axes.lines) / 2)
        axes.set_ylim(bottom, top + 0.13 * rows * (top - bottom))  # leaves a band to the legend
        axes.legend(fontsize=SMALL_TEXT_SIZE, loc="upper center", ncols=2)


def _values(rows: Sequence[LevelRow], measure: Measure) -> np.ndarray:
    measured = [measure(row) for row in rows]
    return np.array([math.nan if value is None else value for value in measured], dtype=np.float64)


def _told(difference: float | None) -> float | None:
    return None if difference is None else terms().scale * difference
