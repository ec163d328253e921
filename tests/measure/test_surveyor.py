import random
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
import torch
from problems import (
    SPEC,
    assert_same_weights,
    dense_hessian,
    dense_solution,
    free_coordinates,
    imp_solution,
    tiny_setting,
    training_data,
)
from torch import Tensor

from lth.measure.curvature.hessian import HessianOperator
from lth.measure.distance import norm, pairwise
from lth.measure.kind.curvature import Curvature, curvature_at
from lth.measure.kind.line import Line, line_between
from lth.measure.kind.radii import radii_at
from lth.measure.kind.surface import surface_over
from lth.measure.radius import BasinRadii, random_directions
from lth.measure.surveyor import MaskedPoint, Surveyor, masked_point
from lth.network import build_network
from lth.network.mask import Mask
from lth.network.parts import frozen_names
from lth.network.prune import num_to_prune, prune_next_larger
from lth.network.space import LevelSpace
from lth.network.weights import Weights
from lth.plan.jobs import SurfaceJob, shared_space_points, successive_line
from lth.plan.place import Place, Point
from lth.setting.network import NetworkSpec
from lth.setting.setting import DirectionNorm, PruningSetting
from lth.solution.solution import Solution
from lth.training.batchnorm import StatisticsEstimator
from lth.training.evaluate import Evaluation, Evaluator

NETWORK = build_network(SPEC, 0)
DATA = training_data()
SETTING = tiny_setting().analysis
PRUNING = tiny_setting().pruning
FORTY = tiny_setting(trace_probes=40).analysis
QUICK = tiny_setting(k=2, trace_probes=2, directions=2).analysis
FORMS = [Point.at(Place.imp(2)), Point.projection(2), Point.reverse(2), Point.next_larger(2)]


def solutions(*levels: int) -> dict:
    return {
        Place.imp(level): imp_solution(level) if level else dense_solution() for level in levels or (0, 1, 2)
    }


def located(point: Point) -> MaskedPoint:
    """Locate with what the point needs, and no more."""
    return masked_point(point, solutions(*(place.level for place in point.needs)), PRUNING)


def surveyor(**changes: object) -> Surveyor:
    return Surveyor(NETWORK, DATA, tiny_setting(**changes).analysis.hessian_examples, seed=0)


def logged(solution: Solution) -> tuple[Evaluation, Evaluation]:
    return solution.history[-1].train, solution.history[-1].test


def same_masks(a: Mask, b: Mask) -> bool:
    return torch.equal(a.flat(), b.flat())


# -- where a point is


@pytest.mark.parametrize("level", [0, 1, 2])
def test_a_solution_is_seen_as_it_was_trained(level):
    found, solution = located(Point.at(Place.imp(level))), solutions()[Place.imp(level)]
    assert_same_weights(found.weights, solution.final)
    assert same_masks(found.mask, solution.mask)


@pytest.mark.parametrize("level", [1, 2])
def test_a_projection_has_the_weights_of_the_level_before_and_the_mask_of_its_own(level):
    found, before, solution = (
        located(Point.projection(level)),
        solutions()[Place.imp(level - 1)],
        solutions()[Place.imp(level)],
    )
    assert same_masks(found.mask, solution.mask)
    for name, tensor in found.weights.parameters.items():
        keep = solution.mask.keep.get(name, torch.ones(tensor.shape, dtype=torch.bool))
        assert not tensor[~keep].any()
        assert torch.equal(tensor[keep], before.final.parameters[name][keep])
        assert name not in solution.mask.keep or before.final.parameters[name][~keep].any()
    assert_same_weights(Weights({}, found.weights.buffers), Weights({}, before.final.buffers))


@pytest.mark.parametrize("level", [1, 2])
def test_a_reverse_projection_is_the_solution_in_the_denser_space(level):
    found, solution, before = (
        located(Point.reverse(level)),
        solutions()[Place.imp(level)],
        solutions()[Place.imp(level - 1)],
    )
    assert_same_weights(found.weights, solution.final)
    assert same_masks(found.mask, before.mask)
    dimensions = [LevelSpace(mask, found.weights).dimension for mask in (found.mask, solution.mask)]
    assert dimensions[0] - dimensions[1] == num_to_prune(before.mask, PRUNING.prune_fraction) > 0


