import numpy as np
import pytest
import torch
from problems import SPEC, assert_same_weights, dense_solution, imp_solution, training_data

from lth.measure.interpolation import Interpolation, barrier, barrier_over_mean, interpolate
from lth.network import build_network
from lth.network.weights import Weights
from lth.training.evaluate import Evaluation, Evaluator

ALPHAS = np.linspace(0, 1, 31)


def at(value: float) -> Weights:
    return Weights({"x": torch.tensor([value], dtype=torch.float64)}, {})


def line(loss, points: int = 31, start: float = -1.0, end: float = 1.0) -> Interpolation:
    def evaluate(weights: Weights) -> Evaluation:
        value = loss(float(weights.parameters["x"]))
        return Evaluation(value, 1 - value / 10)

    return interpolate(evaluate, evaluate, at(start), at(end), points)


def test_barrier_of_a_double_well_is_its_height():
    """(x² - 1)² between its two minima at -1 and 1 rises to 1 in the middle."""
    path = line(lambda x: (x**2 - 1) ** 2)
    assert path.barrier_loss == pytest.approx(1.0, abs=1e-12)
    assert path.barrier_error == pytest.approx(0.1, abs=1e-12)


def test_barrier_of_a_concave_quadratic_is_a_quarter_of_its_curvature():
    """4 h a (1 - a) over [0, 1] is h in the middle."""
    assert barrier(4 * 0.7 * ALPHAS * (1 - ALPHAS)) == pytest.approx(0.7, abs=1e-12)


def test_barrier_is_measured_from_the_chord_and_not_from_an_end():
    values = ALPHAS**0.5  # its height over the chord is sqrt(a) - a, greatest at 1/4, which 31 points just miss
    expected = (np.sqrt(ALPHAS) - ALPHAS).max()
    assert barrier(values) == pytest.approx(expected, abs=1e-14)
    assert expected == pytest.approx(0.25, abs=1e-3)


@pytest.mark.parametrize("tilt", [-7.0, 1e-3, 250.0])
def test_barrier_ignores_any_tilt_of_the_path(tilt):
    values = np.random.default_rng(0).random(31)
    # rounding of sums as large as the tilt
    assert barrier(values + tilt * ALPHAS + 3) == pytest.approx(barrier(values), abs=1e-14 * (300 + abs(tilt)))


@pytest.mark.parametrize("values", [ALPHAS**2, np.exp(3 * ALPHAS), np.abs(ALPHAS - 0.5), np.full(31, 0.1)])
def test_convex_paths_have_no_barrier(values):
    assert barrier(values) == pytest.approx(0, abs=1e-15)
    assert barrier(values) >= 0


@pytest.mark.parametrize("seed", range(5))
def test_barrier_is_never_negative_and_exactly_zero_at_the_ends(seed):
    values = -np.random.default_rng(seed).random(31)
    values[[0, -1]] = [0.1, 1 / 3]
    assert barrier(values) == 0


def test_barrier_over_mean_is_the_maximum_less_the_mean_of_the_ends():
    values = np.array([1.0, 5.0, 2.0])
    assert barrier_over_mean(values) == 3.5
    assert barrier(values) == 3.5  # in the middle the chord is the mean
    assert barrier_over_mean(np.array([1.0, 1.0, 3.0])) == 1.0  # the higher end itself
    assert barrier(np.array([1.0, 1.0, 3.0])) == 0.0


@pytest.mark.parametrize("function", [barrier, barrier_over_mean])
@pytest.mark.parametrize("values", [[1.0], [], [[1.0, 2.0], [3.0, 4.0]]])
def test_a_path_that_is_none_raises_and_shows_its_shape(function, values):
    with pytest.raises(ValueError, match="at least 2 values, got shape"):
        function(np.array(values))


@pytest.mark.parametrize("function", [barrier, barrier_over_mean])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_value_that_is_not_finite_raises_and_names_its_point(function, value):
    with pytest.raises(ValueError, match=f"at point 1 of the path is {value}"):
        function(np.array([1.0, value, 2.0]))


@pytest.mark.parametrize("points", [2, 3, 31])
def test_points_are_evenly_spaced_with_both_ends(points):
    path = line(lambda x: x, points)
    assert path.alphas[0] == 0
    assert path.alphas[-1] == 1
    np.testing.assert_allclose(path.train_loss, np.linspace(-1, 1, points), atol=1e-15)
    assert len(path.test_error) == points


@pytest.mark.parametrize("points", [1, 0, -1])
def test_fewer_than_two_points_raise(points):
    with pytest.raises(ValueError, match=f"at least 2 points, got {points}"):
        line(lambda x: x, points)


