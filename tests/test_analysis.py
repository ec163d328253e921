from functools import cache

import numpy as np
import pytest
import torch
from problems import SPEC, assert_same_weights, dense_solution, imp_solution, tiny_setting, training_data

from lth.analysis import PREVIOUS, PROJECTED, REVERSE, SOLUTION, LevelAnalysis, analyse_level
from lth.evaluate import Evaluator
from lth.measure.hessian import HessianOperator
from lth.measure.spectrum import leading_spectrum
from lth.network import build_network
from lth.space import LevelSpace

NETWORK = build_network(SPEC, 0)
DATA = training_data()
SETTING = tiny_setting(direction_norm="plain").analysis


@cache
def analysis(level: int) -> LevelAnalysis:
    previous = {0: None, 1: dense_solution(), 2: imp_solution(1)}[level]
    solution = dense_solution() if level == 0 else imp_solution(level)
    return analyse_level(NETWORK, solution, previous, DATA, SETTING, seed=0)


def test_level_zero_is_measured_alone():
    measured = analysis(0)
    assert set(measured.spectra) == set(measured.radii) == {SOLUTION}
    assert measured.line is None
    assert measured.density == 1
    assert not any("barrier" in name or "projected" in name for name in measured.metrics())


@pytest.mark.parametrize("level", [1, 2])
def test_two_points_of_a_space_share_cutoff_dimension_and_directions(level):
    radii = analysis(level).radii
    assert set(radii) == {SOLUTION, PROJECTED, REVERSE, PREVIOUS}
    for one, other in ((SOLUTION, PROJECTED), (REVERSE, PREVIOUS)):
        assert radii[one].cutoff == radii[other].cutoff
        assert radii[one].dimension == radii[other].dimension
        assert np.array_equal(radii[one].lengths, radii[other].lengths)
        worst = max(radii[one].loss, radii[other].loss)
        assert radii[one].cutoff == worst + SETTING.cutoff_margin
    assert radii[REVERSE].loss == radii[SOLUTION].loss  # the same point
    assert radii[REVERSE].dimension > radii[SOLUTION].dimension
    assert len(radii[SOLUTION].radii) == SETTING.directions


@pytest.mark.parametrize("level", [1, 2])
def test_each_point_is_measured_in_its_own_space(level):
    solution = imp_solution(level)
    previous = dense_solution() if level == 1 else imp_solution(1)
    examples = DATA.train.take(analysis(level).drawn)
    for suffix, point, mask in (
        (SOLUTION, solution.final, solution.mask),
        (PROJECTED, solution.mask.apply(previous.final), solution.mask),
        (REVERSE, solution.final, previous.mask),
    ):
        operator = HessianOperator(NETWORK, point, LevelSpace(mask, point), examples)
        expected = leading_spectrum(operator, SETTING.k, seed=0)
        assert np.array_equal(analysis(level).spectra[suffix].eigenvalues, expected.eigenvalues)
        assert analysis(level).radii[suffix].loss == Evaluator(NETWORK, examples)(point).loss


def test_line_ends_at_the_logged_losses_on_all_examples():
    line = analysis(1).line
    assert line is not None
    assert len(line.alphas) == SETTING.points
    assert line.train_loss[0] == dense_solution().history[-1].train.loss
    assert line.train_loss[-1] == imp_solution(1).history[-1].train.loss
    assert line.test_error[-1] == imp_solution(1).history[-1].test.error


def test_metrics_are_the_measured_numbers():
    measured, metrics = analysis(1), analysis(1).metrics()
    diagnostics = measured.diagnostics()
    assert all(np.isfinite(value) for value in metrics.values())
    for suffix in (SOLUTION, PROJECTED, REVERSE):
        expected = float(np.log(measured.spectra[suffix].eigenvalues).sum())
        assert metrics[f"landscape/log_eig_product{suffix}"] == pytest.approx(expected, rel=1e-12)
        assert diagnostics[f"solver/spectrum_converged{suffix}"] == measured.spectra[suffix].converged
    for suffix in (SOLUTION, PROJECTED, REVERSE, PREVIOUS):
        assert metrics[f"landscape/radius_mean{suffix}"] == measured.radii[suffix].radii.mean()
    assert diagnostics["solver/radius_cutoff"] == diagnostics["solver/radius_cutoff_projected"]
    assert diagnostics["solver/radius_cutoff_reverse"] == diagnostics["solver/radius_cutoff_previous"]
    assert metrics["landscape/barrier_loss"] >= 0


def test_interlacing_holds_between_the_metrics():
    for level in (1, 2):
        metrics = analysis(level).metrics()
        # Converged to relative residuals of 1e-3, each of the four eigenvalues errs by less than that.
        slack = 2 * SETTING.k * 1e-3
        assert metrics["landscape/log_eig_product"] <= metrics["landscape/log_eig_product_reverse"] + slack


def test_arrays_hold_every_raw_number():
    arrays = analysis(1).arrays()
    assert arrays["drawn_examples"].tolist() == sorted(set(arrays["drawn_examples"].tolist()))
    assert len(arrays["drawn_examples"]) == 20
    for suffix in (SOLUTION, PROJECTED, REVERSE):
        assert arrays[f"eigenvalues{suffix}"].shape == arrays[f"eigenvalue_residuals{suffix}"].shape == (4,)
    for suffix in (SOLUTION, PROJECTED, REVERSE, PREVIOUS):
        assert arrays[f"radii{suffix}"].shape == arrays[f"radii_censored{suffix}"].shape == (4,)
    assert arrays["line_train_loss"].shape == (5,)


def test_filter_normalised_directions_work_on_a_convolutional_network():
    setting = tiny_setting(direction_norm="filter").analysis
    measured = analyse_level(NETWORK, imp_solution(1), dense_solution(), DATA, setting, seed=0)
    assert all((radii.radii > 0).all() for radii in measured.radii.values())


def test_same_seed_gives_the_same_numbers():
    again = analyse_level(NETWORK, imp_solution(1), dense_solution(), DATA, SETTING, seed=0)
    for name, values in again.arrays().items():
        assert np.array_equal(values, analysis(1).arrays()[name]), name


def test_analysing_leaves_solutions_network_and_random_state_alone():
    solution, previous = imp_solution(1), dense_solution()
    before = [solution.final.map(torch.clone), previous.final.map(torch.clone)]
    state, network = torch.get_rng_state(), build_network(SPEC, 0).train()
    analyse_level(network, solution, previous, DATA, SETTING, seed=1)
    assert_same_weights(solution.final, before[0])
    assert_same_weights(previous.final, before[1])
    assert network.training
    assert torch.equal(torch.get_rng_state(), state)


def test_more_examples_or_eigenvalues_than_there_are_raise():
    with pytest.raises(ValueError, match="41 examples were asked for, but there are 40"):
        analyse_level(NETWORK, dense_solution(), None, DATA, tiny_setting(hessian_examples=41).analysis, seed=0)
    with pytest.raises(ValueError, match="k=243 eigenvalues of a matrix of side 242"):
        analyse_level(NETWORK, dense_solution(), None, DATA, tiny_setting(k=243).analysis, seed=0)
