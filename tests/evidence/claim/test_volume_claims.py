"""Claims by the mass of basins: beside seven of the paper, and without a value where both sides are bounds."""

import math
from dataclasses import replace

import numpy as np
import pytest
from made_evidence import made_evidence, with_results

from lth.evidence.claim import CLAIMS, VOLUME_CLAIMS, Case, claims_of, evaluate
from lth.evidence.claim.volume import pair_of
from lth.plan.place import Place

LAST = 2
each_claim = pytest.mark.parametrize("claim", VOLUME_CLAIMS, ids=lambda claim: claim.id)


@pytest.fixture(scope="module")
def studies():
    return [made_evidence(seed, LAST, beyond=("volume",)) for seed in range(3)]


def altered(evidence, point, change):
    """Return the evidence with the loss under noise at a point changed."""
    masses = dict(evidence.masses)
    return with_results(evidence, masses={**masses, point: change(masses[point])})


def bounded(noisy):
    return replace(noisy, ends=noisy.ends + 1.0)


def diverged(noisy):
    return replace(noisy, loss=math.nan)


def shrunk(noisy):
    """The basin is some forty nats smaller."""
    more = np.full(4 * 600, noisy.levels.max())
    return replace(
        noisy,
        levels=np.concatenate([noisy.levels, more]),
        run=np.concatenate([noisy.run, np.arange(len(more)) % 4]),
    )


def test_they_stand_beside_seven_claims_of_the_paper():
    names = ("R1a", "R1c", "R2b", "R3", "R6a", "R6b", "R7")
    assert [claim.id for claim in VOLUME_CLAIMS] == [f"{name}-volume" for name in names]
    assert [claim.beside for claim in VOLUME_CLAIMS] == list(names)


@pytest.mark.parametrize(("beyond", "claims"), [((), CLAIMS), (("volume",), (*CLAIMS, *VOLUME_CLAIMS))])
def test_a_study_is_judged_by_them_if_it_measures_volumes(beyond, claims):
    judged = claims_of(made_evidence(0, 2, beyond=beyond).setting)
    assert [each.id for each in judged] == [each.id for each in claims]


@each_claim
def test_each_has_the_cases_of_the_paper_s_and_is_supported_where_it_holds(claim, studies):
    (own,) = [each for each in CLAIMS if each.id == claim.beside]
    assert claim.cases(LAST) == own.cases(LAST)
    (finding,) = evaluate([claim], studies)
    assert finding.verdict == "supported"
    assert finding.num_measured == 3 * len(claim.cases(LAST))


@each_claim
def test_its_value_is_the_difference_of_the_logarithms_under_one_cutoff(claim, studies):
    case = claim.cases(LAST)[-1]
    pair = pair_of(claim.beside, case)
    margin = studies[0].setting.analysis.cutoff_margin
    for worse in (0, 1):  # of the two, whose loss decides the cutoff
        evidence = altered(studies[0], pair[worse], lambda noisy: replace(noisy, loss=0.5))
        larger, smaller = (evidence.masses[point].under(0.5 + margin).estimate for point in pair)
        assert claim.statistic(evidence, case) == pytest.approx(larger - smaller)


@pytest.mark.parametrize("side", [0, 1])
@each_claim
def test_a_bound_has_a_difference_from_what_is_surely_larger_and_none_from_what_may_not_be(
    claim, side, studies
):
    case = claim.cases(LAST)[-1]
    pair = pair_of(claim.beside, case)
    evidence = altered(studies[0], pair[side], bounded)
    other = altered(evidence, pair[1 - side], shrunk)
    assert claim.statistic(other, case) is None
    below = claim.statistic(altered(evidence, pair[side], shrunk), case)
    assert below is not None
    assert (below > 0) == (side == 1)


@each_claim
def test_two_bounds_have_no_difference_and_leave_the_claim_undecided(claim, studies):
    case, bounds = claim.cases(LAST)[-1], studies[0]
    for point in pair_of(claim.beside, case):
        bounds = altered(bounds, point, bounded)
    assert claim.statistic(bounds, case) is None
    (finding,) = evaluate([claim], [bounds, *studies[1:]])
    assert (finding.verdict, finding.num_missing > 0) == ("undecided", True)


@each_claim
def test_a_point_that_diverged_is_not_compared(claim, studies):
    case = claim.cases(LAST)[-1]
    for point in pair_of(claim.beside, case):
        assert claim.statistic(altered(studies[0], point, diverged), case) is None


def test_what_was_not_measured_has_no_value():
    assert VOLUME_CLAIMS[0].statistic(made_evidence(0, LAST), Case(Place.imp(1))) is None
