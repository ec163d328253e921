from collections.abc import Iterable

import numpy as np
import pytest
import torch
from problems import (
    SPEC,
    assert_same_weights,
    dense_solution,
    imp_solution,
    random_state,
    training_data,
)

from lth.measure.surface import Plane, loss_surface, plane_through
from lth.network import build_network
from lth.network.weights import Weights
from lth.plan.place import Place
from lth.training.evaluate import Evaluator

NETWORK = build_network(SPEC, 0)
CORNERS = tuple(random_state(Weights.of(NETWORK), seed) for seed in (1, 2, 3))


def flat(weights: Weights) -> np.ndarray:
    return np.concatenate([tensor.double().numpy().ravel() for tensor in weights.parameters.values()])


def shifted(weights: Weights, offset: np.ndarray) -> Weights:
    """Return weights in float64 moved by `offset`, so that no rounding hides a distance."""
    values, moved, start = flat(weights) + offset, {}, 0
    for name, tensor in weights.parameters.items():
        moved[name] = torch.from_numpy(values[start : start + tensor.numel()].reshape(tensor.shape))
        start += tensor.numel()
    return Weights(moved, weights.buffers)


PLANE = plane_through(*CORNERS)


def test_losses_that_are_asked_for_row_by_row_are_those_that_are_asked_for_alone():
    torch.manual_seed(0)
    a, b, c = (Weights({"w": torch.randn(5)}, {}) for _ in range(3))
    rows: list[int] = []

    def loss(weights: Weights) -> float:
        return float(weights.parameters["w"].square().sum())

    def losses(points: Iterable[Weights]) -> list[float]:
        found = [loss(point) for point in points]
        rows.append(len(found))
        return found

    plane = plane_through(a, b, c)
    alone = loss_surface(loss, plane, {}, grid=4)
    together = loss_surface(loss, plane, {}, grid=4, losses=losses)
    np.testing.assert_array_equal(together.loss, alone.loss)
    assert rows == [4] * 4


@pytest.mark.parametrize("corner", [0, 1, 2])
def test_corners_of_the_plane_are_the_three_points(corner):
    x, y = PLANE.corner_coordinates[corner]
    found, given = PLANE.weights_at(x, y), CORNERS[corner]
    for name, tensor in given.parameters.items():
        # float64 arithmetic, rounded to float32: one ulp of values of order one
        torch.testing.assert_close(found.parameters[name], tensor, rtol=2e-7, atol=1e-12)
    for name, buffer in given.buffers.items():
        if buffer.is_floating_point():
            torch.testing.assert_close(found.buffers[name], buffer, rtol=1e-6, atol=1e-6)
    coordinates, distance = PLANE.coordinates(given)
    np.testing.assert_allclose(coordinates, [x, y], rtol=0, atol=1e-12)
    assert distance < 1e-12


def test_coordinates_are_those_of_gram_schmidt_in_numpy():
    a, b, c = map(flat, CORNERS)
    q, r = np.linalg.qr(np.stack([b - a, c - a], axis=1))
    signs = np.sign(np.diag(r))
    np.testing.assert_allclose(PLANE.axes.numpy(), (q * signs).T, rtol=0, atol=1e-13)
    expected = np.array([[0, 0], *(r * signs[:, None]).T])
    np.testing.assert_allclose(PLANE.corner_coordinates, expected, rtol=0, atol=1e-12)


def test_distances_in_the_plane_are_l2_distances_of_the_weights():
    for i in range(3):
        for j in range(3):
            expected = np.linalg.norm(flat(CORNERS[i]) - flat(CORNERS[j]))
            found = np.linalg.norm(PLANE.corner_coordinates[i] - PLANE.corner_coordinates[j])
            assert found == pytest.approx(expected, rel=1e-12, abs=1e-12)


def test_distance_off_the_plane_follows_from_pythagoras():
    point = random_state(CORNERS[0], 8)
    (x, y), distance = PLANE.coordinates(point)
    whole = np.linalg.norm(flat(point) - flat(CORNERS[0]))
    assert x**2 + y**2 + distance**2 == pytest.approx(whole**2, rel=1e-12)


def test_a_step_along_the_normal_is_the_distance_and_moves_no_coordinate():
    normal = np.random.default_rng(0).standard_normal(len(flat(CORNERS[0])))
    axes = PLANE.axes.numpy()
    normal -= axes.T @ (axes @ normal)
    normal /= np.linalg.norm(normal)
    on_plane = 1.5 * axes[0] - 0.5 * axes[1]
    (x, y), distance = PLANE.coordinates(shifted(CORNERS[0], on_plane + 0.25 * normal))
    assert (x, y, distance) == pytest.approx((1.5, -0.5, 0.25), abs=1e-12)


@pytest.mark.parametrize(
    ("a", "b", "c"),
    [(0, 0, 1), (0, 1, 0), (0, 1, 1)],
    ids=["a is b", "a is c", "b is c"],
)
def test_points_that_coincide_raise(a, b, c):
    with pytest.raises(ValueError, match="lie on one line"):
        plane_through(CORNERS[a], CORNERS[b], CORNERS[c])


