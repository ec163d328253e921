import pytest
import torch
from problems import SPEC, assert_same_weights, random_state
from torch import nn

from lth.network import build_network
from lth.network.weights import Weights, affine_combination


def weights(seed: int) -> Weights:
    return random_state(Weights.of(build_network(SPEC, 0)), seed)


def test_weights_are_a_copy_of_the_network_and_load_back():
    network = build_network(SPEC, 0)
    copied = Weights.of(network)
    weights(1).load_into(network)
    assert not torch.equal(Weights.of(network).parameters["fc.weight"], copied.parameters["fc.weight"])
    copied.load_into(network)
    assert_same_weights(Weights.of(network), copied)
    assert_same_weights(copied, Weights.of(build_network(SPEC, 0)))


def test_weights_of_a_network_in_another_memory_format_are_contiguous():
    network = build_network(SPEC, 0).to(memory_format=torch.channels_last)
    assert all(tensor.is_contiguous() for tensor in Weights.of(network).parameters.values())


def test_weights_of_another_network_raise_and_name_what_differs():
    with pytest.raises(ValueError, match="the weights of another network"):
        weights(0).load_into(nn.Linear(2, 3))


def test_weights_of_every_network_load_back_whatever_its_buffers_and_ties():
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encode = nn.Linear(3, 3)
            self.decode = nn.Linear(3, 3)
            self.decode.weight = self.encode.weight  # one parameter under two names
            self.register_buffer("scale", torch.ones(3), persistent=False)

    network = Odd()
    Weights.of(network).load_into(network)


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0, -0.5, 1.7])
def test_affine_combination_is_that_of_float64_rounded_once(alpha):
    a, b = weights(1), weights(2)
    combined = affine_combination([a, b], [1 - alpha, alpha])
    for name, tensor in combined.parameters.items():
        exact = (1 - alpha) * a.parameters[name].double() + alpha * b.parameters[name].double()
        assert torch.equal(tensor, exact.float())
    assert torch.equal(combined.buffers["bn1.num_batches_tracked"], a.buffers["bn1.num_batches_tracked"])


def test_a_combination_of_one_point_is_that_point_bit_for_bit_even_beside_a_nan():
    a, b = weights(1), weights(2).map(lambda tensor: torch.full_like(tensor, 7))
    b.parameters["fc.weight"].fill_(float("nan"))
    assert_same_weights(affine_combination([a, b], [1.0, 0.0]), a)
    a.buffers["bn1.num_batches_tracked"].fill_(7)
    a.buffers["bn2.num_batches_tracked"].fill_(7)
    assert_same_weights(affine_combination([b, a], [0.0, 1.0]), a)
