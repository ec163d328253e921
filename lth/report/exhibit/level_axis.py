"""Panels whose horizontal axis is the level, labelled with the share of weights that is left."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from lth.evidence.evidence import Evidence
from lth.plan.place import Place
from lth.report.figure.appearance import Appearance
from lth.report.figure.style import dress, thinned

_MOST_LABELS = 14


def begin_level_panel(
    axes: Axes, evidence: Evidence, levels: Sequence[int], *, title: str, quantity: str
) -> None:
    """Dress a panel and label its levels with their densities, thinned out where there are many."""
    dress(axes, title=title, x="level; weights kept (%)", y=quantity)
    axes.set_xticks(levels, minor=True)
    labelled = thinned(levels, _MOST_LABELS)
    densities = [100 * evidence.attained[Place.imp(level)].density for level in labelled]
    names = [f"{level}\n{density:.3g}" for level, density in zip(labelled, densities, strict=True)]
    axes.set_xticks(labelled, names, fontsize=7)
    axes.set_xlim(levels[0] - 0.5, levels[-1] + 0.5)


def plot_over_levels(
    axes: Axes,
    levels: Sequence[float],
    values: Sequence[float | None],
    look: Appearance,
    label: str,
    *,
    errors: Sequence[float] | None = None,
    line: str = "-",
) -> None:
    """Draw a series over the levels; what does not exist leaves a gap, which the label counts."""
    drawn = np.array([math.nan if value is None else value for value in values], dtype=np.float64)
    if missing := int((~np.isfinite(drawn)).sum()):
        label += f" ({missing} of {len(drawn)} do not exist)"
    axes.errorbar(
        list(levels),
        np.where(np.isfinite(drawn), drawn, np.nan),
        yerr=errors,
        color=look.colour,
        marker=look.marker,
        markersize=5 * look.scale,
        linewidth=1.2,
        linestyle=line,
        capsize=2,
        label=label,
    )
