import numpy as np
import pytest
from scipy.stats import ttest_1samp

from lth.evidence.certainty import ALPHA
from lth.evidence.looks import Look, look_at, looks_before, spent


@pytest.mark.parametrize("sizes", [(3, 5, 7, 10, 15), (2, 3, 4, 5, 6, 7, 8), (20,), (10, 1000)])
def test_looks_at_a_study_that_grows_spend_less_than_alpha_together(sizes):
    reports = [list(range(size)) for size in sizes]
    looks = [look_at(reports[:index], report) for index, report in enumerate(reports)]
    assert [look.number for look in looks] == list(range(1, len(sizes) + 1))
    assert sum(look.error for look in looks) == pytest.approx(spent(sizes[-1]))
    assert spent(sizes[-1]) < ALPHA
    assert all(look.error > 0 for look in looks)


def test_a_study_that_is_looked_at_once_keeps_most_of_alpha():
    assert [look_at([], range(seeds)).error / ALPHA for seeds in (2, 3, 5, 10)] == pytest.approx(
        [1 / 2, 3 / 4, 7 / 8, 17 / 18]
    )


@pytest.mark.parametrize(
    ("earlier", "seeds", "look"),
    [
        ([], [0, 1, 2], Look(1, 0, 3)),
        ([[0, 1, 2]], [0, 1, 2, 3, 4], Look(2, 3, 5)),
        ([[0, 1, 2], [0, 1, 2, 3, 4]], [2, 0, 1], Look(1, 0, 3)),  # the same report again
        ([[0, 1, 2], [0, 1, 2], [2, 1, 0]], [5, 6], Look(2, 3, 5)),
        ([[0], [1], []], [0, 1], Look(1, 0, 2)),  # one seed decides nothing
        ([[0, 1]], [0], Look(2, 2, 2)),
        ([[0, 1, 2, 3]], [1, 3], Look(2, 4, 4)),
        ([[0]], [1, 2, 3], Look(1, 0, 3)),  # leaves out one that was seen alone, and chose none of the others
        ([[0], [1], [2], [3], [4]], [3, 4, 5], Look(1, 0, 0)),
    ],
)
def test_a_look_is_a_report_with_another_set_of_seeds_that_could_decide(earlier, seeds, look):
    assert look_at(earlier, seeds) == look


@pytest.mark.parametrize("seeds", [[1, 3], [0, 1, 2], [3, 0]])
def test_a_choice_among_seeds_that_were_seen_has_no_error_to_spend(seeds):
    assert look_at([[0, 1, 2, 3]], seeds).error == 0


def test_a_choice_among_seeds_that_were_each_reported_alone_has_no_error_to_spend():
    alone = [[seed] for seed in range(10)]
    assert look_at(alone, [3, 5, 7]).error == 0
    assert look_at(alone, range(10)) == look_at([], range(10)), "all of them is no choice"
    assert look_at(alone, range(8, 12)).error == 0
    assert [look_at(alone, seeds).alone for seeds in (range(10), range(8, 12), range(20, 30))] == [10, 2, 0]


@pytest.mark.parametrize("seeds", [[3, 4, 5, 10], [0, 10, 11, 12], range(1, 15)])
def test_new_seeds_beside_a_choice_among_those_seen_leave_no_error_to_spend(seeds):
    assert look_at([range(10)], seeds).error == 0
    assert look_at([range(10)], [10, 11]).error > 0, "others alone are no choice"
    assert look_at([range(10)], range(15)).error > 0, "nor are all of them and more"


def test_the_looks_that_stand_are_those_before_it_over_some_of_its_seeds():
    earlier = [[0, 1], [1], [4, 5], [1, 0], [0, 1, 2]]
    assert looks_before(earlier, [0, 1, 2, 3]) == [(0, 1), (0, 1, 2)]
    assert looks_before(earlier, [0, 1, 2]) == [(0, 1)], "a report over the same seeds is that look"
    assert looks_before(earlier, [0, 1]) == []
    assert looks_before(earlier, [1, 2]) == []


def test_the_next_look_has_what_its_new_seeds_add():
    now = look_at([[0, 1]], [0, 1, 2])
    assert now.error_with(2) == pytest.approx(look_at([[0, 1], [0, 1, 2]], range(5)).error)
    assert now.error_with(0) == 0


def test_five_looks_at_growing_seeds_err_at_most_as_often_as_one_may():
    draws = np.random.default_rng(0).normal(size=(4000, 15))
    sizes = (3, 5, 7, 10, 15)
    p = np.array([ttest_1samp(draws[:, :seeds], 0, axis=1, alternative="greater").pvalue for seeds in sizes])
    looks = [look_at([range(each) for each in sizes[:index]], range(size)) for index, size in enumerate(sizes)]
    spending = np.array([look.error for look in looks])[:, None]
    tolerance = 3 * np.sqrt(ALPHA * (1 - ALPHA) / 4000)
    assert (p <= ALPHA).any(axis=0).mean() > 2 * ALPHA  # what it mends
    assert (p <= spending).any(axis=0).mean() <= ALPHA + tolerance


@pytest.mark.parametrize("seeds", [-1, -2, -10])
def test_fewer_seeds_than_none_are_refused(seeds):
    with pytest.raises(ValueError, match="at least 0"):
        spent(seeds)


def test_a_verdict_that_stands_errs_no_more_often_than_all_looks_may_and_loses_no_power():
    draws = np.random.default_rng(1).normal(size=(4000, 10))
    sizes = (3, 5, 10)
    errors = [
        look_at([range(each) for each in sizes[:index]], range(size)).error for index, size in enumerate(sizes)
    ]

    def decided(effect):
        values = draws + effect
        p = [ttest_1samp(values[:, :size], 0, axis=1, alternative="greater").pvalue for size in sizes]
        return [each <= error for each, error in zip(p, errors, strict=True)]

    wrong = np.any(decided(0.0), axis=0).mean()
    assert wrong <= spent(10) + 3 * np.sqrt(ALPHA * (1 - ALPHA) / 4000)
    strong = decided(2.0)
    assert np.any(strong, axis=0).mean() >= max(each.mean() for each in strong)
