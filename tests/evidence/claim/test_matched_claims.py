"""Claims at one training loss: a family beside the paper's, of the same cases and statistics."""

from dataclasses import replace

import numpy as np
import pytest
from made_evidence import made_evidence, with_results

from lth.evidence.claim import CLAIMS, MATCHED_CLAIMS, Case, claims_of, evaluate
from lth.evidence.claim.finding import families
from lth.evidence.claim.wording import how_judged
from lth.plan.jobs import projection_matched, reverse_matched
from lth.plan.place import Place, Point, parse_place

LAST = 3
each_claim = pytest.mark.parametrize("claim", MATCHED_CLAIMS, ids=lambda claim: claim.id)


def study(seed):
    return made_evidence(seed, LAST, matched_loss="on")


@pytest.fixture(scope="module")
def studies():
    return [study(seed) for seed in range(3)]


def claim_named(name):
    (claim,) = [claim for claim in MATCHED_CLAIMS if claim.id == name]
    return claim


def value_of(name, evidence, where="2"):
    return claim_named(name).statistic(evidence, Case(parse_place(where, LAST)))


def altered(evidence, job, **changes):
    found = replace(evidence.matched[job], **changes)
    return with_results(evidence, matched={**evidence.matched, job: found})


def test_they_stand_beside_six_claims_of_the_paper_which_stay_as_many():
    assert [claim.id for claim in MATCHED_CLAIMS] == [
        f"{name}-matched" for name in ("R1a", "R1b", "R1c", "R1d", "R3", "R7")
    ]
    assert len(CLAIMS) == 22
    assert not any(claim.beside for claim in CLAIMS)


@each_claim
def test_each_says_what_the_paper_s_says_at_one_loss(claim):
    (own,) = [each for each in CLAIMS if each.id == claim.beside]
    assert own.statement in claim.statement
    assert claim.rule.startswith(own.rule.partition("\n\nPaper")[0])
    assert (claim.unit, claim.cases(LAST)) == (own.unit, own.cases(LAST))
    assert "At one training loss" in claim.rule


@pytest.mark.parametrize(("setting", "claims"), [("off", CLAIMS), ("on", (*CLAIMS, *MATCHED_CLAIMS))])
def test_a_study_is_judged_by_them_if_it_measures_at_one_loss(setting, claims):
    assert claims_of(made_evidence(0, 2, matched_loss=setting).setting) == claims


@each_claim
def test_each_is_supported_where_it_holds(claim, studies):
    (finding,) = evaluate([claim], studies)
    assert finding.verdict == "supported"
    assert finding.num_agreeing == finding.num_measured == 3 * len(claim.cases(LAST))


@pytest.mark.parametrize(
    ("name", "pair"), [("R1a-matched", projection_matched), ("R1c-matched", reverse_matched)]
)
@pytest.mark.parametrize("moved", ["sharper", "flatter"])
def test_the_one_that_went_back_counts_where_it_went_and_the_other_where_it_was(name, pair, moved, studies):
    job = pair(2)
    evidence = altered(studies[0], job, moved=getattr(job, moved))
    there = float(np.log(evidence.matched[job].curvature.spectrum.eigenvalues).sum())
    stayed = evidence.log_eig_product(job.flatter if moved == "sharper" else job.sharper)
    expected = there - stayed if moved == "sharper" else stayed - there
    assert value_of(name, evidence) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("name", "pair"), [("R1b-matched", projection_matched), ("R1d-matched", reverse_matched)]
)
def test_radii_are_of_the_study_s_own_directions(name, pair, studies):
    job, evidence = pair(2), studies[0]
    expected = evidence.matched[job].radii["filter"].mean - evidence.radii_at(2, job.sharper).mean
    assert value_of(name, evidence) == pytest.approx(expected)


@pytest.mark.parametrize("name", ["R1a-matched", "R1b-matched"])
def test_a_loss_that_was_never_reached_gives_no_value(name, studies):
    job = projection_matched(2)
    lower = replace(studies[0].matched[job].reached, loss=0.0119)
    assert value_of(name, altered(studies[0], job, reached=lower)) is None
    (finding,) = evaluate([claim_named(name)], [altered(studies[0], job, reached=lower), *studies[1:]])
    assert finding.verdict == "undecided"
    assert finding.num_missing == 1


def test_a_spectrum_that_did_not_converge_gives_no_value(studies):
    job = reverse_matched(2)
    found = studies[0].matched[job].curvature
    loose = replace(found, spectrum=replace(found.spectrum, converged=False))
    assert value_of("R1c-matched", altered(studies[0], job, curvature=loose)) is None
    point = Point.reverse(2)
    own = replace(
        studies[0].curvature[point], spectrum=replace(studies[0].curvature[point].spectrum, converged=False)
    )
    other = with_results(studies[0], curvature={**studies[0].curvature, point: own})
    assert value_of("R1c-matched", other) is None


def test_radii_that_are_lower_bounds_give_a_value_only_where_its_sign_is_sure(studies):
    job, evidence = projection_matched(2), studies[0]
    radii = {
        norm: replace(found, censored=np.ones_like(found.censored))
        for norm, found in evidence.matched[job].radii.items()
    }
    assert value_of("R1b-matched", altered(evidence, job, radii=radii)) > 0  # a wider one is wider still
    narrow = {norm: replace(found, radii=0.1 * found.radii) for norm, found in radii.items()}
    assert value_of("R1b-matched", altered(evidence, job, radii=narrow)) is None


@pytest.mark.parametrize("name", [claim.id for claim in MATCHED_CLAIMS])
def test_what_was_not_measured_gives_no_value(name):
    where = {"R3-matched": "one_shot", "R7-matched": "fine_tune"}.get(name, "2")
    assert value_of(name, made_evidence(0, LAST), where) is None
    assert value_of(name, study(0), where) is not None


def test_the_families_are_adjusted_and_counted_each_for_itself(studies):
    both = evaluate(claims_of(studies[0].setting), studies)
    own, beside = families(both)
    assert own == evaluate(CLAIMS, studies)
    assert beside == evaluate(MATCHED_CLAIMS, studies)
    assert (*own, *beside) == both
    assert how_judged(both).startswith(
        "Each verdict is wrong with a probability of at most 3.75 %. Of 22 verdicts in every "
    )
    assert "; of 6 beside them 0.23. " in how_judged(both)


def test_the_order_that_claims_come_in_is_the_paper_s_first(studies):
    mixed = evaluate([*MATCHED_CLAIMS, *CLAIMS], studies)
    assert [finding.claim.id for finding in mixed] == [claim.id for claim in (*CLAIMS, *MATCHED_CLAIMS)]


def test_a_study_of_the_dense_network_alone_has_no_case():
    assert all(claim.cases(0) == () for claim in MATCHED_CLAIMS)


def test_a_baseline_at_one_loss_is_compared_with_the_last_level(studies):
    assert [case.place for case in claim_named("R3-matched").cases(LAST)] == [Place("one_shot", LAST)]
