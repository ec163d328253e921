"""REPAIR against its definition: means and deviations of units on the way are those between the ends."""

import pytest
import torch
from torch import nn

from lth.data import Examples
from lth.measure.repair import Repair
from lth.network.weights import Weights


class Pooled(nn.Module):
    """A residual stream with BatchNorm, and two linear layers."""

    def __init__(self):
        super().__init__()
        self.stem, self.norm = nn.Conv2d(1, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4)
        self.block, self.normed = nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.hidden, self.out = nn.Linear(4, 6), nn.Linear(6, 3)

    def forward(self, x):
        x = torch.relu(self.norm(self.stem(x)))
        x = torch.relu(x + self.normed(self.block(x)))
        return self.out(torch.relu(self.hidden(x.mean((2, 3)))))


NETWORKS = {
    "perceptron": (
        lambda: nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 5), nn.ReLU(), nn.Linear(5, 2)),
        (3,),
    ),
    "residual with BatchNorm": (Pooled, (1, 6, 6)),
}


def moments(network, names, inputs):
    """Return mean and deviation of every unit behind every layer, by hooks of the test's own."""
    seen = {}

    def note(name):
        def hook(_layer, _inputs, output):
            rest = [axis for axis in range(output.ndim) if axis != 1]
            seen[name] = torch.stack([output.mean(rest), output.std(rest, correction=0)])

        return hook

    hooks = [network.get_submodule(name).register_forward_hook(note(name)) for name in names]
    with torch.no_grad():
        network.eval()(inputs)
    for hook in hooks:
        hook.remove()
    return seen


@pytest.mark.parametrize("alpha", [0.3, 0.5])
@pytest.mark.parametrize("name", NETWORKS)
def test_repaired_units_have_the_interpolated_means_and_deviations_of_the_ends(name, alpha):
    torch.manual_seed(0)
    build, shape = NETWORKS[name]
    inputs = torch.randn(200, *shape)
    ends = [build() for _ in range(2)]
    for network in ends:
        network.train()(inputs)  # BatchNorm has statistics of its own
        network.eval()
    repair = Repair(ends[0], Examples(inputs, torch.zeros(200, dtype=torch.long), None, None), seed=0)
    prepared = [repair.end(Weights.of(network)) for network in ends]
    between = Weights(
        *(
            {
                key: torch.lerp(tensor.double(), other[key].double(), alpha).to(tensor.dtype)
                for key, tensor in one.items()
            }
            for one, other in zip(
                (prepared[0].parameters, prepared[0].buffers),
                (prepared[1].parameters, prepared[1].buffers),
                strict=True,
            )
        )
    )
    repair(between).load_into(repair.network)
    found = moments(repair.network, repair.layers, inputs)
    start, end = (moments(network, repair.layers, inputs) for network in ends)
    assert list(found) == [layer for layer in dict(ends[0].named_modules()) if layer in found]
    for layer, each in found.items():
        torch.testing.assert_close(each, torch.lerp(start[layer], end[layer], alpha), atol=1e-4, rtol=1e-4)
    between.load_into(repair.network)
    assert any(
        (each - found[layer]).abs().max() > 0.05
        for layer, each in moments(repair.network, repair.layers, inputs).items()
    )  # they have not without it
