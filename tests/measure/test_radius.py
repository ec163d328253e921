import math
import statistics

import numpy as np
import pytest
import torch
from problems import SPEC, random_mask, random_state
from torch import Tensor

from lth.measure.radius import (
    BasinRadii,
    basin_radii,
    random_directions,
)
from lth.network import build_network
from lth.network.mask import Mask
from lth.network.space import LevelSpace
from lth.network.weights import Weights

DOUBLE = torch.float64
NETWORK = build_network(SPEC, 3)
POINT = random_state(Weights.of(NETWORK))
HESSIAN = torch.diag(torch.tensor([0.04, 1.0, 30.0, 900.0], dtype=DOUBLE))
HESSIAN[0, 1] = HESSIAN[1, 0] = 0.1
CENTRE = torch.tensor([1.0, -2.0, 0.5, 3.0], dtype=DOUBLE)


def quadratic(point: Tensor) -> float:
    """Loss 0.25 + (x - c)^T H (x - c) / 2."""
    offset = point - CENTRE
    return 0.25 + float(offset @ HESSIAN @ offset) / 2


def unit_vectors(count: int, dimension: int, seed: int = 0) -> list[Tensor]:
    drawn = torch.randn(count, dimension, dtype=DOUBLE, generator=torch.Generator().manual_seed(seed))
    return list(drawn / drawn.norm(dim=1, keepdim=True))


def measure(directions: list[Tensor], cutoff: float = 0.75, **options: float) -> BasinRadii:
    return basin_radii(quadratic, CENTRE, directions, cutoff, dimension=4, **options)


@pytest.mark.parametrize("cutoff", [0.2500001, 0.3, 0.75, 1e4])
@pytest.mark.parametrize("tolerance", [1e-3, 1e-6])
def test_radii_of_a_quadratic_are_those_on_paper(cutoff, tolerance):
    directions = unit_vectors(20, 4)
    radii = measure(directions, cutoff, tolerance=tolerance)
    expected = [math.sqrt(2 * (cutoff - 0.25) / float(u @ HESSIAN @ u)) for u in directions]
    np.testing.assert_allclose(radii.radii, expected, rtol=tolerance)  # the bracket's own width
    assert not radii.censored.any()
    assert radii.mean == pytest.approx(np.mean(expected), rel=tolerance)


@pytest.mark.parametrize("factor", [0.1, 3.0, 1000.0])
def test_a_direction_that_is_c_times_longer_has_a_radius_c_times_shorter(factor):
    directions = unit_vectors(10, 4)
    plain, scaled = measure(directions), measure([factor * u for u in directions])
    np.testing.assert_allclose(scaled.radii * factor, plain.radii, rtol=2e-3)  # both within the tolerance
    np.testing.assert_allclose(scaled.lengths, factor, rtol=1e-12)
    np.testing.assert_allclose(scaled.radii * scaled.lengths, plain.radii * plain.lengths, rtol=2e-3)


def test_a_loss_at_the_cutoff_is_still_inside():
    """The radius is where the loss exceeds the cutoff: a plateau at the cutoff belongs to the basin."""
    radii = basin_radii(
        lambda x: 1.0 if float(x) < 2 else 5.0,
        torch.zeros((), dtype=DOUBLE),
        [torch.ones((), dtype=DOUBLE)],
        1.0,
        dimension=1,
    )
    assert radii.radii[0] == pytest.approx(2, rel=1e-3)


def test_the_first_crossing_is_returned_where_the_loss_dips_again():
    radii = basin_radii(
        lambda x: math.sin(float(x)) ** 2,
        torch.zeros((), dtype=DOUBLE),
        [torch.ones((), dtype=DOUBLE)],
        0.5,
        dimension=1,
        growth=1.1,
    )
    assert radii.radii[0] == pytest.approx(math.pi / 4, rel=1e-3)