@pytest.mark.parametrize("level", [1, 2])
def test_the_next_larger_band_is_pruned_from_the_level_before(level):
    found, before = located(Point.next_larger(level)), solutions()[Place.imp(level - 1)]
    count = num_to_prune(before.mask, PRUNING.prune_fraction)
    assert same_masks(found.mask, prune_next_larger(before.final, before.mask, count))
    assert_same_weights(found.weights, found.mask.apply(before.final))
    assert found.mask.num_kept == solutions()[Place.imp(level)].mask.num_kept
    assert not same_masks(found.mask, solutions()[Place.imp(level)].mask)


def test_the_size_of_the_next_larger_band_follows_the_prune_fraction():
    before = dense_solution()
    found = masked_point(Point.next_larger(1), {Place.imp(0): before}, PruningSetting(0.1, levels=1))
    assert before.mask.num_kept - found.mask.num_kept == num_to_prune(before.mask, 0.1)


def test_a_solution_that_is_needed_and_not_given_raises():
    with pytest.raises(KeyError):
        masked_point(Point.projection(2), solutions(2), PRUNING)


# -- curvature


@cache
def curvature(point: Point) -> Curvature:
    return curvature_at(surveyor(), located(point), FORTY, point.name)


@cache
def dense_block(point: Point) -> Tensor:
    """Return the Hessian over the free coordinates of a point, from the oracle, in float64."""
    found, examples = located(point), surveyor().examples
    free = free_coordinates(found.mask, found.weights)
    return dense_hessian(found.weights, examples)[free][:, free]


@pytest.mark.parametrize("point", FORMS, ids=lambda point: point.form)
def test_leading_eigenvalues_are_those_of_the_dense_hessian(point):
    found, expected = curvature(point).spectrum, torch.linalg.eigvalsh(dense_block(point)).flip(0)[: SETTING.k]
    assert found.converged
    # A Ritz value lies within its residual, relative 1e-3, of an eigenvalue; float32 products add less.
    np.testing.assert_allclose(found.eigenvalues, expected.numpy(), rtol=1e-3)


@pytest.mark.parametrize("point", FORMS, ids=lambda point: point.form)
def test_the_trace_is_that_of_the_dense_hessian(point):
    found, block = curvature(point).trace, dense_block(point)
    off = block - block.diag().diag()
    error = float((2 * off.square().sum() / 40).sqrt())  # on paper, of the mean of 40 probes
    # four standard errors: one seed in 16,000 of a normal mean lies beyond
    assert abs(found.estimate - float(block.trace())) < 4 * error
    assert error < float(block.trace())  # or nothing was tested


@pytest.mark.parametrize("point", FORMS, ids=lambda point: point.form)
def test_a_curvature_comes_with_the_size_of_the_weights_and_of_the_space(point):
    found, where = curvature(point).size, located(point)
    assert found.dimension == int(free_coordinates(where.mask, where.weights).sum())
    squares = sum(float((tensor.double() ** 2).sum()) for tensor in where.weights.parameters.values())
    assert found.weight_norm == pytest.approx(squares**0.5, rel=1e-12)


def test_eigenvalues_in_the_denser_space_interlace_with_those_in_the_sparser():
    """A principal submatrix has no larger eigenvalue, one by one, and its trace is a part of the whole one."""
    for level in (1, 2):
        inside, outside = (
            curvature(Point.at(Place.imp(level))).spectrum,
            curvature(Point.reverse(level)).spectrum,
        )
        # each is right to a relative 1e-3, the tolerance of its residual
        assert (inside.eigenvalues <= outside.eigenvalues * (1 + 2e-3)).all()
        assert (inside.eigenvalues < outside.eigenvalues * (1 - 2e-3)).any()  # or pruning removed nothing
        assert inside.log_eig_product < outside.log_eig_product


def test_graphs_of_a_point_are_kept_for_its_reverse_projection_and_freed_for_another(monkeypatch):
    steps = (
        (Point.at(Place.imp(2)), 1),
        (Point.reverse(2), 1),
        (Point.projection(2), 2),
        (Point.at(Place.imp(2)), 3),
    )
    alone = {point: curvature(point) for point, _ in steps}
    made = []
    build = HessianOperator.__init__

    def counted(self, *arguments, **options):
        made.append(1)
        build(self, *arguments, **options)

    monkeypatch.setattr(HessianOperator, "__init__", counted)
    survey = surveyor()
    for point, so_far in steps:
        found = curvature_at(survey, located(point), FORTY, point.name)
        assert len(made) == so_far, point.name
        # whatever was measured before
        assert np.array_equal(found.spectrum.eigenvalues, alone[point].spectrum.eigenvalues)
        assert np.array_equal(found.trace.samples, alone[point].trace.samples)
        assert found.spectrum.num_products == alone[point].spectrum.num_products


