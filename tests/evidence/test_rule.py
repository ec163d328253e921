"""The rule of a verdict. Numbers of statsmodels 0.15 are pinned, so that the tests need no statsmodels."""

import numpy as np
import pytest

from lth.evidence.certainty import estimate_mean
from lth.evidence.rule import holm, judge_every, judge_mean

ALPHA = 0.05
SHAPE = np.array([-1.0, 0.2, 0.8])  # of three seeds around their mean: s = 0.917


def cases(*effects):
    """Cases whose mean is so many standard deviations above zero."""
    shape = SHAPE / SHAPE.std(ddof=1)
    return [estimate_mean((effect + shape).tolist()) for effect in effects]


@pytest.mark.parametrize(
    ("p_values", "expected"),  # statsmodels.stats.multitest.multipletests(p_values, method="holm")
    [
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),
        ([0.2, 0.001, 0.6, 0.04, 0.04], [0.4, 0.005, 0.6, 0.16, 0.16]),
        ([0.9, 0.95], [1.0, 1.0]),
        ([0.03], [0.03]),
        ([], []),
    ],
)
def test_holm_is_that_of_statsmodels(p_values, expected):
    assert holm(p_values) == pytest.approx(expected)


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
def test_what_is_no_probability_is_refused(p):
    with pytest.raises(ValueError, match="p value"):
        holm([0.5, p])


@pytest.mark.parametrize("count", [1, 2, 10])
def test_ten_cases_that_each_hold_support_a_claim_as_one_does(count):
    judgement = judge_every(cases(*[2.0] * count), ALPHA)
    (alone,) = cases(2.0)
    assert (judgement.verdict, judgement.by_case) == ("supported", ("supported",) * count)
    assert judgement.p_supported == alone.p_above < ALPHA


@pytest.mark.parametrize("weak", [1.0, 0.0, -1.0])
def test_one_case_that_does_not_hold_alone_leaves_the_claim_undecided_with_its_p(weak):
    judgement = judge_every(cases(3.0, weak, 50.0), ALPHA)
    assert judgement.verdict == "undecided"
    assert judgement.p_supported == cases(weak)[0].p_above


@pytest.mark.parametrize("others", [0, 1, 9])
def test_a_case_against_refutes_with_its_p_times_the_number_of_cases(others):
    judgement = judge_every(cases(*[5.0] * others, -9.0), ALPHA)
    assert judgement.verdict == "refuted"
    assert judgement.p_refuted == pytest.approx((others + 1) * cases(-9.0)[0].p_below)
    assert judgement.by_case[-1] == "refuted"


def test_later_steps_of_holm_say_which_cases():
    judgement = judge_every(cases(-20.0, -4.0, -2.0, 20.0), ALPHA)
    assert judgement.by_case == ("refuted", "refuted", "undecided", "supported")


@pytest.mark.parametrize("effect", [1.8, 3.0, -1.8])
def test_alpha_is_whole_on_either_side(effect):
    verdict = {True: "supported", False: "refuted"}[effect > 0]
    assert judge_mean(cases(effect)[0], ALPHA) == verdict
    assert judge_mean(cases(effect)[0], cases(abs(effect))[0].p_above * 0.99) == "undecided"


@pytest.mark.parametrize("missing", [[1.0, 1.1, None], [None, None, None], [None, -9.0, -9.1]])
def test_a_case_with_a_seed_that_has_no_value_decides_nothing_itself(missing):
    untestable = estimate_mean(missing)
    assert judge_every([*cases(9.0), untestable], ALPHA).by_case == ("supported", "undecided")
    assert judge_every([*cases(9.0), untestable], ALPHA).verdict == "undecided"
    assert judge_every([*cases(-9.0), untestable], ALPHA).verdict == "refuted"


@pytest.mark.parametrize("nothing", [[], [estimate_mean([1.0])], [estimate_mean([1.0]), estimate_mean([None])]])
def test_without_a_case_that_can_be_tested_nothing_is_decided(nothing):
    judgement = judge_every(nothing, ALPHA)
    assert (judgement.verdict, judgement.p) == ("undecided", None)
    assert judgement.by_case == ("undecided",) * len(nothing)


def verdicts(means, *, studies=2000, seeds=3, seed=0):
    """Judge studies whose neighbouring cases share a solution with opposite sign, as successive levels do."""
    noise = np.random.default_rng(seed).normal(size=(studies, seeds, len(means) + 1))
    values = np.asarray(means) + (noise[:, :, 1:] - noise[:, :, :-1]) / np.sqrt(2)
    return [judge_every([estimate_mean(case.tolist()) for case in study.T], ALPHA).verdict for study in values]


@pytest.mark.parametrize("means", [[0.0], [0.0, 30.0, 30.0], [0.0, 0.0, 30.0]])
def test_a_claim_that_fails_in_a_case_is_supported_at_most_as_often_as_alpha_says(means):
    assert np.mean([verdict == "supported" for verdict in verdicts(means)]) <= ALPHA + 0.0147


@pytest.mark.parametrize("means", [[1e-9], [1e-9] * 3, [1e-9, 30.0, 1e-9]])
def test_a_claim_that_just_holds_everywhere_is_refuted_at_most_as_often_as_alpha_says(means):
    assert np.mean([verdict == "refuted" for verdict in verdicts(means)]) <= ALPHA + 0.0147
