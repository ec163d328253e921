"""How steeply the training loss falls at a level, beside the level before."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lth.evidence.evidence import Evidence
from lth.evidence.table import Cell, Table, mean_and_deviation, rounded
from lth.plan.place import Place
from lth.report.exhibit.exhibit import Exhibit, of_one
from lth.report.exhibit.wording import Compared, compare, sentence
from lth.report.figure.all_seeds import as_rows, draw_band, explain_seeds
from lth.report.figure.appearance import PREVIOUS_LOOK, SOLUTION_LOOK, Appearance
from lth.report.figure.panels import legend_above, panel_grid
from lth.report.figure.style import use_integer_x, use_log_y
from lth.setting.terms import terms


def _of_pair(evidence: Evidence, level: int) -> tuple[tuple[int, float | None], tuple[int, float | None]]:
    before = level - 1
    return (
        (before, evidence.steepness(before, beside=level)),
        (level, evidence.steepness(level, beside=before)),
    )


def _say(evidence: Evidence) -> str:
    found = []
    for level in evidence.levels:
        (_, before), (_, here) = _of_pair(evidence, level)
        found.append(Compared(level, before, here))
    quantity = "The steepness (fall of the log loss an epoch)"
    absent = "no two shared epochs of finite loss"
    return sentence([compare(quantity, "level L-1", "level L", found, absent=absent)])


def _numbers(evidence: Evidence) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for level in evidence.levels:
        for trained, steepness in _of_pair(evidence, level):
            rows += [
                (level, trained, record.epoch, float(record.train.loss), steepness)
                for record in evidence.attained[Place.imp(trained)].history
            ]
    return Table(("level", "trained_level", "epoch", "train_loss", "steepness"), tuple(rows))


def _draw(evidences: Sequence[Evidence]) -> Figure:
    figure, panels = panel_grid(
        evidences[0].last,
        title="Training loss; the number is the fall of its logarithm an epoch, over the epochs both share",
        x="epoch",
        y=terms().loss_axis(),
    )
    for axes, level in zip(panels, evidences[0].levels, strict=True):
        use_log_y(axes)
        use_integer_x(axes)
        for trained, look in ((level - 1, PREVIOUS_LOOK), (level, SOLUTION_LOOK)):
            _draw_training(axes, evidences, trained, level, look)
        legend_above(axes, f"level {level - 1} beside level {level}")
    explain_seeds(figure, evidences)
    return figure


def _draw_training(
    axes: Axes, evidences: Sequence[Evidence], trained: int, level: int, look: Appearance
) -> None:
    beside = level - 1 if trained == level else level
    steepness = [evidence.steepness(trained, beside=beside) for evidence in evidences]
    histories = [evidence.attained[Place.imp(trained)].history for evidence in evidences]
    losses = as_rows([[record.train.loss for record in history] for history in histories])
    epochs = [record.epoch for record in histories[0]]
    if len(evidences) > 1:
        draw_band(
            axes, epochs, losses, look, f"level {trained}: {mean_and_deviation(steepness)} / epoch", size=2.5
        )
        return
    number = "no steepness" if steepness[0] is None else f"{rounded(steepness[0])} / epoch"
    axes.plot(
        epochs,
        np.where(np.isfinite(losses[0]), losses[0], np.nan),
        color=look.colour,
        marker=look.marker,
        markersize=2.5,
        linewidth=1.1,
        label=f"level {trained}: {number}",
    )


STEEPNESS = Exhibit(
    file="fig04_steepness",
    title="Fig. 4 (25 for VGG-16): log training loss against epoch, for level L-1 and level L",
    paper="The path that leads to w(L-1) is steeper than the path that leads to w(L).",
    found=_say,
    numbers=_numbers,
    draw=of_one(_draw),
    draw_seeds=_draw,
)
