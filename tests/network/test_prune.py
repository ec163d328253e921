import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from problems import SPEC
from torch import Tensor

from lth.network import build_network
from lth.network.mask import Mask
from lth.network.prune import num_to_prune, prune_next_larger, prune_random, prune_smallest
from lth.network.weights import Weights
from lth.randomness import generator
from lth.setting.network import NetworkSpec


def layers(*flat: list[float]) -> Weights:
    return Weights({f"layer{i}": torch.tensor(values) for i, values in enumerate(flat)}, {})


def mask_like(weights: Weights, kept: list[bool] | None = None) -> Mask:
    dense = Mask({name: torch.ones(t.shape, dtype=torch.bool) for name, t in weights.parameters.items()})
    return dense if kept is None else dense.with_flat(torch.tensor(kept))


def pruned(before: Mask, after: Mask) -> list[int]:
    assert before.contains(after)
    return (before.flat() & ~after.flat()).nonzero().squeeze(1).tolist()


# Few distinct magnitudes, so that ties within and across layers are the rule; signs must not matter.
VALUES = st.sampled_from([0.0, -0.0, 0.5, -0.5, 1.0, -1.0, 2.0, 1e-30, -1e30])


@st.composite
def weights_and_masks(draw: st.DrawFn) -> tuple[Weights, Mask]:
    weights = layers(*draw(st.lists(st.lists(VALUES, min_size=1, max_size=8), min_size=1, max_size=4)))
    size = sum(tensor.numel() for tensor in weights.parameters.values())
    return weights, mask_like(weights, draw(st.lists(st.booleans(), min_size=size, max_size=size)))


def naive_ascending(weights: Weights, mask: Mask) -> list[int]:
    """Return the survivors in order of (magnitude, position), by numpy's lexicographic sort."""
    flat = np.concatenate([tensor.numpy() for tensor in weights.parameters.values()])
    positions = np.flatnonzero(mask.flat().numpy())
    return positions[np.lexsort((positions, np.abs(flat[positions])))].tolist()


@given(weights_and_masks(), st.data())
def test_prune_smallest_removes_exactly_the_first_of_a_naive_sort(problem, data):
    weights, mask = problem
    count = data.draw(st.integers(0, mask.num_kept))
    after = prune_smallest(weights, mask, count)
    assert pruned(mask, after) == sorted(naive_ascending(weights, mask)[:count])
    assert after.num_kept == mask.num_kept - count