def test_points_that_differ_in_their_statistics_alone_do_not_share_graphs():
    survey, here = surveyor(), located(Point.at(Place.imp(2)))
    first = curvature_at(survey, here, SETTING, "here")
    buffers = {
        name: tensor * 4 if name.endswith("running_var") else tensor
        for name, tensor in here.weights.buffers.items()
    }
    elsewhere = MaskedPoint(Weights(here.weights.parameters, buffers), here.mask)
    second = curvature_at(survey, elsewhere, SETTING, "elsewhere")
    expected = curvature_at(surveyor(), elsewhere, SETTING, "elsewhere")
    assert np.array_equal(second.spectrum.eigenvalues, expected.spectrum.eigenvalues)
    assert not np.allclose(second.spectrum.eigenvalues, first.spectrum.eigenvalues, rtol=1e-2)


# -- radii


@cache
def radii(points: tuple[Point, ...], direction_norm: DirectionNorm) -> dict[Point, BasinRadii]:
    return radii_at(surveyor(), {point: located(point) for point in points}, direction_norm, SETTING)


SPACES = [points for level in (0, 1, 2) for points in shared_space_points(level)]


@pytest.mark.parametrize("direction_norm", ["plain", "filter"])
@pytest.mark.parametrize("points", SPACES, ids=lambda points: " and ".join(point.name for point in points))
def test_points_of_a_space_share_one_cutoff_above_the_worst(points, direction_norm):
    found = radii(points, direction_norm)
    assert list(found) == list(points)
    worst = max(one.loss for one in found.values())
    for point in points:
        one, where = found[point], located(point)
        assert one.cutoff == worst + SETTING.cutoff_margin
        assert one.loss == Evaluator(NETWORK, surveyor().examples)(where.weights).loss
        assert one.dimension == LevelSpace(where.mask, where.weights).dimension
        assert len(one.radii) == SETTING.directions
        assert (one.radii > 0).all()
    assert len({one.dimension for one in found.values()}) == 1


@pytest.mark.parametrize("direction_norm", ["plain", "filter"])
@pytest.mark.parametrize("point", [Point.projection(2), Point.reverse(2)], ids=lambda point: point.form)
def test_the_loss_crosses_the_cutoff_at_each_radius_along_the_seeded_draws(point, direction_norm):
    (points,) = (shared for shared in shared_space_points(2) if point in shared)
    found, where = radii(points, direction_norm)[point], located(point)
    space, evaluate = LevelSpace(where.mask, where.weights), Evaluator(NETWORK, surveyor().examples)
    start = space.flatten(where.weights.parameters)
    directions = random_directions(space, where.weights, SETTING.directions, direction_norm, seed=0)
    for direction, radius, length in zip(directions, found.radii, found.lengths, strict=True):
        inside, outside = (
            evaluate(Weights(space.unflatten(start + factor * radius * direction), where.weights.buffers)).loss
            for factor in (1 - 3e-3, 1 + 3e-3)  # three times the tolerance of a radius
        )
        assert inside < found.cutoff < outside
        assert length == pytest.approx(float(direction.double().norm()), rel=1e-12)


def test_two_points_of_a_space_are_probed_along_the_same_plain_draws(monkeypatch):
    seen: dict[str, list[Tensor]] = {}

    def record(space, weights, count, direction_norm, *, seed):
        drawn = list(random_directions(space, weights, count, direction_norm, seed=seed))
        seen[f"point {len(seen)}"] = drawn
        return drawn

    monkeypatch.setattr("lth.measure.kind.radii.random_directions", record)
    points = shared_space_points(2)[0]
    radii_at(surveyor(), {point: located(point) for point in points}, "plain", SETTING)
    first, second = seen.values()
    assert len(first) == SETTING.directions
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_the_loss_at_a_point_is_evaluated_once(monkeypatch):
    calls = []
    evaluate = Evaluator.many

    def counted(self, points):
        calls.extend(weights := list(points))
        return evaluate(self, weights)

    monkeypatch.setattr(Evaluator, "many", counted)
    found = radii_at(
        surveyor(), {point: located(point) for point in shared_space_points(1)[0]}, "plain", SETTING
    )
    assert len(calls) == 2 + sum(one.num_evaluations for one in found.values())


