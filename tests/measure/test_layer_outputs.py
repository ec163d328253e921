"""What layers of networks of many kinds put out, and that neither network nor caller is touched."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from lth.data import Examples
from lth.measure.layer_outputs import LayerOutputs
from lth.network.weights import Weights


class Twice(nn.Module):
    """Calls one layer twice, and has a parameter of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.scale = nn.Linear(4, 4), nn.Parameter(torch.ones(4))

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(self.inner(x)) * self.scale


class Sequence(nn.Module):
    """Puts the examples second on the way, and returns several tensors from its layers."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.attention = nn.LSTM(4, 6), nn.MultiheadAttention(6, 2)
        self.fc = nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        states, _ = self.lstm(x.reshape(len(x), 2, 4).transpose(0, 1))
        mixed, _ = self.attention(states, states, states)
        return self.fc(mixed[-1])


def conv() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(12, 2)
    )


def merged() -> nn.Module:
    """Return a network whose first layer sees the pieces of all examples along one axis."""
    return nn.Sequential(nn.Unflatten(1, (2, 4)), nn.Flatten(0, 1), nn.Linear(4, 3), nn.Unflatten(0, (-1, 2)))


def recorded(network: nn.Module, inputs: Tensor) -> tuple[tuple[str, ...], dict[str, Tensor]]:
    examples = Examples(inputs, torch.zeros(len(inputs), dtype=torch.long), None, None)
    outputs, found = LayerOutputs(network, examples), {}
    outputs(Weights.of(network), inputs, lambda name, features: found.update({name: features.clone()}))
    return outputs.layers, found


@pytest.mark.parametrize(
    ("make", "shape", "expected"),
    [
        (conv, (1, 4, 4), {"0": 12, "1": 12, "4": 2}),
        (Twice, (4,), {"inner": 4, "inner (2)": 4, "network": 4}),
        (Sequence, (8,), {"lstm": 12, "attention": 12, "fc": 2}),
        (merged, (8,), {"2": 6}),
        (lambda: nn.Sequential(weight_norm(nn.Linear(4, 3, bias=False))), (4,), {"0": 3}),
        (lambda: nn.Linear(4, 3), (4,), {"network": 3}),
        (lambda: nn.Sequential(nn.Flatten()), (4,), {}),
    ],
    ids=[
        "in place",
        "called twice",
        "examples second",
        "examples merged",
        "reparametrised",
        "itself",
        "nothing",
    ],
)
def test_layers_of_any_network_are_named_and_have_a_row_an_example(make, shape, expected):
    torch.manual_seed(0)
    layers, found = recorded(make(), torch.randn(5, *shape))
    shapes = {name: tuple(features.shape) for name, features in found.items()}
    assert shapes == {name: (5, width) for name, width in expected.items()}
    assert layers == tuple(expected)


def test_an_output_is_seen_before_it_is_changed_in_place():
    torch.manual_seed(0)
    network, inputs = conv().eval(), torch.randn(5, 1, 4, 4)
    _, found = recorded(network, inputs)
    with torch.no_grad():
        torch.testing.assert_close(found["1"], network[1](network[0](inputs)).flatten(1))
    assert bool((found["1"] < 0).any())  # which the ReLU after it would have made zero


def test_a_row_is_that_example_whatever_the_axis_of_examples():
    torch.manual_seed(0)
    network, inputs = Sequence().eval(), torch.randn(5, 8)
    _, found = recorded(network, inputs)
    for index in range(5):
        _, alone = recorded(network, inputs[[index, 0, 1, 2]])
        for name, features in found.items():
            torch.testing.assert_close(features[index], alone[name][0])


def test_the_network_its_hooks_its_mode_and_the_random_state_stay():
    network = nn.Sequential(nn.Linear(4, 4), nn.Dropout(), nn.Linear(4, 2)).train()
    before, state = Weights.of(network), torch.random.get_rng_state()
    recorded(network, torch.randn(4, 4, generator=torch.Generator().manual_seed(1)))
    assert network.training
    assert not network[0]._forward_hooks
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(network.get_parameter(name), given) for name, given in before.parameters.items())
