"""What a report's run says, and which reports of a study were made before."""

import contextlib
import re

from made_evidence import made_evidence
from tiny_problem import make_problem

from lth.evidence.claim import CLAIMS, evaluate
from lth.evidence.claim.wording import deciding
from lth.study.record.report import claims_note, earlier_reports, report_tags
from lth.tracking.store import KEY, Store


def problems(*seeds, **overrides):
    return [make_problem(seed=str(seed), **overrides) for seed in seeds]


def reported(store, *seeds, fails=False, **overrides):
    """Leave a report over these seeds in the store."""
    tags = {**report_tags(problems(*seeds, **overrides)), KEY: f"report {seeds}"}
    with contextlib.suppress(RuntimeError), store.open("report", tags):
        if fails:
            raise RuntimeError("not drawn")


def test_earlier_reports_are_those_of_the_same_study_under_any_seeds(tracking):
    store = Store()
    assert earlier_reports(store, problems(0, 1)) == []
    reported(store, 0, 1, 2)
    reported(store, 5, 1, levels="1")  # another study
    reported(store, 3, 0, k="2")
    reported(store, 0, 1, 2, 3, 4)
    reported(store, 0, 7, fails=True)  # nobody saw it
    reported(store, 9)
    assert earlier_reports(store, problems(4, 5)) == [[0, 1, 2], [0, 1, 2, 3, 4], [9]]
    assert earlier_reports(store, problems(5, 1, levels="1")) == [[5, 1]]


def test_measuring_at_one_loss_too_is_no_other_study_whose_looks_count_anew(tracking):
    store = Store()
    reported(store, 0, 1)
    reported(store, 2, matched_loss="on")
    assert earlier_reports(store, problems(3)) == earlier_reports(store, problems(3, matched_loss="on"))
    assert earlier_reports(store, problems(3)) == [[0, 1], [2]]


def note(*seeds, earlier=()):
    evidences = [made_evidence(seed, 2, directions=2, points=3) for seed in seeds]
    findings = evaluate(CLAIMS, evidences, earlier)
    return claims_note(findings, deciding(findings, evidences))


def test_a_note_has_a_row_a_claim_with_its_size_on_average_before_its_verdict_in_every_case():
    said = note(0, 1, 2)
    assert [line.split("|")[1].strip() for line in said.splitlines()[2:24]] == [claim.id for claim in CLAIMS]
    row = re.sub(r" +", " ", said.splitlines()[4])
    assert re.match(r"\| R1a \| .* \| supported \| 2\.4\d* \[.*\] \| supported \| <?0.\d+ \| 6 of 6 \|", row)
    assert "Each verdict is wrong with a probability of at most 3.75 %" in said
    assert "Intervals have 92.5 % confidence." in said
    assert "seeds=" not in said


def test_a_note_says_which_look_it_is():
    assert "look decided stands where all seeds bear it out, and this, look 2, adds" in note(
        0, 1, 2, earlier=[[0, 1], [1, 0]]
    )
    assert "this is look 2 at this study" in note(0, 1, 2, earlier=[[4, 5]])


def test_a_note_of_one_seed_ends_with_the_command_for_three():
    said = note(0)
    assert "Nothing can be tested" in said
    assert "\n\nmlflow run . -e study -P preset=digits " in said
    assert said.endswith("- R7: one seed has no spread; three show how many it takes")