@given(weights_and_masks(), st.data())
def test_prune_next_larger_removes_exactly_the_second_band_of_a_naive_sort(problem, data):
    weights, mask = problem
    count = data.draw(st.integers(0, mask.num_kept // 2))
    after = prune_next_larger(weights, mask, count)
    assert pruned(mask, after) == sorted(naive_ascending(weights, mask)[count : 2 * count])


@given(weights_and_masks(), st.data())
def test_prune_random_removes_exactly_as_many_survivors_as_asked(problem, data):
    _, mask = problem
    count = data.draw(st.integers(0, mask.num_kept))
    after = prune_random(mask, count, generator(data.draw(st.integers(0, 100)), "test"))
    assert len(pruned(mask, after)) == count


@given(st.integers(2, 10**6), st.floats(0.01, 0.99))
def test_number_to_prune_is_rounded_exactly(survivors, fraction):
    mask = Mask({"layer": torch.ones(1, dtype=torch.bool).expand(survivors)})
    expected = round(fraction * survivors)
    if expected >= survivors:
        with pytest.raises(ValueError, match=f"pruning {expected} of {survivors} weights leaves none"):
            num_to_prune(mask, fraction)
    else:
        assert num_to_prune(mask, fraction) == expected


def test_equal_magnitudes_go_by_position_and_in_exact_number():
    weights = layers([1.0, -1.0, 1.0], [-1.0, 1.0, 1.0, 1.0])
    mask = mask_like(weights)
    assert pruned(mask, prune_smallest(weights, mask, 4)) == [0, 1, 2, 3]
    assert pruned(mask, prune_next_larger(weights, mask, 2)) == [2, 3]


def test_pruning_is_global_over_the_layers():
    weights = layers([0.1, 0.2, 0.3], [1.0, 2.0, 3.0], [0.05, 9.0])
    mask = mask_like(weights)
    assert pruned(mask, prune_smallest(weights, mask, 4)) == [0, 1, 2, 6]


def test_prune_next_larger_keeps_the_smallest_and_removes_the_next_band():
    weights = layers([0.1, -0.2, 0.3, -0.4, 0.5, -0.6, 0.7, -0.8, 0.9, 1.0])
    mask = mask_like(weights)
    assert pruned(mask, prune_next_larger(weights, mask, 2)) == [2, 3]
    assert pruned(mask, prune_smallest(weights, mask, 2)) == [0, 1]


def test_weights_that_are_already_pruned_do_not_count_as_small():
    weights = layers([0.0, 0.0, 0.3, 0.4, 0.5])
    mask = mask_like(weights, [False, False, True, True, True])
    assert pruned(mask, prune_smallest(weights, mask, 1)) == [2]


def test_masks_are_nested_over_ten_levels_with_exact_survivors():
    network = build_network(NetworkSpec("resnet8-w8", (1, 8, 8), 10), 0)
    mask = Mask.dense(network)
    expected = mask.num_kept
    for level in range(10):
        weights = Weights.of(build_network(NetworkSpec("resnet8-w8", (1, 8, 8), 10), level))
        sparser = prune_smallest(weights, mask, num_to_prune(mask, 0.2))
        expected -= round(0.2 * expected)
        assert sparser.num_kept == expected
        assert mask.contains(sparser)
        mask = sparser
    assert 0.1 < mask.density < 0.11  # 0.8^10


def test_masks_do_not_share_memory_with_the_ones_they_came_from():
    weights = layers([0.1, 0.2, 0.3])
    mask = mask_like(weights)
    before = mask.flat().clone()
    prune_smallest(weights, mask, 1)
    prune_random(mask, 1, generator(0, "test"))
    assert torch.equal(mask.flat(), before)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("prune", [prune_smallest, prune_next_larger])
def test_a_weight_that_is_not_finite_raises(prune, value):
    weights = layers([0.1, value, 0.3, 0.4])
    with pytest.raises(ValueError, match="not finite"):
        prune(weights, mask_like(weights), 1)


@pytest.mark.parametrize("fraction", [0.9999, 0.76])
def test_pruning_everything_raises(fraction):
    weights = layers([0.1, 0.2])
    with pytest.raises(ValueError, match="pruning 2 of 2 weights leaves none after 1 rounds; lower"):
        num_to_prune(mask_like(weights), fraction)


@pytest.mark.parametrize("count", [3, 100, -1])
def test_pruning_more_than_survive_raises(count):
    weights = layers([0.1, 0.2, 0.3])
    mask = mask_like(weights, [True, False, True])
    with pytest.raises(ValueError, match=f"asked to prune {count} weights"):
        prune_smallest(weights, mask, count)
    with pytest.raises(ValueError, match=f"asked to prune {count} weights"):
        prune_random(mask, count, generator(0, "test"))


def test_a_band_beyond_the_survivors_raises():
    weights = layers([0.1, 0.2, 0.3])
    with pytest.raises(ValueError, match="asked to prune 2 weights, but only 1 can be"):
        prune_next_larger(weights, mask_like(weights), 2)


def counts(seeds: int) -> Tensor:
    """Return how often each of 20 survivors is among the 5 that are pruned."""
    mask = mask_like(layers([1.0] * 20))
    return sum((~prune_random(mask, 5, generator(seed, "test")).flat()).int() for seed in range(seeds))


def test_random_pruning_removes_every_survivor_equally_often():
    times = counts(2000)
    assert int(times.sum()) == 2000 * 5
    # Each count is binomial(2000, 1/4), standard deviation 19.4; five of them for the extremes of 20 counts.
    assert (times - 500).abs().max() < 5 * 19.4


def test_random_pruning_is_a_function_of_the_stream():
    mask = Mask.dense(build_network(SPEC, 0))
    first, same, other = (prune_random(mask, 50, generator(seed, "test")).flat() for seed in (0, 0, 1))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)
