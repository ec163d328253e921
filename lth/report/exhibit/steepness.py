"""How steeply the training loss falls at a level, beside the level before."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from lth.evidence.evidence import Evidence
from lth.evidence.table import Cell, Table, rounded
from lth.plan.place import Place
from lth.report.exhibit.exhibit import Exhibit
from lth.report.exhibit.panels import legend_above, panel_grid
from lth.report.exhibit.wording import Compared, compare, sentence
from lth.report.figure.appearance import PREVIOUS_LOOK, SOLUTION_LOOK
from lth.report.figure.style import use_integer_x, use_log_y


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
    quantity = "The steepness (nats of log loss an epoch)"
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


def _draw(evidence: Evidence) -> Figure:
    figure, panels = panel_grid(
        evidence.last,
        title="Training loss; the number is the fall of its logarithm an epoch, over the epochs both share",
        x="epoch",
        y="training loss (nats)",
    )
    for axes, level in zip(panels, evidence.levels, strict=True):
        use_log_y(axes)
        use_integer_x(axes)
        for (trained, steepness), look in zip(
            _of_pair(evidence, level), (PREVIOUS_LOOK, SOLUTION_LOOK), strict=True
        ):
            history = evidence.attained[Place.imp(trained)].history
            number = "no steepness" if steepness is None else rounded(steepness)
            axes.plot(
                [record.epoch for record in history],
                [record.train.loss if np.isfinite(record.train.loss) else np.nan for record in history],
                color=look.colour,
                marker=look.marker,
                markersize=2.5,
                linewidth=1.1,
                label=f"level {trained}: {number}",
            )
        legend_above(axes, f"level {level - 1} beside level {level}")
    return figure


STEEPNESS = Exhibit(
    file="fig04_steepness",
    title="Fig. 4 (25 for VGG-16): log training loss against epoch, for level L-1 and level L",
    paper="The path that leads to w(L-1) is steeper than the path that leads to w(L).",
    found=_say,
    numbers=_numbers,
    draw=_draw,
)