@pytest.mark.parametrize("growth", [1.5, 2.0, 4.0])
@pytest.mark.parametrize("begins", [0.06, 0.11, 0.9, 3.0, 41.0])
@pytest.mark.parametrize("beyond", [7.0, math.inf])
def test_a_rise_narrower_than_a_growth_step_ends_the_basin(growth, begins, beyond):
    """Whether the loss crosses for good, at 60, or not: then the direction was censored before."""
    for ends in (60.0, math.inf):
        radii = basin_radii(
            lambda x, ends=ends: beyond if begins < float(x) < begins * 1.26 or float(x) > ends else 0.0,
            torch.zeros((), dtype=DOUBLE),
            [torch.ones((), dtype=DOUBLE)],
            1.0,
            dimension=1,
            growth=growth,
            largest=100.0,
        )
        assert radii.radii[0] == pytest.approx(begins, rel=1e-3)
        assert radii.num_censored == 0


def test_a_finer_resolution_sees_a_narrower_rise():
    found = [
        basin_radii(
            lambda x: 7.0 if 2 < float(x) < 2.1 or float(x) > 9 else 0.0,
            torch.zeros((), dtype=DOUBLE),
            [torch.ones((), dtype=DOUBLE)],
            1.0,
            dimension=1,
            resolution=resolution,
        ).radii[0]
        for resolution in (1.25, 1.04)
    ]
    np.testing.assert_allclose(found, [9, 2], rtol=1e-3)