def test_a_point_without_a_finite_loss_raises():
    good = located(Point.at(Place.imp(1)))
    spoiled = Weights(
        {name: tensor * float("nan") for name, tensor in good.weights.parameters.items()}, good.weights.buffers
    )
    bad_one, good_one = Point.projection(1), Point.at(Place.imp(1))
    for points in ({bad_one: spoiled, good_one: good.weights}, {good_one: good.weights, bad_one: spoiled}):
        with pytest.raises(ValueError, match="both must be finite"):
            radii_at(
                surveyor(),
                {point: MaskedPoint(weights, good.mask) for point, weights in points.items()},
                "plain",
                SETTING,
            )


# -- lines


@cache
def line() -> Line:
    return line_between(
        surveyor(),
        located(Point.at(Place.imp(0))).weights,
        located(Point.at(Place.imp(1))).weights,
        SETTING,
        successive_line(1).name,
        {0.0: logged(dense_solution()), 1.0: logged(imp_solution(1))},
    )


def test_a_line_ends_at_what_was_logged_in_training():
    found = line().stored
    assert len(found.alphas) == SETTING.points
    for position, solution in ((0, dense_solution()), (-1, imp_solution(1))):
        train, test = logged(solution)
        assert (found.train_loss[position], found.train_error[position]) == (train.loss, train.error)
        assert (found.test_loss[position], found.test_error[position]) == (test.loss, test.error)


def test_known_ends_change_nothing_but_the_number_of_evaluations(monkeypatch):
    calls = []
    evaluate = Evaluator.__call__
    monkeypatch.setattr(Evaluator, "__call__", lambda self, weights: calls.append(1) or evaluate(self, weights))
    ends = dense_solution().final, imp_solution(1).final
    known = {0.0: logged(dense_solution()), 1.0: logged(imp_solution(1))}
    found, counts = [], []
    for given in ({}, known):
        calls.clear()
        found.append(line_between(surveyor(), *ends, SETTING, "line", given))
        counts.append(len(calls))
    every = 2 * SETTING.points  # on training and on test examples
    assert counts == [2 * every, 2 * every - 4]  # ends with statistics estimated anew were never logged
    for kind in ("stored", "anew"):
        for name, values in vars(getattr(found[0], kind)).items():
            assert np.array_equal(values, getattr(getattr(found[1], kind), name)), name


def test_statistics_are_estimated_anew_at_every_point_both_ends_too():
    found, data = line().anew, DATA
    assert found is not None
    estimate = StatisticsEstimator(NETWORK, data.train, seed=0)
    ends = dense_solution().final, imp_solution(1).final
    for position, weights in zip((0, -1), ends, strict=True):
        assert found.train_loss[position] == Evaluator(NETWORK, data.train)(estimate(weights)).loss
        assert found.test_loss[position] == Evaluator(NETWORK, data.test)(estimate(weights)).loss
        assert found.train_loss[position] != line().stored.train_loss[position]
    half = Weights(
        {
            name: ((ends[0].parameters[name].double() + ends[1].parameters[name].double()) / 2).float()
            for name in ends[0].parameters
        },
        ends[0].buffers,
    )
    assert found.train_loss[2] == Evaluator(NETWORK, data.train)(estimate(half)).loss


def test_a_network_without_batchnorm_has_one_line():
    spec = NetworkSpec("lenet-5", SPEC.input_shape, SPEC.num_classes)
    start, end = (Weights.of(build_network(spec, seed)) for seed in (0, 1))
    survey = Surveyor(build_network(spec, 2), DATA, SETTING.hessian_examples, seed=0)
    found = line_between(survey, start, end, SETTING, "line", {})
    assert found.anew is None
    assert found.stored.train_loss[0] == Evaluator(build_network(spec, 2), DATA.train)(start).loss


# -- what all measures share


def test_curvature_and_radii_are_of_the_same_drawn_examples():
    survey = surveyor()
    assert len(survey.positions) == len(survey.examples) == 20
    assert survey.positions == sorted(set(survey.positions))
    assert torch.equal(survey.examples.labels, DATA.train.labels[survey.positions])  # the study trains on all
    assert surveyor().positions == survey.positions
    assert Surveyor(NETWORK, DATA, SETTING.hessian_examples, seed=1).positions != survey.positions


def test_more_examples_than_there_are_raise():
    with pytest.raises(ValueError, match="41 examples were asked for, but there are 40"):
        surveyor(hessian_examples=41)


def surface_of(network, data, points) -> object:
    corners = (Place.imp(0), Place.imp(1), Place.imp(2))
    weights = {place: points[Point.at(place)].weights for place in corners}
    return surface_over(network, SurfaceJob(corners, corners), weights, data.train, 3)


