"""The row of a claim follows from the values of its cases, by code of its own."""

import csv
import io

import numpy as np
import pytest
from made_evidence import made_evidence
from scipy.stats import permutation_test, ttest_1samp

from lth.evidence.claim import CLAIMS, Case, Claim, as_table, evaluate
from lth.evidence.claim.verdict_table import verdict_table
from lth.plan.place import Place

LAST, SEEDS = 2, range(5)
NOISE = np.random.default_rng(0).normal(size=(len(SEEDS), 3))
MEANS = {
    "above": (2.5, 3.0, 4.0),
    "mixed": (2.0, -2.0, 1.0),
    "below": (-2.0, -1.5, -3.0),
    "near": (0.1, 0.2, 0.1),
}


@pytest.fixture(scope="module")
def studies():
    return [made_evidence(seed, LAST) for seed in SEEDS]


def made(name, means):
    return Claim(
        name,
        "made up",
        "none",
        "1",
        lambda _last: tuple(Case(Place.imp(level)) for level in range(len(means))),
        lambda evidence, case: means[case.level] + float(NOISE[evidence.seed, case.level]),
        "",
    )


def rows(table):
    return list(csv.DictReader(io.StringIO(table.csv())))


@pytest.fixture(scope="module")
def found(studies):
    findings = evaluate([made(*each) for each in MEANS.items()], studies)
    return {row["claim"]: row for row in rows(verdict_table(findings))}, rows(as_table(findings))


@pytest.mark.parametrize("name", MEANS)
def test_a_row_follows_from_the_values_of_the_cases(name, found):
    by_claim, cases = found
    row = by_claim[name]
    values = np.array(
        [
            [float(case[f"seed {seed}"]) for seed in SEEDS]
            for case in cases
            if case["claim"] == name and case["case"] != "on average"
        ]
    )
    above = [ttest_1samp(each, 0, alternative="greater").pvalue for each in values]
    below = [ttest_1samp(each, 0, alternative="less").pvalue for each in values]
    assert float(row["p_supported"]) == pytest.approx(max(above))
    assert float(row["p_refuted"]) == pytest.approx(min(1.0, len(below) * min(below)))
    assert float(row["weakest_p"]) == pytest.approx(max(above))
    assert row["weakest"] == f"level {int(np.argmax(above))}"
    assert (int(row["sign_agrees"]), int(row["of"])) == ((values > 0).sum(), values.size)
    average = ttest_1samp(values.mean(0), 0, alternative="greater")
    assert float(row["p_average"]) == pytest.approx(average.pvalue)
    interval = average.confidence_interval(1 - float(row["error"]))
    assert float(row["low"]) == pytest.approx(interval.low)
    if max(above) < len(below) * min(below):
        flipped = [
            permutation_test((each,), np.mean, permutation_type="samples", alternative="greater").pvalue
            for each in values
        ]
        assert float(row["p_sign_flip"]) == pytest.approx(max(flipped))


def test_verdicts_and_the_seeds_that_they_lack_are_told(found):
    by_claim, _ = found
    assert [(row["on_average"], row["in_every_case"]) for row in by_claim.values()] == [
        ("supported", "supported"),
        ("undecided", "refuted"),
        ("refuted", "refuted"),
        ("undecided", "undecided"),
    ]
    near = by_claim["near"]
    assert near["seeds_needed_most"] == ">1000"
    assert int(near["seeds_needed_fewest"]) > len(SEEDS)


def test_every_claim_has_a_row_and_that_of_one_seed_tells_no_p(studies):
    table = rows(verdict_table(evaluate(CLAIMS, studies[:1])))
    assert [row["claim"] for row in table] == [claim.id for claim in CLAIMS]
    assert {(row["p_supported"], row["p_holm"], row["seeds_needed"]) for row in table} == {("", "", "")}
    assert {row["family"] for row in table} == {"paper"}
