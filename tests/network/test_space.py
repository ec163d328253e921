import pytest
import torch
from problems import DOUBLE, SPEC, random_mask, random_state

from lth.network import build_network
from lth.network.space import LevelSpace
from lth.network.weights import Weights

NETWORK = build_network(SPEC, 0)
WEIGHTS = random_state(Weights.of(NETWORK))
MASK = random_mask(NETWORK, 0.4)
SPACE = LevelSpace(MASK, WEIGHTS)


def test_dimension_counts_survivors_and_everything_that_is_never_pruned():
    assert SPACE.full_dimension == 242
    assert SPACE.dimension == MASK.num_kept + (242 - 225)
    assert LevelSpace(random_mask(NETWORK, 1.0), WEIGHTS).dimension == 242


def test_restriction_is_the_transpose_of_embedding():
    embed = torch.stack(
        [SPACE.flatten(SPACE.embed(unit)) for unit in torch.eye(SPACE.dimension, dtype=DOUBLE)], dim=1
    )
    restrict = torch.stack(
        [SPACE.restrict(SPACE.unflatten(unit)) for unit in torch.eye(SPACE.full_dimension, dtype=DOUBLE)], dim=1
    )
    assert torch.equal(restrict, embed.T)
    assert torch.equal(restrict @ embed, torch.eye(SPACE.dimension, dtype=DOUBLE))


def test_embedding_is_zero_where_pruned_and_reaches_everything_else():
    parameters = SPACE.embed(torch.ones(SPACE.dimension))
    for name, tensor in parameters.items():
        expected = MASK.keep.get(name, torch.ones_like(tensor)).float()
        assert torch.equal(tensor, expected)


def test_coordinates_are_in_parameter_order_then_row_major():
    numbered = SPACE.unflatten(torch.arange(242))
    assert list(numbered) == list(WEIGHTS.parameters)
    assert numbered["conv1.weight"][1, 0].tolist() == [[9, 10, 11], [12, 13, 14], [15, 16, 17]]
    assert torch.equal(SPACE.restrict(numbered), SPACE.restrict(numbered).sort().values)


def test_flatten_and_unflatten_are_inverse():
    flat = SPACE.flatten(WEIGHTS.parameters)
    for name, tensor in SPACE.unflatten(flat).items():
        assert torch.equal(tensor, WEIGHTS.parameters[name])
    assert flat.shape == (242,)


def test_projection_is_embedding_after_restriction():
    flat = torch.randn(242, generator=torch.Generator().manual_seed(0))
    expected = SPACE.flatten(SPACE.embed(SPACE.restrict(SPACE.unflatten(flat))))
    assert torch.equal(SPACE.project(flat), expected)
    assert torch.equal(SPACE.project(SPACE.project(flat)), SPACE.project(flat))


def test_projection_drops_a_nan_where_pruned():
    flat = torch.where(SPACE.project(torch.ones(242)) > 0, 1.0, float("nan"))
    assert SPACE.project(flat).isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dtype_of_a_vector_is_kept(dtype):
    embedded = SPACE.embed(torch.ones(SPACE.dimension, dtype=dtype))
    assert {tensor.dtype for tensor in embedded.values()} == {dtype}