def test_ends_have_exactly_the_losses_that_were_logged_in_training():
    data, network = training_data(), build_network(SPEC, 0)
    start, end = dense_solution(), imp_solution(1)
    path = interpolate(Evaluator(network, data.train), Evaluator(network, data.test), start.final, end.final, 5)
    for position, solution in ((0, start), (-1, end)):
        logged = solution.history[-1]
        assert path.train_loss[position] == logged.train.loss
        assert path.test_loss[position] == logged.test.loss
        assert path.train_error[position] == logged.train.error
        assert path.test_error[position] == logged.test.error


@pytest.mark.parametrize("known_at", [(), (0.0,), (1.0,), (0.0, 1.0), (0.5,)])
def test_known_points_are_not_evaluated_again(known_at):
    called = {"train": [], "test": []}

    def evaluator(split):
        def evaluate(weights: Weights) -> Evaluation:
            called[split].append(float(weights.parameters["x"]))
            return Evaluation(called[split][-1], 1.0)

        return evaluate

    given = {alpha: (Evaluation(100 + alpha, 0.25), Evaluation(200 + alpha, 0.5)) for alpha in known_at}
    path = interpolate(evaluator("train"), evaluator("test"), at(-1.0), at(1.0), 5, known=given)
    expected = [alpha for alpha in (0.0, 0.25, 0.5, 0.75, 1.0) if alpha not in known_at]
    assert called["train"] == called["test"] == [2 * alpha - 1 for alpha in expected]
    for position, alpha in enumerate(path.alphas):
        if alpha in known_at:
            assert (path.train_loss[position], path.test_loss[position]) == (100 + alpha, 200 + alpha)
            assert (path.train_error[position], path.test_error[position]) == (0.75, 0.5)
        else:
            assert path.train_loss[position] == path.test_loss[position] == 2 * alpha - 1
            assert path.train_error[position] == 0


@pytest.mark.parametrize("points", [2, 7, 31, 100])
def test_both_ends_are_among_the_known_points_whatever_the_number_of_points(points):
    """The last of the evenly spaced positions is one exactly, or its evaluation would be taken again."""
    ends = {alpha: (Evaluation(50.0, 0.5),) * 2 for alpha in (0.0, 1.0)}
    count = 0

    def evaluate(_: Weights) -> Evaluation:
        nonlocal count
        count += 1
        return Evaluation(1.0, 1.0)

    path = interpolate(evaluate, evaluate, at(0.0), at(1.0), points, known=ends)
    assert count == 2 * (points - 2)
    assert path.train_loss[0] == path.train_loss[-1] == 50


def test_an_evaluation_known_elsewhere_is_not_used():
    path = interpolate(
        lambda w: Evaluation(float(w.parameters["x"]), 1.0),
        lambda w: Evaluation(float(w.parameters["x"]), 1.0),
        at(0.0),
        at(1.0),
        3,
        known={0.3: (Evaluation(9.0, 0.0), Evaluation(9.0, 0.0))},
    )
    assert path.train_loss.tolist() == [0, 0.5, 1]


def test_statistics_are_restated_at_every_point_that_is_evaluated():
    restated = []

    def restate(weights: Weights) -> Weights:
        restated.append(float(weights.parameters["x"]))
        return at(restated[-1] + 10)

    def evaluate(weights: Weights) -> Evaluation:
        return Evaluation(float(weights.parameters["x"]), 1.0)

    path = interpolate(evaluate, evaluate, at(-1.0), at(1.0), 5, restate=restate)
    assert restated == [-1, -0.5, 0, 0.5, 1]  # once each, and both ends too
    assert path.train_loss.tolist() == path.test_loss.tolist() == [9, 9.5, 10, 10.5, 11]


def test_the_line_reversed_is_the_line():
    data, network = training_data(), build_network(SPEC, 0)
    evaluate = Evaluator(network, data.train)
    there, back = (
        interpolate(evaluate, evaluate, a, b, 5)
        for a, b in (
            (dense_solution().final, imp_solution(1).final),
            (imp_solution(1).final, dense_solution().final),
        )
    )
    # the middle points are rounded to float32 from 1 - a and a, which differ in the last bit of float64
    np.testing.assert_allclose(there.train_loss, back.train_loss[::-1], rtol=1e-5)


def test_interpolating_leaves_both_ends_alone():
    start, end = dense_solution().final.map(torch.clone), imp_solution(1).final.map(torch.clone)
    evaluate = Evaluator(build_network(SPEC, 0), training_data().train)
    interpolate(evaluate, evaluate, start, end, 3)
    assert_same_weights(start, dense_solution().final)
    assert_same_weights(end, imp_solution(1).final)
