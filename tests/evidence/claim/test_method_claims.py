"""Claims of methods: a family beside the paper's, and no case that compares IMP with itself."""

import pytest
from made_evidence import made_evidence

from lth.evidence.claim import CLAIMS, claims_of, evaluate, method_claims
from lth.evidence.claim.finding import families
from lth.evidence.claim.wording import deciding, where_it_holds
from lth.plan.place import METHODS, Place

METHODS_ASKED = "snip,grasp,synflow,erk,signs_only,magnitudes_only,cyclic_random"


def study(seed, last=3, **overrides):
    return made_evidence(seed, last, **overrides)


def kinds(claim, last=3):
    return [case.place.kind for case in claim.cases(last)]


@pytest.mark.parametrize("methods", ["snip", METHODS_ASKED, "shuffled,layer_magnitude"])
def test_the_claims_of_the_paper_are_judged_alike_whichever_methods_are_trained(methods):
    studies = [study(seed, methods=methods) for seed in range(2)]
    claims = claims_of(studies[0].setting)
    own, beside = families(evaluate(claims, studies))
    assert own == evaluate(CLAIMS, studies)
    assert [finding.claim for finding in beside] == list(claims[len(CLAIMS) :])


@pytest.mark.parametrize("methods", [("snip",), ("erk", "own_method"), METHODS])
def test_what_the_paper_claims_of_baselines_is_claimed_of_every_method(methods):
    claims = [claim for claim in method_claims(methods) if claim.id.endswith("-methods")]
    assert [claim.id.removesuffix("-methods") for claim in claims] == [
        "R0a", "R0b", "R3", "R5b", "R5c", "R5d", "R6c",
    ]  # fmt: skip
    for claim in claims:
        assert kinds(claim) == [kind for kind in METHODS if kind in methods]


def test_every_claim_of_methods_has_a_value_at_every_method():
    evidence = study(0, methods=METHODS_ASKED)
    for claim in method_claims(evidence.setting.analysis.all_methods):
        for case in claim.cases(3):
            assert claim.statistic(evidence, case) is not None, (claim.id, case.label)


@pytest.mark.parametrize(
    ("methods", "ids"),
    [
        (("snip",), ["M-rewinding"]),
        (("synflow",), ["M-rewinding"]),
        (("synflow", "grasp"), ["M-rewinding", "M-synflow"]),
        (("signs_only", "distribution_only", "erk"), ["M-rewinding", "M-erk", "M-signs"]),
        (("unpermuted",), ["M-rewinding"]),
        (("permuted",), ["M-rewinding", "M-permuted"]),
    ],
)
def test_what_papers_say_of_methods_is_claimed_where_both_sides_are_trained(methods, ids):
    assert [claim.id for claim in method_claims(methods) if claim.id.startswith("M-")] == ids
    assert method_claims(()) == ()


@pytest.mark.parametrize(
    ("overrides", "kind", "ids"),
    [
        ({"rewind": "lr"}, "lr_rewind", {"R0a", "R0b"}),
        ({"rewind": "none"}, "fine_tune", {"R0a", "R0b", "R7"}),
        ({"rewind": "none", "methods": "snip"}, "fine_tune", {"R0a", "R0b", "R7"}),
        ({"rewind": "none", "matched_loss": "on"}, "fine_tune", {"R0a", "R0b", "R7", "R7-matched"}),
        ({"last": 1}, "one_shot", {"R0a", "R0b", "R3"}),
    ],
)
def test_a_baseline_that_is_imp_itself_is_no_case_of_a_claim_against_imp(overrides, kind, ids):
    evidence = study(0, **overrides)
    claims = claims_of(evidence.setting)
    assert {claim.id for claim in claims if claim.left_out} == ids
    for claim in claims:
        if claim.id in ids:
            assert kind not in kinds(claim, evidence.last)
            assert f"Left out: {kind} is w(N) itself" in claim.rule
    findings = evaluate(claims, [evidence])
    for finding in findings:
        if not finding.outcomes and finding.claim.left_out:
            assert where_it_holds(finding) == f"no case: {finding.claim.left_out}"
            (told,) = (each for each in deciding([finding], [evidence]))
            assert told.reason == finding.claim.left_out


@pytest.mark.parametrize("last", [2, 3])
def test_every_baseline_is_a_case_where_imp_rewinds_weights_over_levels(last):
    claims = claims_of(study(0, last).setting)
    assert claims == CLAIMS
    assert Place("fine_tune", last) in [case.place for case in claims[0].cases(last)]
