"""How far a level's training goes from its rewind point, beside that of the level before."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from lth.evidence.evidence import Evidence
from lth.evidence.table import Table
from lth.report.exhibit.exhibit import Exhibit, of_one
from lth.report.exhibit.level_axis import begin_level_panel, plot_over_levels
from lth.report.exhibit.wording import Compared, compare, sentence
from lth.report.figure.all_seeds import explain_seeds
from lth.report.figure.appearance import PREVIOUS_LOOK, SOLUTION_LOOK
from lth.report.figure.panels import legend_above
from lth.report.figure.style import ONE_COLUMN, new_figure


def _rows(evidence: Evidence) -> list[tuple[int, float, float]]:
    travel = evidence.travel
    return [
        (int(level), float(before), float(after))
        for level, before, after in zip(travel.level, travel.to_previous, travel.to_solution, strict=True)
        if level <= evidence.last
    ]


def _say(evidence: Evidence) -> str:
    found = [Compared(*row) for row in _rows(evidence)]
    return sentence([compare("The L2 distance from m(L-1)⊙wk", "w(L-1)", "w(L)", found, absent="")])


def _draw(evidences: Sequence[Evidence]) -> Figure:
    figure = new_figure(ONE_COLUMN, 2.7)
    axes, levels = figure.add_subplot(), list(evidences[0].levels)
    begin_level_panel(axes, evidences[0], levels, title="", quantity="L2 distance from m(L-1)⊙wk")
    found = [_rows(evidence) for evidence in evidences]
    plot_over_levels(axes, levels, [[row[1] for row in rows] for rows in found], PREVIOUS_LOOK, "to w(L-1)")
    plot_over_levels(axes, levels, [[row[2] for row in rows] for rows in found], SOLUTION_LOOK, "to w(L)")
    legend_above(axes, "How far training goes from the shared rewind point")
    explain_seeds(figure, evidences)
    return figure


TRAVEL = Exhibit(
    file="fig03_travel",
    title="Fig. 3: distance of m(L-1)⊙wk to w(L-1) and to w(L)",
    paper="The rewind point m(L-1)⊙wk is nearer to w(L) than to w(L-1).",
    found=_say,
    numbers=lambda evidence: Table(
        ("level", "distance_to_previous", "distance_to_solution"), tuple(_rows(evidence))
    ),
    draw=of_one(_draw),
    draw_seeds=_draw,
)
