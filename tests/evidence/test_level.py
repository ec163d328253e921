"""What is known of a level: measured by its jobs, and read off partial evidence."""

from functools import cache

import numpy as np
import pytest
from problems import SPEC, dense_solution, imp_solution, tiny_setting, training_data

from lth.evidence.evidence import Evidence
from lth.evidence.level import level_numbers, suffixes
from lth.measure.curvature.hessian import HessianOperator
from lth.measure.curvature.spectrum import leading_spectrum
from lth.measure.kind.site import Site
from lth.measure.kind.take import read, take
from lth.measure.packed import Packed, pack
from lth.measure.surveyor import Surveyor
from lth.network import build_network
from lth.network.space import LevelSpace
from lth.plan.jobs import MEASURES, Measure, chosen, level_jobs, successive_line
from lth.plan.place import Place, Point
from lth.setting.setting import Setting
from lth.solution.solution import Solution
from lth.training.evaluate import Evaluator

NETWORK = build_network(SPEC, 0)
DATA = training_data()
WHOLE = tiny_setting(direction_norm="plain")
SETTING = WHOLE.analysis


def load(place: Place) -> Solution:
    return dense_solution() if place.level == 0 else imp_solution(place.level)


def surveyor() -> Surveyor:
    return Surveyor(NETWORK, DATA, SETTING.hessian_examples, seed=0)


def measure(level: int, setting: Setting, measures: tuple[Measure, ...] = MEASURES) -> Evidence:
    measured = {
        job: read(Packed(pack(take(job, Site(load, surveyor(), setting.deciding(job.measure))))), job)
        for job in chosen(level_jobs(level), measures)
    }
    return Evidence(setting, level, {}, measured, runs={})


@cache
def analysis(level: int) -> Evidence:
    return measure(level, WHOLE)


def spectra(level: int) -> dict:
    """Return the spectra of a level by the suffix of their metrics."""
    found, suffix = analysis(level).curvature, suffixes(level)
    return {suffix[point]: found[point].spectrum for point in suffix if point in found}


def radii(level: int) -> dict:
    return {suffix: analysis(level).radii_at(level, point) for point, suffix in suffixes(level).items()}


def test_level_zero_is_measured_alone():
    assert set(spectra(0)) == set(radii(0)) == {""}
    assert not analysis(0).lines
    assert not any("barrier" in name or "projected" in name for name in level_numbers(analysis(0), 0))


@pytest.mark.parametrize("level", [1, 2])
def test_two_points_of_a_space_share_cutoff_dimension_and_directions(level):
    found = radii(level)
    assert set(found) == {"", "_projected", "_reverse", "_previous"}
    for one, other in (("", "_projected"), ("_reverse", "_previous")):
        assert found[one].cutoff == found[other].cutoff
        assert found[one].dimension == found[other].dimension
        assert np.array_equal(found[one].lengths, found[other].lengths)
        worst = max(found[one].loss, found[other].loss)
        assert found[one].cutoff == worst + SETTING.cutoff_margin
    assert found["_reverse"].loss == found[""].loss  # the same point
    assert found["_reverse"].dimension > found[""].dimension
    assert len(found[""].radii) == SETTING.directions


@pytest.mark.parametrize("level", [1, 2])
def test_each_point_is_measured_in_its_own_space(level):
    solution = imp_solution(level)
    previous = dense_solution() if level == 1 else imp_solution(1)
    examples = surveyor().examples
    for suffix, point, mask in (
        ("", solution.final, solution.mask),
        ("_projected", solution.mask.apply(previous.final), solution.mask),
        ("_reverse", solution.final, previous.mask),
    ):
        operator = HessianOperator(NETWORK, point, LevelSpace(mask, point), examples)
        expected = leading_spectrum(operator, SETTING.k, seed=0)
        assert np.array_equal(spectra(level)[suffix].eigenvalues, expected.eigenvalues)
        assert radii(level)[suffix].loss == Evaluator(NETWORK, examples)(point).loss


def test_line_ends_at_the_logged_losses_on_all_examples():
    line = analysis(1).lines[successive_line(1)].stored
    assert len(line.alphas) == SETTING.points
    assert line.train_loss[0] == dense_solution().history[-1].train.loss
    assert line.train_loss[-1] == imp_solution(1).history[-1].train.loss
    assert line.test_error[-1] == imp_solution(1).history[-1].test.error


def test_metrics_are_the_measured_numbers():
    metrics = level_numbers(analysis(1), 1)
    assert all(np.isfinite(value) for value in metrics.values())
    for suffix in ("", "_projected", "_reverse"):
        expected = float(np.log(spectra(1)[suffix].eigenvalues).sum())
        assert metrics[f"landscape/log_eig_product{suffix}"] == pytest.approx(expected, rel=1e-12)
        assert metrics[f"solver/spectrum_converged{suffix}"] == spectra(1)[suffix].converged
    for suffix in ("", "_projected", "_reverse", "_previous"):
        assert metrics[f"landscape/radius_mean{suffix}"] == radii(1)[suffix].radii.mean()
    assert metrics["solver/radius_cutoff"] == metrics["solver/radius_cutoff_projected"]
    assert metrics["solver/radius_cutoff_reverse"] == metrics["solver/radius_cutoff_previous"]
    assert metrics["landscape/barrier_loss"] >= 0


def test_interlacing_holds_between_the_metrics():
    for level in (1, 2):
        metrics = level_numbers(analysis(level), level)
        # Converged to relative residuals of 1e-3, each of the four eigenvalues errs by less than that.
        slack = 2 * SETTING.k * 1e-3
        assert metrics["landscape/log_eig_product"] <= metrics["landscape/log_eig_product_reverse"] + slack


def test_the_line_with_statistics_estimated_anew_is_another():
    line = analysis(1).lines[successive_line(1)]
    assert line.anew is not None
    assert np.array_equal(line.stored.alphas, line.anew.alphas)
    assert not np.array_equal(line.stored.train_loss, line.anew.train_loss)
    assert "landscape/barrier_loss_anew" in level_numbers(analysis(1), 1)


def test_filter_normalised_directions_work_on_a_convolutional_network():
    measured = measure(1, tiny_setting(direction_norm="filter"), ("radii",))
    assert all((measured.radii_at(1, point).radii > 0).all() for point in suffixes(1))
    assert not np.allclose(measured.radii_at(1, Point.at(Place.imp(1))).lengths, 1)


def test_a_part_of_the_measures_gives_a_part_of_the_numbers():
    measured = measure(1, WHOLE, ("lines",))
    assert not measured.curvature
    assert not measured.radii
    numbers = [name for name in level_numbers(measured, 1) if name.startswith("landscape/")]
    assert {name.split("/")[1][:7] for name in numbers} == {"barrier"}


def test_same_seed_gives_the_same_numbers():
    assert level_numbers(measure(1, WHOLE), 1) == level_numbers(analysis(1), 1)
    for job, found in measure(1, WHOLE, ("radii",)).radii.items():
        for point, one in found.items():
            assert np.array_equal(one.radii, analysis(1).radii[job][point].radii)
