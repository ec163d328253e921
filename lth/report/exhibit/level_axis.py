"""Panels whose horizontal axis is the level, labelled with the share of weights that is left."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from lth.evidence.evidence import Evidence
from lth.plan.place import Place
from lth.report.figure.all_seeds import as_rows, draw_bars
from lth.report.figure.appearance import Appearance
from lth.report.figure.style import SMALL_TEXT_SIZE, dress, thinned

_MOST_LABELS = 14
_DODGE = 0.07  # levels between the bars of two series


def begin_level_panel(
    axes: Axes, evidence: Evidence, levels: Sequence[int], *, title: str, quantity: str
) -> None:
    """Dress a panel and label its levels with their densities, thinned out where there are many."""
    dress(axes, title=title, x="level; weights kept (%)", y=quantity)
    axes.set_xticks(levels, minor=True)
    labelled = thinned(levels, _MOST_LABELS)
    densities = [100 * evidence.attained[Place.imp(level)].density for level in labelled]
    names = [f"{level}\n{density:.3g}" for level, density in zip(labelled, densities, strict=True)]
    axes.set_xticks(labelled, names, fontsize=SMALL_TEXT_SIZE)
    axes.set_xlim(levels[0] - 0.5, levels[-1] + 0.5)


def plot_over_levels(
    axes: Axes,
    levels: Sequence[float],
    values: Sequence[Sequence[float | None]],
    look: Appearance,
    label: str,
    *,
    errors: Sequence[float | None] | np.ndarray | None = None,
    line: str = "-",
) -> None:
    """Draw a series over the levels; what does not exist leaves a gap, which the label counts.

    Args:
        axes: Where.
        levels: Of the values.
        values: Those of each seed; several are drawn with their mean and its interval.
        look: Of the series.
        label: In the legend.
        errors: Of one seed, for its bars; those of several are of the mean over them.
        line: Style of the line.
    """
    drawn = as_rows(values)
    if missing := int((~np.isfinite(drawn)).sum()):
        label += f" ({missing} of {drawn.size} do not exist)"
    if len(drawn) > 1:
        dodge = _DODGE * ((len(axes.containers) + 1) // 2) * (-1) ** len(axes.containers)
        draw_bars(axes, [level + dodge for level in levels], drawn, look, label, line)
        return
    axes.errorbar(
        list(levels),
        np.where(np.isfinite(drawn[0]), drawn[0], np.nan),
        yerr=None if errors is None else np.array(errors, dtype=np.float64),
        color=look.colour,
        marker=look.marker,
        markersize=5 * look.scale,
        linewidth=1.2,
        linestyle=line,
        capsize=2,
        label=label,
    )
