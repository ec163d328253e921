"""What a reader is told of the claims first: the paper's, and each family beside them on its own."""

import re

import pytest
from made_evidence import made_evidence

from lth.evidence.claim import claims_of, evaluate
from lth.evidence.claim.finding import families
from lth.report.opening import opening

LAST = 2


def told(seeds, **overrides):
    evidences = [made_evidence(seed, LAST, directions=2, points=3, **overrides) for seed in range(seeds)]
    findings = evaluate(claims_of(evidences[0].setting), evidences)
    return opening(evidences, findings)[-1], findings


@pytest.mark.parametrize(
    ("overrides", "beside"),
    [
        ({}, []),
        ({"methods": "snip,erk"}, ["on methods beyond the paper's"]),
        ({"matched_loss": "on"}, ["at one training loss"]),
        ({"beyond": "volume,aligned"}, ["by volumes that were sampled", "with units matched"]),
        (
            {"beyond": "function,sharpness,forecast"},
            ["on what solutions compute", "by adaptive sharpness", "on forecasts of pruning"],
        ),
        ({"matched_loss": "on", "methods": "erk"}, ["at one training loss", "on methods beyond the paper's"]),
    ],
)
def test_the_claims_of_the_paper_are_counted_first_and_apart_from_those_beside_them(overrides, beside):
    said, findings = told(2, **overrides)
    own, *others = families(findings)
    assert said.startswith(f"Of the {len(own)} claims, ")
    assert re.findall(r"Beside them, of (?:1 claim|\d\d* claims) ([^,]+), ", said) == beside
    assert not re.search(r"\b1 (?:claims|hold|go|are)\b", said)
    verdicts = r"(\d+) (?:holds? at|holds? in|goe?s?|is|are) "
    counts = [sum(map(int, re.findall(verdicts, part))) for part in sentences(said)]
    assert counts == [len(own), *map(len, others)]


def sentences(said):
    return [part for part in re.split(r"\. ?", said) if part]


@pytest.mark.parametrize(("overrides", "nor"), [({}, ":"), ({"methods": "snip"}, ", nor any of 8 that stand")])
def test_of_one_seed_it_is_said_of_either_that_nothing_is_decided(overrides, nor):
    said, findings = told(1, **overrides)
    assert f"none of the {len(families(findings)[0])} claims is decided{nor}" in said
