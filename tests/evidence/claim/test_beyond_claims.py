"""Claims of function space, sharpness and forecast: families of their own, by statistics that are known."""

import math
from dataclasses import replace

import numpy as np
import pytest
from made_evidence import made_evidence

from lth.evidence.claim import CLAIMS, FORECAST_CLAIMS, FUNCTION_CLAIMS, SHARPNESS_CLAIMS, claims_of, evaluate
from lth.evidence.claim.finding import families
from lth.plan.jobs import ForecastJob, FunctionJob, SharpnessJob
from lth.plan.place import Place, Point

LAST = 2
FAMILIES = {"function": FUNCTION_CLAIMS, "sharpness": SHARPNESS_CLAIMS, "forecast": FORECAST_CLAIMS}
EVERY = [claim for claims in FAMILIES.values() for claim in claims]


@pytest.fixture(scope="module")
def studies():
    return [made_evidence(seed, LAST, beyond=tuple(FAMILIES)) for seed in range(3)]


def by_id(name):
    (found,) = [claim for claim in EVERY if claim.id == name]
    return found


def altered(evidence, kind, change):
    """Return the evidence with every measurement of a kind changed."""
    measured = {
        job: change(job, each) if isinstance(job, kind) else each for job, each in evidence.measured.items()
    }
    return replace(evidence, measured=measured)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_study_is_judged_by_them_if_it_measures_them_and_beside_the_paper(name):
    setting = made_evidence(0, LAST, beyond=(name,)).setting
    assert [claim.id for claim in claims_of(setting)] == [claim.id for claim in (*CLAIMS, *FAMILIES[name])]
    paper = {claim.id for claim in CLAIMS}
    for claim in FAMILIES[name]:
        assert (claim.family, claim.beside in paper) == (name, True)
        assert "arXiv" in claim.rule


@pytest.mark.parametrize(
    "claim", [claim for claim in EVERY if claim.id != "S-generalisation"], ids=lambda c: c.id
)
def test_each_is_supported_where_it_holds_and_adjusted_within_its_family(claim, studies):
    findings = evaluate([*CLAIMS, *EVERY], studies)
    (own,) = [family for family in families(findings) if claim.id in {each.claim.id for each in family}]
    assert {each.claim.family for each in own} == {claim.family}
    (finding,) = [each for each in own if each.claim is claim]
    assert finding.verdict == "supported"


@pytest.mark.parametrize("claim", EVERY, ids=lambda claim: claim.id)
def test_what_was_not_measured_has_no_value(claim):
    evidence = made_evidence(0, LAST)
    assert [claim.statistic(evidence, case) for case in claim.cases(LAST)] == [None] * len(claim.cases(LAST))


@pytest.mark.parametrize("claim", FUNCTION_CLAIMS, ids=lambda claim: claim.id)
def test_a_network_that_does_not_classify_has_no_disagreement(claim, studies):
    def outputs_alone(_job, found):
        return replace(
            found, functions=replace(found.functions, disagreement=math.nan * found.functions.disagreement)
        )

    evidence = altered(studies[0], FunctionJob, outputs_alone)
    assert all(claim.statistic(evidence, case) is None for case in claim.cases(LAST))


def test_relearning_is_how_much_less_w_n_disagrees_with_what_it_was_pruned_from(studies):
    def disagree(_job, found):
        share = np.zeros_like(found.functions.disagreement)
        for place, value in ((Place.imp(LAST), 0.02), (Place("random_init", LAST), 0.05)):
            pair = found.places.index(place), found.places.index(Place.imp(LAST - 1))
            share[pair] = share[pair[::-1]] = value
        return replace(found, functions=replace(found.functions, disagreement=share))

    claim = by_id("F-relearning")
    evidence = altered(studies[0], FunctionJob, disagree)
    assert claim.statistic(evidence, *claim.cases(LAST)) == pytest.approx(0.03)


@pytest.mark.parametrize(("height", "value"), [(math.e, 1.0), (1.0, 0.0), (-1.0, None), (math.nan, None)])
def test_sharpness_is_compared_by_the_logarithm_of_its_average(height, value, studies):
    def of(job, found):
        return replace(found, gaussian=(height if job.point.form == "projection" else 1.0) + 0 * found.gaussian)

    claim = by_id("R1a-sharpness")
    found = claim.statistic(altered(studies[0], SharpnessJob, of), claim.cases(LAST)[0])
    assert found == (None if value is None else pytest.approx(value))


@pytest.mark.parametrize(("sign", "tau"), [(1, 1.0), (-1, -1.0), (0, None)])
def test_generalisation_is_the_rank_correlation_with_the_gap_between_losses(sign, tau, studies):
    evidence = studies[0]
    gap = {
        place: end.history[-1].test.loss - end.history[-1].train.loss
        for place, end in evidence.attained.items()
    }

    def of(job, found):
        return replace(found, worst_2=1 + sign * gap[job.point.place] + 0 * found.worst_2)

    claim = by_id("S-generalisation")
    assert claim.statistic(altered(evidence, SharpnessJob, of), *claim.cases(LAST)) == (
        None if tau is None else pytest.approx(tau)
    )


@pytest.mark.parametrize(
    ("measured", "forecast", "value"),
    [
        (1.0, 1.0, math.log(2)),
        (1.0, 0.25, 0.0),  # the forecast leaves at twice the share
        (1.0, 0.0, None),  # it never leaves, and says nothing of a share that is more than half
        (9.0, 0.0, -1.0),  # it never leaves, where the loss does early
    ],
)
def test_a_forecast_is_compared_with_the_share_at_which_the_loss_leaves_the_set(
    measured, forecast, value, studies
):
    shares = np.linspace(0.001, 0.999, 999)
    cutoff = studies[0].sublevel_cutoff
    bend = (cutoff - 0.01) / 0.45**2 if forecast == 0.25 else (cutoff - 0.01) / 0.8**2

    def of(_job, found):
        rise = bend * shares**2
        return replace(found, pruned=shares, loss=0.01 + measured * rise, quadratic=forecast * rise)

    claim = by_id("P-limit")
    found = claim.statistic(altered(studies[0], ForecastJob, of), claim.cases(LAST)[0])
    if value == -1.0:
        assert found < 0
    else:
        assert found == (None if value is None else pytest.approx(value, abs=1e-3))


def test_a_forecast_is_of_the_level_that_is_pruned(studies):
    claim = by_id("P-limit")
    without = {
        job: each for job, each in studies[0].measured.items() if job != ForecastJob(Point.at(Place.imp(0)))
    }
    found = [claim.statistic(replace(studies[0], measured=without), case) for case in claim.cases(LAST)]
    assert [value is None for value in found] == [True, False]
