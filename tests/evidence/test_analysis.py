from functools import cache

import numpy as np
import pytest
import torch
from problems import SPEC, dense_solution, imp_solution, tiny_setting, training_data

from lth.evidence.analysis import PREVIOUS, PROJECTED, REVERSE, SOLUTION, LevelAnalysis, analysis_from
from lth.measure.curvature.hessian import HessianOperator
from lth.measure.curvature.spectrum import leading_spectrum
from lth.measure.kind.survey import perform
from lth.measure.packed import Packed, pack
from lth.measure.surveyor import Surveyor
from lth.network import build_network
from lth.network.space import LevelSpace
from lth.plan.jobs import MEASURES, Measure, chosen, level_jobs
from lth.plan.place import Place
from lth.setting.setting import Setting
from lth.solution.solution import Solution
from lth.training.evaluate import Evaluator

NETWORK = build_network(SPEC, 0)
DATA = training_data()
WHOLE = tiny_setting(direction_norm="plain")
SETTING = WHOLE.analysis


def load(place: Place) -> Solution:
    return dense_solution() if place.level == 0 else imp_solution(place.level)


def measure(level: int, setting: Setting, measures: tuple[Measure, ...] = MEASURES) -> LevelAnalysis:
    surveyor = Surveyor(NETWORK, DATA, setting.analysis, seed=0)
    jobs = chosen(level_jobs(level), measures)
    measured = {job: Packed(pack(perform(job, load, surveyor, NETWORK, setting))) for job in jobs}
    density = load(Place("imp", level)).density
    return analysis_from(
        level, density, measured, setting.analysis.direction_norm, torch.tensor(surveyor.positions)
    )


@cache
def analysis(level: int) -> LevelAnalysis:
    return measure(level, WHOLE)


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


def test_the_line_with_statistics_estimated_anew_is_another():
    measured = analysis(1)
    assert measured.line is not None
    assert measured.line_anew is not None
    assert np.array_equal(measured.line.alphas, measured.line_anew.alphas)
    assert not np.array_equal(measured.line.train_loss, measured.line_anew.train_loss)
    assert "landscape/barrier_loss_anew" in measured.metrics()


def test_filter_normalised_directions_work_on_a_convolutional_network():
    measured = measure(1, tiny_setting(direction_norm="filter"), ("radii",))
    assert all((radii.radii > 0).all() for radii in measured.radii.values())
    assert not np.allclose(measured.radii[SOLUTION].lengths, 1)


def test_a_part_of_the_measures_gives_a_part_of_the_numbers():
    measured = measure(1, WHOLE, ("lines",))
    assert not measured.spectra
    assert not measured.radii
    assert {name.split("/")[1][:7] for name in measured.metrics()} == {"barrier"}


def test_same_seed_gives_the_same_numbers():
    for name, values in measure(1, WHOLE).arrays().items():
        assert np.array_equal(values, analysis(1).arrays()[name]), name
