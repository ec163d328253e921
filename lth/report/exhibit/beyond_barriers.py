"""Barriers in the loss beside barriers in the test error, pair by pair of successive solutions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from lth.evidence.evidence import Evidence
from lth.evidence.table import Cell, Table
from lth.measure.interpolation import barrier_over_mean
from lth.plan.jobs import LineJob, successive_line
from lth.report.exhibit.exhibit import Exhibit, of_one
from lth.report.exhibit.level_axis import begin_level_panel, plot_over_levels
from lth.report.exhibit.lines import (
    TREATMENT_COLOURS,
    TREATMENT_MARKERS,
    barrier_if_any,
    say_successive_barriers,
    treatments,
)
from lth.report.figure.all_seeds import explain_seeds
from lth.report.figure.appearance import Appearance
from lth.report.figure.panels import legend_above
from lth.report.figure.style import NEUTRAL_COLOUR, TWO_COLUMNS, new_figure
from lth.setting.terms import terms

_Row = tuple[int, str, float | None, float | None, float | None]


def _jobs(evidence: Evidence) -> list[LineJob]:
    return [successive_line(level) for level in evidence.levels]


def _rows(evidence: Evidence) -> list[_Row]:
    rows: list[_Row] = []
    for job in _jobs(evidence):
        for treatment, path in treatments(evidence.lines[job]).items():
            loss, error = barrier_if_any(path.train_loss), barrier_if_any(path.test_error)
            over_mean = barrier_over_mean(path.train_loss) if np.isfinite(path.train_loss).all() else None
            rows.append((job.level, treatment, loss, over_mean, error))
    return rows


def _numbers(evidence: Evidence) -> Table:
    headings = ("level", "batchnorm_statistics", "barrier_train_loss", "barrier_over_mean_train_loss")
    rows: list[tuple[Cell, ...]] = [*_rows(evidence)]
    return Table((*headings, "barrier_test_error"), tuple(rows))


def _draw(evidences: Sequence[Evidence]) -> Figure:
    figure, evidence = new_figure(TWO_COLUMNS, 3.2), evidences[0]
    found = [_rows(one) for one in evidences]
    loss_axes, error_axes = figure.subplots(1, 2)
    analysis, levels = evidence.setting.analysis, list(evidence.levels)
    said = terms()
    in_error = f"the {said.error_name}" if said.is_share else said.error_name
    begin_level_panel(
        loss_axes, evidence, levels, title="", quantity=terms().loss_axis("barrier of the training loss")
    )
    begin_level_panel(
        error_axes, evidence, levels, title="", quantity=f"barrier of {in_error} ({terms().short_error_unit})"
    )
    drawn = list(dict.fromkeys(treatment for _, treatment, *_ in found[0]))
    for treatment in drawn:
        look = Appearance(TREATMENT_COLOURS[treatment], TREATMENT_MARKERS[treatment])
        label = "barrier" if len(drawn) == 1 else f"BatchNorm statistics {treatment}"
        own = [[row for row in rows if row[1] == treatment] for rows in found]
        plot_over_levels(loss_axes, levels, [[row[2] for row in rows] for rows in own], look, label)
        errors = [[None if row[4] is None else said.scale * row[4] for row in rows] for rows in own]
        plot_over_levels(error_axes, levels, errors, look, label)
    margins = ((loss_axes, analysis.loss_margin), (error_axes, said.scale * analysis.error_margin))
    for (axes, margin), title in zip(margins, ("Training loss", said.error_title), strict=True):
        axes.axhline(
            margin, color=NEUTRAL_COLOUR, linestyle="--", linewidth=0.9, label="below it counts as none"
        )
        axes.set_ylim(bottom=0)
        legend_above(axes, f"{title}, from level L-1 to level L")
    explain_seeds(figure, evidences)
    return figure


BARRIERS = Exhibit(
    file="beyond_barriers",
    title="Beyond the paper: barriers of the loss and of the test error between w(L-1) and w(L)",
    paper="The paper shows barriers of the training loss alone and does not say how BatchNorm statistics come "
    "about on the line.",
    found=lambda evidence: say_successive_barriers(_jobs, evidence),
    numbers=_numbers,
    draw=of_one(_draw),
    draw_seeds=_draw,
)
