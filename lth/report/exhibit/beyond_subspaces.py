"""What the leading eigenvectors at a level span, beside other spans, masks and the way that training went."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lth.evidence.evidence import Evidence
from lth.evidence.table import Cell, Table, rounded
from lth.measure.kind.subspaces import Compared
from lth.plan.jobs import subspace_jobs
from lth.report.exhibit.exhibit import Exhibit, of_one
from lth.report.exhibit.level_axis import begin_level_panel, plot_over_levels
from lth.report.exhibit.wording import count, sentence
from lth.report.figure.all_seeds import explain_seeds
from lth.report.figure.appearance import (
    PREVIOUS_LOOK,
    PROJECTION_LOOK,
    REVERSE_LOOK,
    SOLUTION_LOOK,
    Appearance,
)
from lth.report.figure.panels import legend_above
from lth.report.figure.style import NEUTRAL_COLOUR, TWO_COLUMNS, new_figure, use_log_y

_CHANCE = Appearance(NEUTRAL_COLOUR, "")


@dataclass(frozen=True)
class _Series:
    """A share of what all k eigenvectors span, and what it would be of a random span."""

    column: str
    label: str
    look: Appearance
    value: Callable[[Compared], float]
    by_chance: Callable[[Compared], float]


def _of_space(found: Compared) -> float:
    return len(found.levels) / found.dimension


def _of_space_before(found: Compared) -> float:
    return len(found.levels) / found.dimension_before


_OVERLAPS = (
    _Series(
        "levels",
        "w(L-1) and w(L), each in its own space",
        PREVIOUS_LOOK,
        lambda found: float(found.levels[-1]),
        _of_space_before,
    ),
    _Series(
        "spaces",
        "w(L) in level-L and in level L-1 space",
        REVERSE_LOOK,
        lambda found: float(found.spaces[-1]),
        _of_space_before,
    ),
    _Series(
        "retrained",
        "w(L-1) and w(L) in level L-1 space",
        SOLUTION_LOOK,
        lambda found: float(found.retrained[-1]),
        _of_space_before,
    ),
    _Series(
        "projected",
        "m(L)⊙w(L-1) and w(L) in level-L space",
        PROJECTION_LOOK,
        lambda found: float(found.projected[-1]),
        _of_space,
    ),
)
_MOVED = (
    _Series(
        "moved_before",
        "w(L) - w(L-1), in those at w(L-1)",
        PREVIOUS_LOOK,
        lambda found: float(found.moved_before[-1]),
        _of_space_before,
    ),
    _Series(
        "moved_after",
        "w(L) - w(L-1), in those at w(L)",
        REVERSE_LOOK,
        lambda found: float(found.moved_after[-1]),
        _of_space_before,
    ),
    _Series(
        "moved_within",
        "w(L) - m(L)⊙w(L-1), in those at w(L)",
        SOLUTION_LOOK,
        lambda found: float(found.moved_within[-1]),
        _of_space,
    ),
)
_KEPT = (
    _Series(
        "kept",
        "of those at w(L-1), in what m(L) keeps",
        SOLUTION_LOOK,
        lambda found: float(found.kept.mean()),
        lambda found: found.dimension / found.dimension_before,
    ),
)


def _compared(evidence: Evidence) -> list[Compared]:
    """Return what was found at each level above 0, in their order."""
    found = [evidence.subspaces[job].compared for job in subspace_jobs(evidence.last)]
    return [each for each in found if each is not None]


def _say(evidence: Evidence) -> str:
    found = _compared(evidence)
    levels = count(found, "level")
    parts = [
        f"{name} {_mean(found, series)}"
        for name, series in (
            (f"On average over {levels} leading eigenvectors of successive levels overlap by", _OVERLAPS[0]),
            ("those at w(L) in its two spaces by", _OVERLAPS[1]),
            ("w(L) - w(L-1) lies in those at w(L) by", _MOVED[1]),
            ("m(L) keeps of those at w(L-1)", _KEPT[0]),
        )
    ]
    return sentence(parts)


def _mean(found: Sequence[Compared], series: _Series) -> str:
    """Return the mean over levels, beside that of chance."""
    value = float(np.mean([series.value(each) for each in found]))
    by_chance = float(np.mean([series.by_chance(each) for each in found]))
    return f"{rounded(value)} ({rounded(by_chance)} by chance)"


def _numbers(evidence: Evidence) -> Table:
    """Return every share of the first j eigenvectors, j = 1 … k, a row each."""
    rows: list[tuple[Cell, ...]] = []
    names = [series.column for series in (*_OVERLAPS, *_MOVED)]
    for level, found in zip(evidence.levels, _compared(evidence), strict=True):
        for index in range(len(found.levels)):
            shares = [float(getattr(found, name)[index]) for name in names]
            chances = [(index + 1) / found.dimension_before, (index + 1) / found.dimension]
            masks = [float(found.kept[: index + 1].mean()), found.dimension / found.dimension_before]
            rows.append((level, index + 1, *shares, *chances, *masks))
    headings = ("level", "eigenvectors", *[f"overlap_{each.column}" for each in _OVERLAPS])
    moved = [each.column for each in _MOVED]
    against = ("chance_in_level_before", "chance_in_level", "kept_by_mask", "kept_by_chance")
    return Table((*headings, *moved, *against), tuple(rows))


def _draw(evidences: Sequence[Evidence]) -> Figure:
    figure = new_figure(TWO_COLUMNS, 3.8)
    overlap_axes, moved_axes, kept_axes = figure.subplots(1, 3)
    k = evidences[0].setting.analysis.k
    for axes, every, quantity, title in (
        (overlap_axes, _OVERLAPS, "‖Q₁Q₂ᵀ‖²/k", f"Overlap of {k} leading eigenvectors"),
        (moved_axes, _MOVED, "share of the squared length", "The way between solutions"),
        (kept_axes, _KEPT, "share of the squared norm", "The mask"),
    ):
        _draw_panel(axes, evidences, every, quantity, title)
    explain_seeds(figure, evidences)
    return figure


def _draw_panel(
    axes: Axes, evidences: Sequence[Evidence], every: Sequence[_Series], quantity: str, title: str
) -> None:
    levels, found = list(evidences[0].levels), [_compared(evidence) for evidence in evidences]
    begin_level_panel(axes, evidences[0], levels, title="", quantity=quantity)
    if every is _MOVED:
        use_log_y(axes)
    for series in every:
        values = [[series.value(each) for each in levels_of_seed] for levels_of_seed in found]
        plot_over_levels(axes, levels, values, series.look, series.label)
    by_chance = [every[0].by_chance(each) for each in found[0]]  # every seed has as many coordinates
    axes.plot(levels, by_chance, color=_CHANCE.colour, linestyle="--", linewidth=1.0, label="by chance")
    if every is not _MOVED:
        axes.set_ylim(0, 1.03)
    legend_above(axes, title)


SUBSPACES = Exhibit(
    file="beyond_subspaces",
    title="Beyond the paper: what the leading eigenvectors span, from level to level",
    paper="The paper reads eigenvalues alone. Its masks can be held against the eigenvectors too: arXiv "
    "2504.14701 finds that masks overlap with the leading ones far more than chance.",
    found=_say,
    numbers=_numbers,
    draw=of_one(_draw),
    draw_seeds=_draw,
)
