"""What lines between copies say: barriers over seeds, the smallest stable step, and how sure it is."""

import numpy as np
import pytest

from lth.evidence.stability import Pair, Smallest, Stability, between, pair_table, summary_table
from lth.measure.interpolation import Interpolation
from lth.measure.kind.line import Line

END = 0.1  # error of both copies


def path(rise: float, loss: float | None = None) -> Interpolation:
    """Return a line of three points whose error and loss rise so much over the mean of its ends."""
    errors = np.array([END, END + rise, END])
    losses = np.array([1.0, 1.0 + (rise if loss is None else loss), 1.0])
    return Interpolation(np.linspace(0, 1, 3), losses, errors, losses, errors)


def stability(rises: dict[int, list[float]], level: int = 0, margin: float = 0.02, **given) -> Stability:
    """Return what the lines of some steps say, a rise a seed."""
    pairs = tuple(
        Pair(seed, level, 1.0, step, (1, 2), Line(path(rise), None))
        for step, of_seeds in rises.items()
        for seed, rise in enumerate(of_seeds)
    )
    return Stability(pairs, margin, **given)


@pytest.mark.parametrize(
    ("rises", "smallest"),
    [
        ({0: [0.3], 10: [0.01], 20: [0.0]}, Smallest(10, None, None)),  # one seed tells no interval
        ({0: [0.0], 10: [0.3], 20: [0.01]}, Smallest(20, None, None)),  # from there on, not there
        ({0: [0.3], 10: [0.3], 20: [0.02]}, Smallest(None, None, None)),  # at the margin is not below
        ({0: [0.3, 0.31, 0.29], 10: [0.0, 0.001, 0.002]}, Smallest(10, 10, 10)),
        ({0: [0.3, 0.31, 0.29], 5: [0.0, 0.02, 0.03], 10: [0.001, 0.0, 0.002]}, Smallest(5, 5, 10)),
        ({0: [0.0, 0.03, 0.04], 5: [0.0, 0.02, 0.03], 10: [0.0, 0.0, 0.03]}, Smallest(5, 0, None)),
        ({0: [0.3, 0.31, 0.29], 5: [0.3, 0.31, 0.29]}, Smallest(None, None, None)),
    ],
)
def test_the_smallest_stable_step_is_the_first_from_which_on_all_are(rises, smallest):
    assert stability(rises).smallest(0) == smallest


def test_what_is_recommended_is_shown_to_be_stable_under_every_level():
    sure = {0: [0.3, 0.3, 0.31], 5: [0.0, 0.02, 0.03], 10: [0.0, 0.001, 0.0], 20: [0.0, 0.0, 0.001]}
    later = {0: [0.3, 0.3, 0.31], 5: [0.3, 0.2, 0.3], 10: [0.3, 0.1, 0.2], 20: [0.0, 0.0, 0.001]}
    never = {step: [0.3, 0.2, 0.3] for step in sure}
    assert stability(sure).recommended == 10
    assert Stability(stability(sure).pairs + stability(later, level=3).pairs, 0.02).recommended == 20
    assert Stability(stability(sure).pairs + stability(never, level=3).pairs, 0.02).recommended is None
    assert stability({0: [0.3], 5: [0.01]}).recommended == 5


def test_a_line_that_is_not_finite_makes_a_step_unstable_whatever_the_others_say():
    broken = Pair(1, 0, 1.0, 10, (1, 2), Line(path(0.0, loss=np.inf), None))
    whole = stability({0: [0.3, 0.3], 10: [0.0], 20: [0.0, 0.001]})
    found = Stability((*whole.pairs, broken), 0.02)
    assert [found.verdict(0, step) for step in (0, 10, 20)] == ["unstable", "unstable", "stable"]
    assert found.smallest(0) == Smallest(20, 20, 20)


def test_a_seed_has_the_mean_over_the_lines_between_its_copies():
    lines = [Pair(0, 0, 1.0, 5, copies, Line(path(rise), None)) for copies, rise in LINES.items()]
    found = Stability(tuple(lines), 0.02)
    assert found.error_barrier(0, 5).mean == pytest.approx(sum(LINES.values()) / 3)
    assert [row[-4] for row in pair_table(found).rows] == pytest.approx(list(LINES.values()))


LINES = {(1, 2): 0.01, (1, 3): 0.02, (2, 3): 0.06}


def test_statistics_that_are_estimated_anew_have_a_verdict_of_their_own():
    pairs = [Pair(0, 0, 1.0, 5, (1, 2), Line(path(0.5), path(0.01)))]
    found = Stability(tuple(pairs), 0.02, chance=0.9)
    assert found.has_batchnorm
    assert (found.smallest(0).estimate, found.smallest(0, "anew").estimate) == (None, 5)
    assert found.rise_to_chance == pytest.approx(0.9 - END)
    (row,) = summary_table(found, {5: 0.5}).rows
    assert row[-3] == pytest.approx(0.01)


@pytest.mark.parametrize(
    ("below", "above", "count"), [(0, 1, 0), (0, 2, 1), (0, 100, 3), (99, 101, 1), (7, 900, 3)]
)
def test_steps_between_two_candidates_are_other_than_them_and_rise(below, above, count):
    found = between(below, above)
    assert len(found) == count
    assert found == sorted(set(found))
    assert all(below < step < above for step in found)
