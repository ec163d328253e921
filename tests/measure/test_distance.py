import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from problems import SPEC, dense_solution, imp_solution, random_state

from lth.measure.distance import distance, norm, pairwise, travel
from lth.network import build_network
from lth.network.weights import Weights

POINT = Weights.of(build_network(SPEC, 3))
VECTORS = st.lists(st.floats(-1e6, 1e6, width=32), min_size=4, max_size=4)


def weights(values: list[float]) -> Weights:
    """Return four numbers as two parameters, beside a buffer that differs everywhere."""
    return Weights(
        {"a": torch.tensor(values[:3]).reshape(3, 1), "b": torch.tensor(values[3:])},
        {"running_mean": torch.tensor([sum(values) + 1])},
    )


def as_numpy(of: Weights) -> np.ndarray:
    return np.concatenate([tensor.numpy().astype(np.float64).ravel() for tensor in of.parameters.values()])


def states(count: int) -> dict[str, Weights]:
    return {f"state {seed}": random_state(POINT, seed) for seed in range(count)}


def test_distances_and_cosines_are_those_of_numpy():
    found = pairwise(states(4))
    flats = [as_numpy(of) for of in states(4).values()]
    assert found.names == tuple(states(4))
    for i, a in enumerate(flats):
        for j, b in enumerate(flats):
            # float64 sums of 242 terms
            assert found.euclidean[i, j] == pytest.approx(np.linalg.norm(a - b), rel=1e-13)
            expected = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
            assert found.cosine[i, j] == pytest.approx(expected, abs=1e-13)
    assert found.euclidean[0, 1] > 1
    assert abs(found.cosine[0, 1]) < 0.5  # not a comparison of ones


def test_distance_and_norm_are_those_of_numpy():
    a, b = states(2).values()
    assert distance(a, b) == pytest.approx(np.linalg.norm(as_numpy(a) - as_numpy(b)), rel=1e-13)
    assert norm(a) == pytest.approx(np.linalg.norm(as_numpy(a)), rel=1e-13)


def test_a_right_triangle_has_the_distances_on_paper():
    found = pairwise({"a": weights([3, 0, 0, 0]), "b": weights([0, 0, 0, 4]), "c": weights([-1, 0, 0, 0])})
    assert found.euclidean.tolist() == [[0, 5, 4], [5, 0, 17**0.5], [4, 17**0.5, 0]]
    assert found.cosine.tolist() == [[1, 0, -1], [0, 1, 0], [-1, 0, 1]]


def test_small_differences_of_large_weights_are_not_lost():
    """In float32, 1e8 + 8 and 1e8 differ by one step; their squares' difference would be noise."""
    assert distance(weights([1e8 + 8, 0, 0, 0]), weights([1e8, 0, 0, 0])) == 8
    assert norm(weights([1e30, 0, 0, 0])) == pytest.approx(1e30, rel=1e-6)  # its square has no float32


@given(VECTORS)
def test_everything_is_at_distance_zero_from_itself(values):
    assert distance(weights(values), weights(values)) == 0


@given(VECTORS, VECTORS)
def test_distance_is_symmetric_and_zero_for_equals_alone(a, b):
    forth, back = distance(weights(a), weights(b)), distance(weights(b), weights(a))
    assert forth == back >= 0
    assert (forth == 0) == (a == b)


@given(VECTORS, VECTORS, VECTORS)
def test_no_way_round_is_shorter(a, b, c):
    direct = distance(weights(a), weights(c))
    round_about = distance(weights(a), weights(b)) + distance(weights(b), weights(c))
    assert direct <= round_about * (1 + 1e-14)  # three roundings of float64


@given(VECTORS, VECTORS)
def test_cosines_are_symmetric_lie_within_one_and_are_one_on_the_diagonal(a, b):
    assume(any(a) and any(b))
    found = pairwise({"a": weights(a), "b": weights(b)})
    assert (np.abs(found.cosine) <= 1).all()
    assert np.array_equal(found.cosine, found.cosine.T)
    assert np.array_equal(found.euclidean, found.euclidean.T)
    assert found.cosine.diagonal().tolist() == [1, 1]
    assert found.euclidean.diagonal().tolist() == [0, 0]


@pytest.mark.parametrize("factor", [0.25, 8.0, -2.0])
def test_scaled_copies_have_a_cosine_of_one_or_minus_one(factor):
    """Powers of two scale float32 weights without rounding."""
    scaled = Weights({name: factor * tensor for name, tensor in POINT.parameters.items()}, POINT.buffers)
    found = pairwise({"point": POINT, "scaled": scaled})
    assert found.cosine[0, 1] == pytest.approx(np.sign(factor), abs=1e-14)
    assert found.euclidean[0, 1] == pytest.approx(abs(1 - factor) * norm(POINT), rel=1e-13)


def test_batchnorm_statistics_do_not_count():
    moved = Weights(POINT.parameters, {name: tensor + 3 for name, tensor in POINT.buffers.items()})
    assert distance(POINT, moved) == 0
    assert pairwise({"a": POINT, "b": moved}).euclidean[0, 1] == 0


def test_a_solution_without_a_direction_raises_and_is_named():
    with pytest.raises(ValueError, match="all parameters of level 2 are zero, so it has no cosine"):
        pairwise({"dense": weights([1, 0, 0, 0]), "level 2": weights([0, 0, 0, 0])})


def test_travel_is_from_the_rewind_point_of_the_level_before():
    """Fig. 3: ‖w(L-1) - m(L-1) ⊙ wk‖ against ‖w(L) - m(L-1) ⊙ wk‖, which is the same start for both."""
    starts = [weights([0, 0, 0, 0]), weights([10, 0, 0, 0])]
    solutions = [weights([3, 0, 0, 4]), weights([1, 0, 0, 0]), weights([10, 2, 0, 0])]
    found = travel(starts, solutions)
    assert found.level.tolist() == [1, 2]
    assert found.to_previous.tolist() == [5, 9]
    assert found.to_solution.tolist() == [1, 2]
    with_last = travel([*starts, weights([7, 7, 7, 7])], solutions)
    assert np.array_equal(with_last.to_previous, found.to_previous)
    assert np.array_equal(with_last.to_solution, found.to_solution)


def test_a_dense_network_alone_has_not_travelled():
    found = travel([POINT], [POINT])
    assert found.level.shape == found.to_previous.shape == found.to_solution.shape == (0,)


def test_travel_of_the_tiny_study_counts_what_pruning_removes():
    """w(1) is zero where m(1) prunes, and its start m(0) ⊙ wk is not."""
    dense, first = dense_solution(), imp_solution(1)
    start = dense.mask.apply(dense.rewind.weights)
    found = travel([start], [dense.final, first.final])
    removed = as_numpy(start)[as_numpy(first.mask.apply(start)) == 0]
    assert found.to_solution[0] > np.linalg.norm(removed) > 0
    assert found.to_previous[0] == pytest.approx(
        np.linalg.norm(as_numpy(dense.final) - as_numpy(start)), rel=1e-13
    )


def test_measuring_leaves_the_weights_alone():
    a, b = (of.map(torch.clone) for of in states(2).values())
    distance(a, b)
    pairwise({"a": a, "b": b})
    for ours, theirs in zip((a, b), states(2).values(), strict=True):
        assert np.array_equal(as_numpy(ours), as_numpy(theirs))
