"""Ways of trainings against principal components in NumPy, gradient flow in closed form, and a random walk."""

import numpy as np
import pytest
import torch

from lth.measure import trajectory
from lth.measure.surface import plane_through
from lth.measure.trajectory import Trajectories, trajectories
from lth.network.weights import Weights

STREAM = np.random.default_rng(0)


def weights(flat: np.ndarray) -> Weights:
    """Return a point as two parameters."""
    tensor = torch.from_numpy(flat)
    return Weights({"a": tensor[:2].reshape(2, 1), "b": tensor[2:]}, {})


def followed(ways: list[np.ndarray], corners: np.ndarray) -> Trajectories:
    """Return the ways of trainings, (points, n) each, over the plane through three corners, (3, n)."""
    plane = plane_through(*map(weights, corners))
    epochs = [np.arange(len(way), dtype=float) for way in ways]
    return trajectories(plane, epochs, lambda training: [weights(point) for point in ways[training]])


@pytest.mark.parametrize("budget", [0, 2**31])
def test_principal_axes_are_those_of_a_singular_value_decomposition(budget, monkeypatch):
    monkeypatch.setattr(trajectory, "_HELD_BYTES", budget)  # of 0, every training is read again and again
    ways = [STREAM.standard_normal((count, 9)).cumsum(axis=0) + 30 for count in (5, 2, 7)]
    found = followed(ways, STREAM.standard_normal((3, 9)))
    points = np.vstack(ways)
    left, singular, _ = np.linalg.svd(points - points.mean(axis=0), full_matrices=False)
    np.testing.assert_allclose(found.explained[:9], singular**2 / (singular**2).sum(), rtol=1e-9)
    for axis, coordinates in enumerate((found.first, found.second)):
        expected = left[:, axis] * singular[axis]
        sign = 1 if expected[4] >= expected[0] else -1  # of the first training
        np.testing.assert_allclose(coordinates, sign * expected, rtol=1e-8, atol=1e-8)


def test_feet_and_distances_make_up_every_point_and_shares_what_is_between_its_ends():
    ways = [STREAM.standard_normal((4, 9)) for _ in range(3)]
    corners = STREAM.standard_normal((3, 9))
    found = followed(ways, corners)
    from_origin = np.vstack(ways) - corners[0]
    lengths = found.x**2 + found.y**2 + found.distance**2
    np.testing.assert_allclose(lengths, np.square(from_origin).sum(axis=1), rtol=1e-9)
    q, _ = np.linalg.qr((corners[1:] - corners[0]).T)
    for training, way in enumerate(ways):
        moved = way[-1] - way[0]
        expected = np.square(q.T @ moved).sum() / np.square(moved).sum()
        assert found.moved_in_plane[training] == pytest.approx(expected)
    centred = np.vstack(ways) - np.vstack(ways).mean(axis=0)
    assert found.in_plane == pytest.approx(np.square(centred @ q).sum() / np.square(centred).sum())


def test_gradient_descent_on_a_bowl_is_a_line_to_its_minimum_of_which_one_axis_holds_all():
    start = np.array([3.0, 0, 4.0, 0])
    way = np.array([0.7**step * start for step in range(8)])
    found = followed([way], np.array([[0.0, 0, 0, 0], [1.0, 0, 0, 0], [0, 0, 1.0, 0]]))
    np.testing.assert_allclose(found.explained[:2], [1, 0], atol=1e-12)
    np.testing.assert_allclose(found.x, 3 * 0.7 ** np.arange(8))
    np.testing.assert_allclose(found.y, 4 * 0.7 ** np.arange(8))
    np.testing.assert_allclose(found.distance, 0, atol=1e-12)
    assert found.moved_in_plane.tolist() == pytest.approx([1])


def test_what_leaves_the_plane_at_a_right_angle_is_not_seen_on_it():
    way = np.outer(np.arange(4.0), [0, 0, 0, 2.0])
    found = followed([way], np.eye(4)[:3] - np.eye(4)[0])
    assert found.moved_in_plane.tolist() == [0]
    assert found.in_plane == pytest.approx(0)
    assert found.moved_in_axes.tolist() == pytest.approx([1])


def test_of_a_random_walk_in_many_dimensions_two_axes_hold_three_quarters():
    walk = STREAM.standard_normal((60, 4000)).cumsum(axis=0)
    found = followed([walk], STREAM.standard_normal((3, 4000)))
    np.testing.assert_allclose(found.explained[:2], [6 / np.pi**2, 6 / np.pi**2 / 4], atol=0.03)
    assert found.in_plane < 0.02


def test_a_training_that_ended_where_it_began_has_no_share():
    there = np.vstack([np.zeros(4), np.ones(4), np.zeros(4)])
    found = followed([there, there + 1], np.eye(4)[:3])
    assert np.isnan(found.moved_in_plane).all()
    assert np.isfinite(found.explained).all()


def test_ways_without_points_or_without_a_way_are_refused():
    with pytest.raises(ValueError, match="1 kept points went no way"):
        followed([np.ones((1, 4))], np.eye(4)[:3])
    with pytest.raises(ValueError, match="all points of the trainings are one"):
        followed([np.ones((3, 4))], np.eye(4)[:3])