@pytest.mark.parametrize("alpha", [0.5, -1.0, 2.0])
def test_points_on_one_line_raise(alpha):
    a, b = map(flat, CORNERS[:2])
    with pytest.raises(ValueError, match="lie on one line, so they span no plane; name three others"):
        plane_through(CORNERS[0], CORNERS[1], shifted(CORNERS[0], alpha * (b - a)))


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_points_need_not_be_of_order_one(scale):
    small = [corner.map(lambda t: t * scale if t.is_floating_point() else t) for corner in CORNERS]
    np.testing.assert_allclose(
        plane_through(*small).corner_coordinates, PLANE.corner_coordinates * scale, rtol=1e-5, atol=1e-5 * scale
    )


@pytest.mark.parametrize(("x", "y"), [(3.0, -2.0), (-30.0, 40.0), (0.0, 9.0)])
def test_running_statistics_are_carried_over_affinely_and_variances_stay_positive(x, y):
    found = PLANE.weights_at(x, y).buffers
    system = np.vstack([PLANE.corner_coordinates.T, np.ones(3)])
    c = np.linalg.solve(system, [x, y, 1.0])
    means = np.stack([corner.buffers["bn1.running_mean"].double().numpy() for corner in CORNERS])
    variances = np.stack([corner.buffers["bn1.running_var"].double().numpy() for corner in CORNERS])
    np.testing.assert_allclose(found["bn1.running_mean"].numpy(), c @ means, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(found["bn1.running_var"].numpy(), np.prod(variances ** c[:, None], 0), rtol=1e-5)
    assert (found["bn1.running_var"] > 0).all()


def test_surface_is_the_loss_at_each_grid_point_row_by_y():
    def loss(weights: Weights) -> float:
        x, y = PLANE.coordinates(weights)[0]
        return 3 * float(x) + 100 * float(y)

    surface = loss_surface(loss, PLANE, {}, 4)
    expected = 3 * surface.x[None, :] + 100 * surface.y[:, None]
    np.testing.assert_allclose(surface.loss, expected, rtol=1e-5, atol=1e-3)  # float32 weights
    assert surface.loss.shape == (4, 4)


def test_grid_covers_every_corner_and_every_solution():
    far = random_state(CORNERS[0], 8)
    surface = loss_surface(lambda _: 0.0, PLANE, {Place.imp(9): far}, 3)
    feet = np.vstack([PLANE.corner_coordinates, PLANE.coordinates(far)[0]])
    assert (surface.x[0] < feet[:, 0]).all()
    assert (feet[:, 0] < surface.x[-1]).all()
    assert (surface.y[0] < feet[:, 1]).all()
    assert (feet[:, 1] < surface.y[-1]).all()


def test_a_marker_has_the_true_loss_of_its_solution_and_not_of_its_foot():
    evaluate = Evaluator(NETWORK, training_data().train)
    solutions = {Place.imp(0): dense_solution(), Place.imp(1): imp_solution(1), Place.imp(2): imp_solution(2)}
    off_place = Place("random_init", 2)
    weights = {place: solution.final for place, solution in solutions.items()}
    off_plane = random_state(CORNERS[0], 8)
    plane = plane_through(*weights.values())
    surface = loss_surface(lambda w: evaluate(w).loss, plane, {**weights, off_place: off_plane}, 3)
    assert [marker.place for marker in surface.markers] == [*solutions, off_place]
    for marker in surface.markers[:3]:
        assert marker.loss == solutions[marker.place].history[-1].train.loss
        assert marker.distance < 1e-6
    off = surface.markers[-1]
    assert off.distance > 1
    assert off.loss == evaluate(off_plane).loss
    assert off.loss != evaluate(plane.weights_at(off.x, off.y)).loss


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_is_stored_as_it_is(value):
    surface = loss_surface(lambda _: value, PLANE, {}, 3)
    assert np.array_equal(surface.loss, np.full((3, 3), value), equal_nan=True)


def test_measuring_leaves_the_corners_alone():
    before = [corner.map(torch.clone) for corner in CORNERS]
    plane = plane_through(*CORNERS)
    assert isinstance(plane, Plane)
    moved = plane.weights_at(0.0, 0.0)
    for tensor in moved.parameters.values():
        tensor.fill_(9)
    for corner, kept in zip(CORNERS, before, strict=True):
        assert_same_weights(corner, kept)


@pytest.mark.parametrize("grid", [5, 8, 25])
def test_the_grid_goes_through_the_corners_in_ascending_lines(grid):
    surface = loss_surface(lambda _: 0.0, PLANE, {}, grid)
    for axis, lines in enumerate((surface.x, surface.y)):
        assert len(lines) == grid
        assert (np.diff(lines) > 0).all()
        assert set(PLANE.corner_coordinates[:, axis]) <= set(lines)


@pytest.mark.parametrize("grid", [7, 11, 25])
@pytest.mark.parametrize("nearness", [0.0, 0.3, 0.02, 1e-6])
def test_corners_that_share_the_nearest_line_are_both_on_the_grid(grid, nearness):
    """In x two corners lie close together, in y two coincide."""
    points = torch.tensor([[0.0, 0.0, 0.0], [9.0, 0.0, 0.0], [9.0 - nearness, 5.0, 0.0]], dtype=torch.float64)
    plane = plane_through(*(Weights({"w": point}, {}) for point in points))
    found = loss_surface(lambda weights: float(weights.parameters["w"].sum()), plane, {}, grid)
    for x, y in plane.corner_coordinates:
        assert x in found.x
        assert y in found.y
    assert (np.diff(found.x) > 0).all()
    assert (np.diff(found.y) > 0).all()
