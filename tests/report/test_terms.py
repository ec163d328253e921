import re

import pytest
from made_evidence import made_evidence
from matplotlib.figure import Figure
from matplotlib.text import Text

from lth.evidence.claim import claims_of, evaluate
from lth.evidence.claim.finding import as_table
from lth.evidence.summary import LevelRow, text_table
from lth.plan.place import Place, Point
from lth.report.exhibit.paper import EXHIBITS, exhibits_beyond
from lth.report.figure.comparison import draw_comparison
from lth.report.figure.interactive_surface import surface_html
from lth.report.figure.interpolation import draw_interpolation
from lth.report.figure.trajectory import draw_trajectory
from lth.report.figure.trend import draw_trend
from lth.report.opening import notation, opening
from lth.report.solutions import headings, solution_cells
from lth.report.spoken import said
from lth.setting.terms import Terms, in_common, speaking, terms

EVIDENCE = made_evidence(last=2, loss="mse", methods="snip,grasp", every_level="snip")
ROWS = [
    LevelRow(f"level {level}", "imp", level, 0.5, 0.1, 0.8, barrier_loss=0.1, barrier_error=0.2)
    for level in (0, 1)
]
FIT, MIXED = Terms("mse", "r2"), Terms("mine.losses:huber", "mine.scores:rank")
FOREIGN = re.compile(r"\bnats\b|accurac|test error|test-error|percentage points|binomial", re.IGNORECASE)
OTHERS = pytest.mark.parametrize("spoken", [FIT, MIXED], ids=["mse, r2", "own functions"])


def text_of(figure: Figure) -> list[str]:
    """Return everything that is written on a figure."""
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def page_of(spoken: Terms) -> list[str]:
    """Return what a report's page says of its own, the paper's words left out."""
    claims = claims_of(EVIDENCE.setting)
    texts = [*opening([EVIDENCE], []), *(word for pair in notation(EVIDENCE.setting) for word in pair)]
    texts += [*headings(EVIDENCE.setting), text_table(ROWS), said(EVIDENCE.measured.items())]
    texts += [spoken.reworded(f"{claim.statement} {claim.unit} {claim.rule}") for claim in claims]
    texts += [cell.text for row in solution_cells(EVIDENCE, str) for cell in row]
    for exhibit in (*EXHIBITS, *exhibits_beyond(EVIDENCE)):
        texts += [spoken.reworded(exhibit.title), exhibit.found(EVIDENCE)]
    return texts


def test_every_exhibit_is_labelled_in_the_terms_of_its_study():
    spoken = FIT
    with speaking(spoken):
        drawn = [each.draw for each in (*EXHIBITS, *exhibits_beyond(EVIDENCE)) if each.draw is not None]
        texts = [text for draw in drawn for text in text_of(draw(EVIDENCE))]
    assert [text for text in texts if FOREIGN.search(text)] == []
    assert f"training loss ({spoken.loss_name})" in texts
    assert f"test {spoken.metric_name}" in texts


@OTHERS
def test_figures_of_single_runs_and_of_sweeps_are_too(spoken):
    line = next(iter(EVIDENCE.lines.values())).stored
    histories = {Place.imp(level): EVIDENCE.attained[Place.imp(level)].history for level in (0, 1)}
    with speaking(spoken):
        figures = [draw_trend(ROWS), draw_comparison({"lr=1": {0: ROWS}}), draw_trajectory(histories)]
        figures.append(draw_interpolation(line, Point.at(Place.imp(0)), Point.at(Place.imp(1))))
        page = surface_html(EVIDENCE.surface)
    texts = [text for figure in figures for text in text_of(figure)]
    assert [text for text in texts if FOREIGN.search(text)] == []
    assert "nats" not in page[page.rindex("<script") :]
    assert f"training loss ({spoken.loss_name})" in page


@OTHERS
def test_all_that_a_page_and_a_terminal_say_is_in_those_terms(spoken):
    with speaking(spoken):
        texts = page_of(spoken)
    assert [text for text in texts if FOREIGN.search(text)] == []


@OTHERS
def test_the_table_of_claims_has_its_units_in_those_terms(spoken):
    findings = evaluate(claims_of(EVIDENCE.setting), [EVIDENCE], ())
    with speaking(spoken):
        units = {row[2] for row in as_table(findings).rows}
    assert spoken.loss_name in units
    assert spoken.metric_name in units
    assert [unit for unit in units if FOREIGN.search(unit) or "test examples" in unit] == []


def test_without_a_word_about_it_all_is_of_cross_entropy_and_accuracy():
    assert terms() == Terms()
    texts = page_of(terms())
    assert {"test accuracy (%)", "train loss (nats)", "trace (nats / L2²)"} <= set(texts)


def test_tokens_of_one_example_are_no_independent_ones_and_have_no_binomial_interval():
    with speaking(Terms(independent=False)):
        tokens = text_table(ROWS)
        assert "binomial" not in " ".join(text_of(draw_trend(ROWS)))
    assert "80.00%" in tokens
    assert "80.00% [" not in tokens


def test_what_studies_of_a_sweep_differ_in_has_no_name_of_its_own():
    assert in_common([FIT, FIT]) == FIT
    several = in_common([FIT, MIXED])
    assert not several.has_unit
    assert not several.is_share
