"""Barriers with units matched, as the report shows and judges them."""

import io

from made_evidence import made_evidence

from lth.evidence.claim import evaluate
from lth.evidence.claim.aligned import ALIGNED_CLAIMS
from lth.report.exhibit.beyond_aligned import ALIGNED, ALIGNED_TABLE
from lth.report.exhibit.paper import exhibits_beyond

SEEDS = [made_evidence(seed, 2, beyond="aligned") for seed in range(3)]


def test_they_are_shown_where_a_study_aligned_its_solutions():
    assert {ALIGNED, ALIGNED_TABLE} <= set(exhibits_beyond(SEEDS[0]))
    assert ALIGNED not in exhibits_beyond(made_evidence(0, 2))


def test_the_figure_is_drawn_of_one_seed_and_of_several():
    for seeds in (SEEDS[:1], SEEDS):
        drawn = io.BytesIO()
        ALIGNED.draw_seeds(seeds).savefig(drawn, format="png")
        assert drawn.tell() > 10_000


def test_the_table_has_a_row_a_line_matching_and_treatment_and_the_sentence_the_barriers():
    rows = ALIGNED_TABLE.numbers(SEEDS[0]).rows
    assert len(rows) == len(set(rows)) == 6 * 3 * 3
    assert "40 units in 3 groups" in ALIGNED.found(SEEDS[0])


def test_a_barrier_that_every_match_leaves_above_the_margin_survives():
    (finding,) = evaluate(ALIGNED_CLAIMS, SEEDS)
    assert finding.judgement.verdict == "supported"
    assert 0.25 < finding.average.mean < 0.35  # 0.6 / 2 of the best match, less the margin
