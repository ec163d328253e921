"""The log-product over the levels with k eigenvalues and with fewer, which tells if the trend depends on k."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from lth.evidence.evidence import Evidence
from lth.evidence.table import Cell, Table, yes_no
from lth.plan.place import Place, Point
from lth.report.exhibit.comparison import PROJECTION, REVERSE
from lth.report.exhibit.exhibit import Exhibit, of_one
from lth.report.exhibit.level_axis import begin_level_panel, plot_over_levels
from lth.report.exhibit.spectra import ABSENT, flagged, known_within, say_not_converged
from lth.report.exhibit.wording import Compared, compare, sentence
from lth.report.figure.all_seeds import explain_seeds
from lth.report.figure.appearance import PROJECTION_LOOK, REVERSE_LOOK, SOLUTION_LOOK, Appearance
from lth.report.figure.panels import legend_above
from lth.report.figure.style import TWO_COLUMNS, new_figure


def _cuts(evidence: Evidence) -> tuple[int, int]:
    return evidence.setting.analysis.k, evidence.setting.analysis.second_cut


def _series(evidence: Evidence) -> list[tuple[str, Appearance, dict[int, Point]]]:
    levels = evidence.levels
    return [
        ("w(L)", SOLUTION_LOOK, {level: Point.at(Place.imp(level)) for level in (0, *levels)}),
        ("m(L)⊙w(L-1)", PROJECTION_LOOK, {level: Point.projection(level) for level in levels}),
        ("w(L) in level L-1 space", REVERSE_LOOK, {level: Point.reverse(level) for level in levels}),
    ]


def _say(evidence: Evidence) -> str:
    parts = []
    for cut in _cuts(evidence):
        for comparison in (PROJECTION, REVERSE):
            found = [
                Compared(
                    pair.level,
                    evidence.log_eig_product(pair.sharper, cut),
                    evidence.log_eig_product(pair.flatter, cut),
                )
                for pair in comparison.pairs(evidence)
            ]
            names = comparison.sharper, comparison.flatter
            parts.append(compare(f"with {cut} eigenvalues log_eig_product", *names, found, absent=ABSENT))
    drawn = [point for _, _, points in _series(evidence) for point in points.values()]
    text = sentence([*parts, say_not_converged(evidence, drawn)])
    return text[:1].upper() + text[1:]


def _numbers(evidence: Evidence) -> Table:
    rows: list[tuple[Cell, ...]] = [
        (
            level,
            name,
            cut,
            evidence.log_eig_product(point, cut),
            yes_no(evidence.curvature[point].spectrum.converged),
        )
        for cut in _cuts(evidence)
        for name, _, points in _series(evidence)
        for level, point in points.items()
    ]
    return Table(("level", "point", "num_eigenvalues", "log_eig_product", "converged"), tuple(rows))


def _draw(evidences: Sequence[Evidence]) -> Figure:
    figure, evidence = new_figure(TWO_COLUMNS, 3.3), evidences[0]
    for axes, cut in zip(figure.subplots(1, 2), _cuts(evidence), strict=True):
        begin_level_panel(
            axes, evidence, range(evidence.last + 1), title="", quantity=f"log_eig_product of {cut} (Σ ln λ)"
        )
        for name, look, points in _series(evidence):
            values = [[one.log_eig_product(point, cut) for point in points.values()] for one in evidences]
            known = (
                [known_within(evidence, point) for point in points.values()]
                if cut == _cuts(evidence)[0]
                else None
            )
            label = flagged(name, evidences, points.values())
            plot_over_levels(axes, list(points), values, look, label, errors=known)
        legend_above(axes, f"{cut} leading eigenvalues")
    explain_seeds(figure, evidences)
    return figure


SECOND_CUT = Exhibit(
    file="fig22_second_cut",
    title="Fig. 22: log_eig_product over the levels, of all leading eigenvalues and of a second cut",
    paper="The trend of the log-product is the same with another number of leading eigenvalues.",
    found=_say,
    numbers=_numbers,
    draw=of_one(_draw),
    draw_seeds=_draw,
)
