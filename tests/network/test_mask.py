import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from problems import SPEC, assert_same_weights, random_mask
from torch import nn

from lth.network import build_network
from lth.network.mask import Mask
from lth.network.parts import prunable_names
from lth.network.weights import Weights

NETWORK = build_network(SPEC, 0)


def test_weights_of_convolutions_and_linear_layers_are_prunable_and_nothing_else():
    assert prunable_names(NETWORK) == ("conv1.weight", "conv2.weight", "fc.weight")
    assert prunable_names(nn.Linear(2, 3)) == ("weight",)
    mixed = nn.Sequential(
        nn.Conv1d(1, 2, 3), nn.BatchNorm1d(2), nn.PReLU(), nn.Conv3d(1, 1, 1), nn.Embedding(3, 4)
    )
    assert prunable_names(mixed) == ("0.weight", "3.weight")


def test_a_network_without_such_a_layer_raises():
    with pytest.raises(ValueError, match="nothing can be pruned"):
        prunable_names(nn.BatchNorm2d(3))


def test_dense_mask_keeps_everything():
    mask = Mask.dense(NETWORK)
    assert mask.num_kept == mask.num_prunable == 36 + 108 + 81
    assert mask.density == 1


def test_flat_and_back_is_the_same_mask():
    mask = random_mask(NETWORK, 0.5)
    again = Mask.dense(NETWORK).with_flat(mask.flat())
    assert list(again.keep) == list(mask.keep)
    assert all(torch.equal(again.keep[name], kept) for name, kept in mask.keep.items())
    assert mask.num_kept == int(mask.flat().sum())
    assert mask.density == mask.num_kept / 225


def test_apply_zeroes_pruned_weights_exactly_and_leaves_the_rest_bit_equal():
    mask, weights = random_mask(NETWORK, 0.5), Weights.of(NETWORK)
    weights.parameters["fc.weight"].fill_(float("nan"))  # a product with the mask would keep NaN
    masked = mask.apply(weights)
    for name, kept in mask.keep.items():
        assert not masked.parameters[name][~kept].any()
        torch.testing.assert_close(
            masked.parameters[name][kept], weights.parameters[name][kept], rtol=0, atol=0, equal_nan=True
        )
    for name in ("bn1.weight", "bn2.bias", "fc.bias"):
        assert torch.equal(masked.parameters[name], weights.parameters[name])
    assert masked.buffers == weights.buffers


def test_apply_does_not_change_its_argument_and_is_idempotent():
    mask, weights = random_mask(NETWORK, 0.5), Weights.of(NETWORK)
    once = mask.apply(weights)
    assert_same_weights(weights, Weights.of(NETWORK))
    assert_same_weights(mask.apply(once), once)


def test_a_mask_contains_itself_and_sparser_masks_only():
    dense, sparse = Mask.dense(NETWORK), random_mask(NETWORK, 0.5)
    other = random_mask(NETWORK, 0.5, seed=1)
    assert dense.contains(sparse)
    assert sparse.contains(sparse)
    assert not sparse.contains(dense)
    assert not sparse.contains(other)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_a_mask_that_is_not_boolean_raises_and_names_the_parameter(dtype):
    with pytest.raises(ValueError, match=r"mask of fc\.weight has dtype .* expected torch\.bool"):
        Mask({"fc.weight": torch.ones(3, dtype=dtype)})


def mask_of_bits(drawn: bytes) -> torch.Tensor:
    return torch.from_numpy(np.unpackbits(np.frombuffer(drawn, np.uint8))[:225]).bool()


FLAT = st.binary(min_size=29, max_size=29).map(mask_of_bits)  # drawn one by one, they take seconds


@given(FLAT)
def test_any_flat_mask_is_the_same_after_it_was_put_in_shape(flat):
    mask = Mask.dense(NETWORK).with_flat(flat)
    assert torch.equal(mask.flat(), flat)
    assert mask.num_kept == int(flat.sum())


@given(FLAT, FLAT)
def test_masks_are_nested_exactly_where_one_has_no_weight_that_the_other_lacks(one, other):
    outer, inner = Mask.dense(NETWORK).with_flat(one), Mask.dense(NETWORK).with_flat(one & other)
    assert outer.contains(inner)
    assert inner.contains(outer) == torch.equal(one, one & other)
    weights = Weights.of(NETWORK)
    assert_same_weights(inner.apply(outer.apply(weights)), inner.apply(weights))
