"""Whether the training loss has settled, from level to level and within each training."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lth.evidence.evidence import Evidence
from lth.evidence.regime import MARGIN, LevelRegime, State, change_from_previous, late_change, regime
from lth.evidence.table import Cell, Table, rounded
from lth.plan.place import Place
from lth.report.exhibit.exhibit import Exhibit, of_one
from lth.report.exhibit.level_axis import begin_level_panel, plot_over_levels
from lth.report.exhibit.wording import sentence
from lth.report.figure.all_seeds import explain_seeds
from lth.report.figure.appearance import SOLUTION_LOOK
from lth.report.figure.panels import legend_above
from lth.report.figure.style import GRID_COLOUR, NEUTRAL_COLOUR, SMALL_TEXT_SIZE, new_figure

_TICKS = (0.001, 0.01, 0.1, 0.25, 0.5, 1, 2, 4, 10, 100, 1000)
_FINE_TICKS = (0.6, 0.7, 0.8, 0.9, 1, 1.1, 1.25, 1.5, 1.75)  # where those would be too few
_WIDE = 3.0  # largest over smallest factor
_Change = Callable[[Evidence, int], float | None]
_PANELS: tuple[tuple[str, _Change, Callable[[LevelRegime], State]], ...] = (
    ("loss of w(L) over loss of w(L-1)", change_from_previous, lambda found: found.between),
    ("loss after another tenth of training over loss", late_change, lambda found: found.within),
)


def _say(evidence: Evidence) -> str:
    changes = {level: change_from_previous(evidence, level) for level in evidence.levels}
    known = [
        f"{rounded(math.exp(change))} (L = {level})" for level, change in changes.items() if change is not None
    ]
    late = [late_change(evidence, level) for level in range(evidence.last + 1)]
    moved = [math.exp(change) - 1 for change in late if change is not None]
    return sentence(
        [
            f"The training loss of w(L) is that of w(L-1) times {', '.join(known)}" if known else "",
            f"another tenth of its training would change that of a level by {100 * min(moved):+.3g} to "
            f"{100 * max(moved):+.3g} %, as it fell at last"
            if moved
            else "",
        ]
    )


def _numbers(evidence: Evidence) -> Table:
    rows: list[tuple[Cell, ...]] = [
        (
            level,
            float(evidence.attained[Place.imp(level)].train_loss),
            *(_factor(change(evidence, level)) for _, change, _ in _PANELS),
        )
        for level in range(evidence.last + 1)
    ]
    return Table(
        ("level", "train_loss", "over_that_of_level_before", "after_another_tenth_over_it"), tuple(rows)
    )


def _factor(change: float | None) -> float | None:
    return None if change is None else math.exp(change)


def _draw(evidences: Sequence[Evidence]) -> Figure:
    figure, evidence = new_figure(9.6, 4.0), evidences[0]
    found = regime(evidences)
    for axes, (quantity, change, shown) in zip(figure.subplots(1, 2), _PANELS, strict=True):
        levels = [each.level for each in found if change is not change_from_previous or each.level > 0]
        begin_level_panel(axes, evidence, levels, title="", quantity=quantity)
        axes.set_yscale("log")
        axes.axhspan(1 - MARGIN, 1 + MARGIN, color=GRID_COLOUR, zorder=0, label=f"settled: within {MARGIN:.0%}")
        axes.axhline(1, color=NEUTRAL_COLOUR, linewidth=0.9)
        values = [[_factor(change(one, level)) for level in levels] for one in evidences]
        plot_over_levels(axes, levels, values, SOLUTION_LOOK, "training loss")
        _label_factors(axes, values)
        if len(evidences) > 1:
            _label_states(axes, {each.level: shown(each) for each in found if each.level in levels})
        legend_above(axes)
    explain_seeds(figure, evidences)
    return figure


def _label_factors(axes: Axes, values: Sequence[Sequence[float | None]]) -> None:
    """Give the axis ticks that a factor near one is read by, and room for words above the data."""
    known = np.array([value for row in values for value in row if value is not None])
    low, high = axes.get_ylim()
    if len(known):
        low, high = min(low, known.min(), 1 - 2 * MARGIN), max(high, known.max(), 1 + 2 * MARGIN)
    axes.set_ylim(low, high * (high / low) ** 0.18)
    ticks = [tick for tick in (_TICKS if high > _WIDE * low else _FINE_TICKS) if low < tick < high]
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_yticks([], minor=True)


def _label_states(axes: Axes, states: dict[int, State]) -> None:
    for level, shown in states.items():
        axes.text(
            level,
            0.97,
            shown.replace(" ", "\n"),
            ha="center",
            va="top",
            fontsize=SMALL_TEXT_SIZE,
            transform=axes.get_xaxis_transform(),
        )


REGIME = Exhibit(
    file="beyond_regime",
    title="Beyond the paper: has the training loss settled, from level to level and within each training?",
    paper="The paper compares curvature and radii of solutions without asking how far each is fitted.",
    found=_say,
    numbers=_numbers,
    draw=of_one(_draw),
    draw_seeds=_draw,
)