@pytest.mark.parametrize("beyond", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_lies_outside_the_basin(beyond):
    radii = basin_radii(
        lambda x: 0.0 if float(x) < 3 else beyond,
        torch.zeros((), dtype=DOUBLE),
        [torch.ones((), dtype=DOUBLE)],
        1.0,
        dimension=1,
    )
    assert radii.radii[0] == pytest.approx(3, rel=1e-3)
    assert radii.num_censored == 0


def test_a_direction_that_never_crosses_is_kept_and_flagged():
    flat = torch.zeros(4, dtype=DOUBLE)
    radii = measure([*unit_vectors(2, 4), flat], largest=50.0)
    assert radii.censored.tolist() == [False, False, True]
    assert radii.num_censored == 1
    assert radii.radii[2] == 50.0
    assert len(radii.radii) == 3


def test_a_crossing_beyond_the_largest_radius_is_censored_and_one_before_it_is_not():
    radius = math.sqrt(2 * 0.5 / 0.5)  # of a curvature of one half
    options = {"dimension": 1, "smallest": 0.01}

    def loss(x: Tensor) -> float:
        return float(x) ** 2 / 4

    point, direction = torch.zeros((), dtype=DOUBLE), [torch.ones((), dtype=DOUBLE)]
    below = basin_radii(loss, point, direction, 0.5, largest=radius * 0.999, **options)
    above = basin_radii(loss, point, direction, 0.5, largest=radius * 1.001, **options)
    assert below.censored.tolist() == [True]
    assert above.censored.tolist() == [False]


def test_a_point_above_the_cutoff_raises_and_names_both():
    with pytest.raises(ValueError, match=r"the loss at the point is 0\.25, above the cutoff 0\.2"):
        measure(unit_vectors(2, 4), cutoff=0.2)


def test_a_point_without_a_loss_raises():
    with pytest.raises(ValueError, match="nan"):
        basin_radii(lambda _: math.nan, CENTRE, unit_vectors(2, 4), 1.0, dimension=4)


@pytest.mark.parametrize(
    ("loss", "cutoff"), [(math.inf, math.inf), (math.inf, 1.0), (0.25, math.inf), (0.25, math.nan)]
)
def test_a_loss_or_a_cutoff_that_is_not_finite_raises_and_names_both(loss, cutoff):
    """With both infinite, everything would lie above the cutoff however near the point."""
    with pytest.raises(ValueError, match=f"the loss at the point is {loss} and the cutoff {cutoff}"):
        basin_radii(quadratic, CENTRE, unit_vectors(2, 4), cutoff, dimension=4, loss_at_point=loss)


def test_a_loss_at_the_point_that_is_wrong_raises_and_does_not_search_for_ever():
    with pytest.raises(ValueError, match=r"above the cutoff however near the point; is loss_at_point right\?"):
        basin_radii(quadratic, CENTRE, unit_vectors(2, 4), 0.2, dimension=4, loss_at_point=0.1)


def test_a_known_loss_at_the_point_is_not_evaluated_again():
    calls = []

    def counted(point: Tensor) -> float:
        calls.append(point.clone())
        return quadratic(point)

    given = basin_radii(counted, CENTRE, unit_vectors(3, 4), 0.75, dimension=4, loss_at_point=0.25)
    assert given.num_evaluations == len(calls)
    assert not any(torch.equal(point, CENTRE) for point in calls)
    found = measure(unit_vectors(3, 4))
    assert np.array_equal(given.radii, found.radii)
    assert given.loss == found.loss == 0.25
    assert given.num_evaluations == found.num_evaluations - 1


def test_a_known_loss_above_the_cutoff_raises():
    with pytest.raises(ValueError, match=r"the loss at the point is 0\.8, above the cutoff 0\.75"):
        basin_radii(quadratic, CENTRE, unit_vectors(2, 4), 0.75, dimension=4, loss_at_point=0.8)


def test_directions_are_taken_one_at_a_time():
    """A direction of a large network fills memory, so the next one is not made before this one is done."""
    events = []

    def directions():
        for index, unit in enumerate(unit_vectors(3, 4)):
            events.append(f"direction {index}")
            yield unit

    def loss(point: Tensor) -> float:
        if events and events[-1] != "searched":
            events.append("searched")
        return quadratic(point)

    radii = basin_radii(loss, CENTRE, directions(), 0.75, dimension=4)
    assert events == [word for index in range(3) for word in (f"direction {index}", "searched")]
    expected = measure(unit_vectors(3, 4))
    assert np.array_equal(radii.radii, expected.radii)
    assert np.array_equal(radii.lengths, expected.lengths)


@pytest.mark.parametrize("room", [1, 3, 100])
def test_directions_that_are_searched_together_get_the_radii_that_they_get_alone(room, monkeypatch):
    """Whatever they meet: a plain rise, one narrower than a growth step, what is not finite, or nothing."""
    flat = torch.zeros(4, dtype=DOUBLE)
    directions, asked = [*unit_vectors(6, 4), flat, *(0.01 * unit for unit in unit_vectors(3, 4, seed=1))], []
    monkeypatch.setattr("lth.measure.radius._DIRECTION_BYTES", room * 4 * 8)

    def loss(point: Tensor) -> float:
        along = float((point - CENTRE).norm())
        if 0.3 < along < 0.32:
            return math.nan
        return 9.0 if 0.15 < along < 0.155 else quadratic(point)

    def losses(points):
        values = [loss(point) for point in points]
        asked.append(len(values))
        return values

    how = {"dimension": 4, "largest": 40.0, "resolution": 1.02}
    alone = basin_radii(loss, CENTRE, directions, 0.75, **how)
    together = basin_radii(loss, CENTRE, iter(directions), 0.75, losses=losses, **how)
    for name in ("radii", "lengths", "censored", "num_evaluations"):
        np.testing.assert_array_equal(getattr(together, name), getattr(alone, name))
    assert sum(asked) == alone.num_evaluations - 1  # that at the point
    assert alone.censored.sum() == 1
    assert len(asked) == sum(asked) if room == 1 else len(asked) < sum(asked)
    assert max(asked) == min(room, len(directions))


def test_evaluations_are_counted():
    calls = []
    radii = basin_radii(
        lambda x: calls.append(x) or quadratic(x), CENTRE, unit_vectors(3, 4), 0.75, dimension=4
    )
    assert radii.num_evaluations == len(calls)


@pytest.mark.parametrize("radii", [[1.0, 2.0, 6.0], [0.25, 0.25], [3.0, 1.0, 4.0, 1.0, 5.0]])
def test_the_standard_error_of_the_mean_is_over_the_directions(radii):
    count = len(radii)
    found = BasinRadii(np.array(radii), np.ones(count), np.zeros(count, dtype=bool), 1.0, 0.0, 9, 0)
    assert found.standard_error == pytest.approx(statistics.stdev(radii) / math.sqrt(count), rel=1e-12)


def test_one_direction_has_no_standard_error():
    assert BasinRadii(np.ones(1), np.ones(1), np.zeros(1, dtype=bool), 1.0, 0.0, 9, 0).standard_error is None


def space(density: float = 1.0, seed: int = 0) -> LevelSpace:
    return LevelSpace(random_mask(NETWORK, density, seed), POINT)


def test_plain_directions_have_norm_one_and_are_zero_where_pruned():
    sparse = space(0.5)
    for direction in random_directions(sparse, POINT, 5, "plain", seed=0):
        assert direction.shape == (sparse.full_dimension,)
        assert float(direction.norm()) == pytest.approx(1, abs=1e-6)  # float32
        assert torch.equal(direction, sparse.project(direction))
        assert int(direction.count_nonzero()) == sparse.dimension


def test_filters_of_a_direction_have_the_norms_of_the_filters_of_the_weights():
    mask = random_mask(NETWORK, 0.6)
    weights = mask.apply(POINT)
    sparse = LevelSpace(mask, weights)
    for direction in random_directions(sparse, weights, 3, "filter", seed=0):
        parts = sparse.unflatten(direction)
        for name, tensor in weights.parameters.items():
            if tensor.ndim < 2:
                assert not parts[name].any()
                continue
            for ours, theirs, kept in zip(parts[name], tensor, mask.keep[name], strict=True):
                torch.testing.assert_close(ours.norm(), theirs.norm(), rtol=1e-5, atol=0.0)  # float32 sums
                assert not ours[~kept].any()


def test_a_filter_that_is_wholly_pruned_or_wholly_zero_stays_put():
    weights = POINT.map(torch.clone)
    weights.parameters["conv1.weight"][0] = 0
    keep = dict(Mask.dense(NETWORK).keep)
    keep["conv1.weight"][1] = False
    sparse = LevelSpace(Mask(keep), weights)
    (direction,) = random_directions(sparse, weights, 1, "filter", seed=0)
    part = sparse.unflatten(direction)["conv1.weight"]
    assert not part[:2].any()
    assert direction.isfinite().all()


@pytest.mark.parametrize("norm", ["plain", "filter"])
def test_same_seed_gives_the_same_directions_and_another_seed_does_not(norm):
    first, second, other = (list(random_directions(space(), POINT, 3, norm, seed=seed)) for seed in (4, 4, 5))
    for a, b, c in zip(first, second, other, strict=True):
        assert torch.equal(a, b)
        assert not torch.equal(a, c)
    assert not torch.equal(first[0], first[1])


def test_a_larger_number_of_directions_begins_with_the_smaller_number():
    few, many = (list(random_directions(space(), POINT, count, "plain", seed=4)) for count in (2, 5))
    assert (len(few), len(many)) == (2, 5)
    assert all(torch.equal(a, b) for a, b in zip(few, many, strict=False))


def test_two_spaces_share_their_directions_up_to_mask_and_norm():
    dense, sparse = space(), space(0.5)
    for full, masked in zip(
        random_directions(dense, POINT, 4, "plain", seed=0),
        random_directions(sparse, POINT, 4, "plain", seed=0),
        strict=True,
    ):
        projected = sparse.project(full)
        torch.testing.assert_close(masked, projected / projected.norm(), rtol=1e-5, atol=1e-7)  # float32


def test_two_solutions_of_one_space_share_their_plain_directions():
    other = random_state(POINT, seed=9)
    for a, b in zip(
        random_directions(space(0.5), POINT, 3, "plain", seed=0),
        random_directions(space(0.5), other, 3, "plain", seed=0),
        strict=True,
    ):
        assert torch.equal(a, b)


def test_drawing_directions_leaves_the_global_random_state_alone():
    before = torch.get_rng_state()
    assert len(list(random_directions(space(), POINT, 2, "filter", seed=0))) == 2
    assert torch.equal(torch.get_rng_state(), before)


def test_a_direction_is_drawn_when_it_is_asked_for(monkeypatch):
    drawn = []
    monkeypatch.setattr(
        "lth.measure.radius.generator",
        lambda *purpose: drawn.append(purpose[-1]) or torch.Generator().manual_seed(purpose[-1]),
    )
    directions = random_directions(space(), POINT, 1000, "plain", seed=0)
    assert drawn == []
    next(directions)
    next(directions)
    assert drawn == [0, 1]
