"""The limit over ever more examples, against formulas in 1 / n and the log-determinants of Wishart matrices."""

import math

import numpy as np
import pytest

from lth.evidence.extrapolation import Measured, extrapolate

K, SAMPLE = 5, 96


def measured(formula, parts=(1, 2, 4)):
    return [Measured(SAMPLE / each, (formula(SAMPLE / each),) * each) for each in parts]


@pytest.mark.parametrize("bias", [-7.0, 0.0, 300.0])
@pytest.mark.parametrize("parts", [(1, 2), (1, 2, 4), (1, 2, 4, 8)])
def test_what_is_like_1_over_n_is_found_exactly(bias, parts):
    found = extrapolate(measured(lambda n: 10 + bias / n, parts))
    assert found.value == pytest.approx(10)
    correction = abs(bias) / SAMPLE if len(parts) == 2 else 0  # two sizes can't tell 1 / n from anything else
    assert found.uncertainty == pytest.approx(correction, abs=1e-9)


@pytest.mark.parametrize("size", [SAMPLE, 200, 1e6])
def test_on_so_many_examples_it_is_what_the_formula_says(size):
    assert extrapolate(measured(lambda n: 3 + 40 / n), size).value == pytest.approx(3 + 40 / size)


@pytest.mark.parametrize("second", [50.0, 900.0])
def test_what_is_not_like_1_over_n_is_in_the_uncertainty(second):
    found = extrapolate(measured(lambda n: 2 + 30 / n + second / n**2))
    assert abs(found.value - 2) <= found.uncertainty * (1 + 1e-9)


def test_of_all_there_are_nothing_is_uncertain():
    stream = np.random.default_rng(0)
    rough = [Measured(SAMPLE / each, tuple(stream.random(each))) for each in (1, 2, 4)]
    found = extrapolate(rough, SAMPLE)
    assert (found.value, found.uncertainty) == (pytest.approx(rough[0].mean), pytest.approx(0, abs=1e-12))


def test_log_determinants_of_samples_lead_to_that_of_the_population_as_often_as_is_said():
    """Of normal examples that of their second moments is below 0, that of the covariance, by about k² / 2n."""
    stream, errors, before = np.random.default_rng(1), [], []
    for _ in range(200):
        drawn = stream.standard_normal((SAMPLE, K))
        sizes = [
            Measured(SAMPLE / parts, tuple(log_det(part) for part in np.split(drawn, parts)))
            for parts in (1, 2, 4)
        ]
        found = extrapolate(sizes)
        errors.append((found.value, found.uncertainty))
        before.append(sizes[0].mean)
    values, uncertainties = np.array(errors).T
    assert abs(np.mean(values)) < 0.3 * abs(np.mean(before))
    assert np.mean(np.abs(values) < 2 * uncertainties) > 0.85
    assert np.median(uncertainties) < 3 * math.sqrt(2 * K / SAMPLE)  # the standard deviation of log det


def log_det(examples: np.ndarray) -> float:
    return float(np.linalg.slogdet(examples.T @ examples / len(examples))[1])
