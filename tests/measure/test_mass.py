"""Masses of basins that are known on paper in any dimension, and what is said of those that are too small."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.optimize import brentq
from scipy.stats import chi2

from lth.errors import InputError
from lth.measure.mass import NoisyLoss, noisy_loss


def bowl(constrained):
    """½ ‖x‖² of the first coordinates; the others are flat."""
    return lambda steps: [float(x[:constrained].double() @ x[:constrained].double()) / 2 for x in steps]


def measured(losses, cutoff, dimension, *, draws=16, seed=0, sigma=1.0):
    return noisy_loss(losses, dimension, sigma, cutoff, loss_at_point=0.0, draws=draws, seed=seed)


def cutoff_of(log_mass, constrained):
    """So that the first coordinates of a standard normal stay under it with this probability (χ²)."""
    return brentq(lambda c: chi2.logcdf(2 * c, constrained) - log_mass, 1e-20, 3 * constrained)


def made(counts, ends=0.5, particles=25):
    run = np.repeat(np.arange(len(counts)), counts)
    return NoisyLoss(
        levels=np.full(len(run), 2.0),
        run=run,
        ends=np.full(len(counts), ends),
        particles=particles,
        sigma=1.0,
        lowest=1.0,
        loss=0.0,
        dimension=3,
        accepted=0.4,
        num_evaluations=100,
    )


@pytest.mark.parametrize(
    ("log_mass", "constrained", "dimension"), [(-0.01, 3, 5), (-1.0, 1, 2), (-2.0, 30, 30), (-3.0, 5, 300)]
)
def test_the_mass_of_a_bowl_is_that_of_chi_squared(log_mass, constrained, dimension):
    cutoff = cutoff_of(log_mass, constrained)
    masses = [measured(bowl(constrained), cutoff, dimension, seed=seed).under(cutoff) for seed in range(3)]
    inside = [mass.interval[0] <= log_mass <= mass.interval[1] for mass in masses]
    assert all(mass.is_estimated for mass in masses)
    assert sum(inside) >= 2
    error = math.sqrt(-log_mass / 16 / 3)
    assert np.mean([mass.estimate for mass in masses]) == pytest.approx(log_mass, abs=4 * error)


def test_one_way_down_tells_of_every_larger_cutoff():
    cutoffs = {log_mass: cutoff_of(log_mass, 10) for log_mass in (-3.0, -2.0, -1.0)}
    found = measured(bowl(10), cutoffs[-3.0], 20, draws=40)
    for log_mass, cutoff in cutoffs.items():
        low, high = found.under(cutoff).interval
        assert low <= log_mass <= high
        assert high - low < 3


@pytest.mark.parametrize("sigma", [0.1, 3.0])
def test_a_window_that_is_wider_holds_the_same_basin_as_one_that_is_scaled(sigma):
    scaled = measured(lambda steps: bowl(4)([x / sigma for x in steps]), 0.5, 6, sigma=sigma)
    assert scaled.under(0.5).estimate == measured(bowl(4), 0.5, 6).under(0.5).estimate


def test_a_basin_that_holds_the_window_has_the_mass_of_all_of_it():
    mass = measured(lambda steps: [0.0 for _ in steps], 0.1, 3).under(0.1)
    assert (mass.estimate, mass.interval[1], mass.is_estimated) == (0.0, 0.0, True)
    assert -0.3 < mass.interval[0] < 0


@pytest.mark.parametrize("outside", [math.inf, math.nan, 7.0])
def test_a_basin_that_no_draw_finds_is_told_by_an_upper_bound(outside):
    found = measured(lambda steps: [outside for _ in steps], 0.1, 3)
    mass = found.under(0.1)
    assert (mass.is_estimated, mass.interval[0]) == (False, -math.inf)
    assert mass.interval[1] == mass.estimate <= 0


def test_a_mass_that_is_too_small_is_told_by_how_small_it_is_at_most():
    found = measured(bowl(3), cutoff_of(-40.0, 3), 3, draws=24)
    mass = found.under(found.lowest)
    assert not mass.is_estimated
    assert -16 < mass.estimate < -8
    assert found.under(cutoff_of(-2.0, 3)).is_estimated


def test_runs_that_differ_by_more_than_chance_widen_the_interval():
    alike, apart = made([50, 52, 48, 50]).under(1.0), made([20, 80, 30, 70]).under(1.0)
    assert alike.estimate == apart.estimate == pytest.approx(-2.0)
    widths = [mass.interval[1] - mass.interval[0] for mass in (alike, apart)]
    assert widths[0] == pytest.approx(2 * 1.96 * math.sqrt(200) / 100, rel=0.05)
    assert widths[1] > 3 * widths[0]


FLAT = {
    "half of it": (lambda step: 1.0 if step[0] > 0 else 0.0, 0.5),
    "infinite but for a tenth": (lambda step: 0.0 if chi2.cdf(float(step[0]) ** 2, 1) < 0.1 else math.inf, 0.1),
    "not a number for half": (lambda step: math.nan if step[0] > 0 else 0.0, 0.5),
}


@pytest.mark.parametrize(("loss", "share"), FLAT.values(), ids=FLAT)
def test_where_the_loss_is_flat_or_not_finite_the_mass_is_the_share_that_is_under_the_cutoff(loss, share):
    found = measured(lambda steps: [loss(step) for step in steps], 0.5, 1, draws=200).under(0.5)
    assert found.is_estimated
    assert found.interval[0] < math.log(share) < found.interval[1]


@pytest.mark.parametrize(("sigma", "cutoff"), [(0.0, 1.0), (-1.0, 1.0), (math.inf, 1.0), (1.0, math.nan)])
def test_a_width_that_is_none_and_a_cutoff_that_is_no_number_are_refused(sigma, cutoff):
    with pytest.raises(InputError, match=f"sigma={sigma} and cutoff={cutoff}"):
        noisy_loss(lambda steps: [0.0 for _ in steps], 1, sigma, cutoff, loss_at_point=0.0, draws=8, seed=0)


def test_what_can_not_be_measured_is_said():
    with pytest.raises(ValueError, match="above the cutoff"):
        noisy_loss(bowl(1), 1, 1.0, 0.1, loss_at_point=0.2, draws=40, seed=0)
    with pytest.raises(ValueError, match="at least 8"):
        measured(bowl(1), 0.1, 1, draws=7)


def test_a_point_that_diverged_has_the_mass_of_nothing_known():
    found = noisy_loss(bowl(2), 2, 1.0, math.nan, loss_at_point=math.nan, draws=8, seed=0)
    assert not found.under(found.lowest).is_estimated
    assert len(found.levels) == 0


def test_draws_leave_the_random_numbers_of_others_alone():
    before = torch.random.get_rng_state()
    measured(bowl(2), 0.5, 3, draws=8)
    assert torch.equal(before, torch.random.get_rng_state())


def test_a_narrower_window_is_told_in_which_a_basin_that_was_not_seen_has_a_mass_of_three_nats():
    cutoff = cutoff_of(-40.0, 3)
    found = measured(bowl(3), cutoff, 3, draws=200)
    assert not found.under(cutoff).is_estimated
    sigma = found.narrower(cutoff)
    assert chi2.logcdf(2 * cutoff / sigma**2, 3) == pytest.approx(-3.0, abs=0.5)


def test_a_window_that_shows_enough_is_not_narrowed():
    found = measured(bowl(3), cutoff_of(-1.0, 3), 3)
    assert found.narrower(found.lowest) == found.sigma


def test_where_no_loss_is_finite_no_window_is_told():
    assert measured(lambda steps: [math.inf for _ in steps], 0.1, 3).narrower(0.1) is None


def test_where_most_losses_are_infinite_the_highest_of_the_others_tells_the_window():
    made_up = replace(made([100] * 4), levels=np.repeat([math.inf, 4.0, 2.0], [350, 25, 25]))
    assert made_up.narrower(1.0) == 0.5
