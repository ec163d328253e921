"""Claims by local volume: beside seven of the paper, and without a value where both sides are bounds."""

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
    """Return the evidence with every volume at a point changed."""
    volumes = {
        job: {beside: change(each) for beside, each in found.items()} if job.point == point else found
        for job, found in evidence.volumes.items()
    }
    return with_results(evidence, volumes=volumes)


def heavy(volume):
    return replace(volume, log_volumes=volume.log_volumes + np.linspace(0, 300, len(volume.log_volumes)))


def censored(volume):
    return replace(volume, censored=np.arange(len(volume.censored)) < 1)


def moved(nats):
    return lambda volume: replace(volume, log_volumes=volume.log_volumes + nats)


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
def test_its_value_is_the_difference_a_dimension_under_one_cutoff(claim, studies):
    case = claim.cases(LAST)[-1]
    larger, smaller = pair_of(claim.beside, case)
    volumes = studies[0].volume(larger, smaller), studies[0].volume(smaller, larger)
    expected = volumes[0].estimate / volumes[0].dimension - volumes[1].estimate / volumes[1].dimension
    assert claim.statistic(studies[0], case) == pytest.approx(expected)


@pytest.mark.parametrize("bound", [heavy, censored])
@pytest.mark.parametrize("side", [0, 1])
@each_claim
def test_a_bound_has_a_difference_from_an_estimate_below_it_and_none_from_one_above(
    claim, side, bound, studies
):
    case = claim.cases(LAST)[-1]
    point = pair_of(claim.beside, case)[side]
    evidence = altered(studies[0], point, bound)
    assert claim.statistic(altered(evidence, point, moved(-9000)), case) is None
    above = claim.statistic(altered(evidence, point, moved(9000)), case)
    assert above is not None
    assert (above > 0) == (side == 0)


@each_claim
def test_two_bounds_have_no_difference_and_leave_the_claim_undecided(claim, studies):
    case, bounds = claim.cases(LAST)[-1], studies[0]
    for point in pair_of(claim.beside, case):
        bounds = altered(bounds, point, heavy)
    assert claim.statistic(bounds, case) is None
    (finding,) = evaluate([claim], [bounds, *studies[1:]])
    assert (finding.verdict, finding.num_missing > 0) == ("undecided", True)


def test_what_was_not_measured_has_no_value():
    assert VOLUME_CLAIMS[0].statistic(made_evidence(0, LAST), Case(Place.imp(1))) is None