MEASURED: dict[str, Callable] = {
    "curvature": lambda survey, points, _n, _d: [
        curvature_at(survey, where, QUICK, point.name) for point, where in points.items()
    ],
    "plain radii": lambda survey, points, _n, _d: radii_at(
        survey, {p: points[p] for p in SPACES[1]}, "plain", QUICK
    ),
    "filter radii": lambda survey, points, _n, _d: radii_at(
        survey, {p: points[p] for p in SPACES[1]}, "filter", QUICK
    ),
    "line": lambda survey, points, _n, _d: line_between(
        survey,
        points[Point.at(Place.imp(0))].weights,
        points[Point.at(Place.imp(1))].weights,
        QUICK,
        "line",
        {},
    ),
    "surface": lambda _s, points, network, data: surface_of(network, data, points),
    "distances": lambda _s, points, _n, _d: pairwise(
        {point.name: where.weights for point, where in points.items()}
    ),
}


def frozen_at(where: MaskedPoint, frozen: frozenset[str]) -> MaskedPoint:
    kept = {name: kept for name, kept in where.mask.keep.items() if name not in frozen}
    return MaskedPoint(where.weights, Mask(kept, frozen))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("measure", MEASURED)
def test_no_measure_changes_anything_it_is_given(measure, training):
    network = build_network(SPEC, 5).train(training)
    for index, parameter in enumerate(network.parameters()):
        parameter.grad = torch.ones_like(parameter)
        parameter.requires_grad_(index % 2 == 0)
    data, frozen = training_data(), frozen_names(network)
    points = {
        point: frozen_at(located(point), frozen)
        for point in [
            Point.at(Place.imp(0)),
            Point.at(Place.imp(1)),
            Point.at(Place.imp(2)),
            Point.projection(1),
            Point.reverse(1),
        ]
    }
    before = {
        point: (where.weights.map(torch.clone), where.mask.flat().clone()) for point, where in points.items()
    }
    state, images = Weights.of(network), data.train.images.clone()
    flags = [parameter.requires_grad for parameter in network.parameters()]
    for seed in (torch.manual_seed, np.random.seed, random.seed):
        seed(3)
    generators = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()  # noqa: NPY002

    MEASURED[measure](Surveyor(network, data, QUICK.hessian_examples, seed=0), points, network, data)

    assert torch.equal(torch.get_rng_state(), generators[0])
    assert np.array_equal(np.random.get_state()[1], generators[1])  # noqa: NPY002
    assert random.getstate() == generators[2]
    assert all(module.training == training for module in network.modules())
    assert [parameter.requires_grad for parameter in network.parameters()] == flags
    assert all((parameter.grad == 1).all() for parameter in network.parameters())
    assert_same_weights(Weights.of(network), state)
    assert torch.equal(data.train.images, images)
    for point, where in points.items():
        assert_same_weights(where.weights, before[point][0])
        assert torch.equal(where.mask.flat(), before[point][1])
        for tensor in where.weights.parameters.values():
            assert not tensor.requires_grad
            assert tensor.grad is None


@pytest.mark.parametrize("measure", MEASURED)
def test_no_measure_depends_on_the_global_random_state_or_on_the_state_of_the_network(measure):
    found = []
    for global_seed, network_seed in ((1, 5), (2, 6)):
        torch.manual_seed(global_seed)
        network = build_network(SPEC, network_seed).train(global_seed == 1)
        points = {
            point: located(point)
            for point in [
                Point.at(Place.imp(0)),
                Point.at(Place.imp(1)),
                Point.at(Place.imp(2)),
                Point.projection(1),
                Point.reverse(1),
            ]
        }
        found.append(
            MEASURED[measure](Surveyor(network, DATA, QUICK.hessian_examples, seed=0), points, network, DATA)
        )
    assert numbers(found[0]) == numbers(found[1])
    assert len(numbers(found[0])) > 3


def numbers(result: object) -> list[float]:
    """Return every number in nested results, in order."""
    if isinstance(result, np.ndarray):
        return [float(value) for value in result.ravel()]
    if isinstance(result, dict):
        return [number for part in result.values() for number in numbers(part)]
    if isinstance(result, list | tuple):
        return [number for part in result for number in numbers(part)]
    if isinstance(result, float | int):
        return [float(result)]
    return [] if isinstance(result, str | Place) else numbers(vars(result))


def test_the_weight_norm_is_in_float64():
    assert norm(Weights({"x": torch.full((3,), 1e25)}, {})) == pytest.approx(1e25 * 3**0.5, rel=1e-6)
