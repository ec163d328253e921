"""A network without its BatchNorms is the same function; in float64 to rounding, so the algebra is right."""

import copy
from functools import cache

import pytest
import tiny_problem
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from problems import CPU, DOUBLE, SPEC, assert_same_weights, random_state, small_conv
from torch import Tensor, nn
from torch.autograd import Function
from torch.utils.checkpoint import checkpoint

from lth.network import build_network
from lth.network.folded import Folded
from lth.network.resnet import CifarResNet
from lth.network.vgg import Vgg
from lth.network.weights import Weights
from lth.setting.network import NetworkSpec

SHAPES = {"resnet8-w8": (3, 16, 16), "resnet20": (3, 32, 32), "vgg11-w8": (3, 32, 32)}
OURS = list(SHAPES)


@cache
def built(name: str) -> nn.Module:
    """Return the network in evaluation mode; nobody may change it."""
    return build_network(NetworkSpec(name, SHAPES[name], 10), 0)


def images(name: str, count: int = 5) -> Tensor:
    return torch.randn(count, *SHAPES[name], generator=torch.Generator().manual_seed(0))


def as_in_training(name: str, seed: int) -> Weights:
    """Return kernels as initialised under random BatchNorms: kernels of variance one would grow by layers."""
    initial = Weights.of(built(name))
    drawn = random_state(initial, seed)
    kernels = {name: tensor for name, tensor in initial.parameters.items() if tensor.dim() > 1}
    return Weights({**drawn.parameters, **kernels}, drawn.buffers)


def in_double(weights: Weights) -> Weights:
    return weights.map(lambda tensor: tensor.double() if tensor.is_floating_point() else tensor)


def unfolded(name: str, weights: Weights, inputs: Tensor) -> Tensor:
    """Return what the network itself computes, in the type of the inputs."""
    network = copy.deepcopy(built(name)).to(inputs.dtype)
    weights.load_into(network)
    with torch.no_grad():
        return network(inputs)


def folded(name: str, weights: Weights, inputs: Tensor) -> Tensor:
    function = Folded(built(name), CPU)
    with torch.no_grad():
        return function(function.state(weights), inputs)


def assert_close(ours: Tensor, theirs: Tensor, tolerance: float) -> None:
    """Fail unless all logits agree to `tolerance` of the largest: that is how their sums are rounded."""
    assert ours.dtype == theirs.dtype
    torch.testing.assert_close(ours, theirs, rtol=0, atol=tolerance * float(theirs.abs().max()))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", OURS)
def test_a_folded_network_is_the_network(name, seed):
    weights, inputs = as_in_training(name, seed), images(name)
    exact = unfolded(name, in_double(weights), inputs.double())
    # Up to 20 layers, each rounded to 2^-24, and rounded otherwise by each of the two.
    assert_close(folded(name, weights, inputs), unfolded(name, weights, inputs), 1e-5)
    assert_close(folded(name, weights, inputs).double(), exact, 1e-5)
    # The same in float64, 2^-53: only another function would differ by more.
    assert_close(folded(name, in_double(weights), inputs.double()), exact, 1e-12)


@pytest.mark.parametrize("name", OURS)
def test_every_batchnorm_is_folded_away(name):
    weights = Weights.of(built(name))
    state = Folded(built(name), CPU).state(weights)
    assert any("running_var" in buffer for buffer in weights.buffers)
    assert not any("running_" in entry or "num_batches" in entry for entry in state)
    norms = len(weights.buffers) // 3  # mean, variance and counter
    assert len(state) == len(weights.parameters) - norms  # scale and shift became one bias


@pytest.mark.parametrize("name", OURS)
def test_every_statistic_scale_and_shift_matters_as_in_the_network(name):
    """A fold that mistook one BatchNorm for another would agree on some of them only."""
    weights, inputs = in_double(as_in_training(name, 0)), images(name, 2).double()
    before = unfolded(name, weights, inputs)
    norms = [entry.removesuffix(".running_mean") for entry in weights.buffers if "running_mean" in entry]
    for norm in norms:
        changed = weights.map(torch.clone)
        changed.buffers[f"{norm}.running_mean"][0] += 1
        changed.buffers[f"{norm}.running_var"][1] *= 3
        changed.parameters[f"{norm}.weight"][2] *= -2
        changed.parameters[f"{norm}.bias"][3] += 1
        theirs = unfolded(name, changed, inputs)
        assert not torch.allclose(theirs, before, rtol=0, atol=1e-9), norm
        assert_close(folded(name, changed, inputs), theirs, 1e-12)


@settings(max_examples=40)
@given(
    name=st.sampled_from(["resnet8-w8", "vgg11-w8"]),
    seed=st.integers(0, 2**32 - 1),
    smallest=st.sampled_from([0.0, 1e-30, 1e-12, 1e-5, 1.0]),
    sign=st.sampled_from([-1.0, 1.0]),
    spread=st.sampled_from([0.0, 1.0, 100.0]),
)
def test_a_folded_network_is_the_network_for_all_statistics(name, seed, smallest, sign, spread):
    """Variances down to zero, where only ε is left; scales of one sign; statistics far from the data."""
    drawn = as_in_training(name, seed)
    parameters = {
        entry: sign * tensor.abs() if tensor.dim() == 1 and entry.endswith("weight") else tensor
        for entry, tensor in drawn.parameters.items()
    }
    buffers = {
        entry: smallest * tensor if entry.endswith("running_var") else tensor
        for entry, tensor in drawn.buffers.items()
    }
    buffers = {e: spread * t if e.endswith("running_mean") else t for e, t in buffers.items()}
    weights = in_double(Weights(parameters, buffers))
    inputs = images(name, 2).double()
    theirs = unfolded(name, weights, inputs)
    assert torch.isfinite(theirs).all()
    # A mean of 100 outweighs the data: what is then subtracted from what leaves two digits less.
    assert_close(folded(name, weights, inputs), theirs, 1e-10)


def test_an_order_of_images_does_not_matter():
    weights, inputs = as_in_training("resnet8-w8", 0), images("resnet8-w8")
    channels_last = inputs.contiguous(memory_format=torch.channels_last)
    assert torch.equal(folded("resnet8-w8", weights, inputs), folded("resnet8-w8", weights, channels_last))


def varied(change: str) -> CifarResNet:
    """Return one of ours of which a user replaced a module: that can't be folded, or only partly."""
    network = CifarResNet(8, 4, 3, 10)
    block = network.blocks[0]
    match change:
        case "a convolution with a bias":
            network.conv = nn.Conv2d(3, 4, 3, padding=1)
        case "a BatchNorm without scale and shift":
            network.bn = nn.BatchNorm2d(4, affine=False)
        case "a BatchNorm of the batch":
            network.bn = nn.BatchNorm2d(4, track_running_stats=False)
        case "a BatchNorm of the images":
            network.conv = nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 4, 3, padding=1, bias=False))
        case "a BatchNorm after a sum":
            network.bn = nn.Sequential(nn.Identity(), nn.BatchNorm2d(4))
        case "a convolution that is called twice":
            block.conv2 = block.conv1
        case "a BatchNorm that is called twice":
            block.bn2 = block.bn1
    return network


@pytest.mark.parametrize(
    "change",
    [
        "nothing",
        "a convolution with a bias",
        "a BatchNorm without scale and shift",
        "a BatchNorm of the batch",
        "a BatchNorm of the images",
        "a BatchNorm after a sum",
        "a convolution that is called twice",
        "a BatchNorm that is called twice",
    ],
)
def test_a_users_variant_of_one_of_ours_is_the_same_function(change):
    torch.manual_seed(0)
    network = varied(change).double().eval()
    weights, inputs = in_double(random_state(Weights.of(network))), images("resnet8-w8", 3).double()
    weights.load_into(network)
    function = Folded(network, CPU)
    with torch.no_grad():
        assert_close(function(function.state(weights), inputs), network(inputs), 1e-12)


class Branching(CifarResNet):
    """A user's variant of one of ours, which tracing would change."""

    def forward(self, x: Tensor) -> Tensor:
        logits = super().forward(x)
        return logits if logits.sum() > 0 else -logits


def test_a_users_variant_of_one_of_ours_may_branch():
    torch.manual_seed(0)
    network = Branching(8, 4, 3, 10).eval()
    for seed in range(4):
        weights, inputs = random_state(Weights.of(network), seed), images("resnet8-w8", 3)
        weights.load_into(network)
        function = Folded(network, CPU)
        with torch.no_grad():
            assert_close(function(function.state(weights), inputs), network(inputs), 1e-5)


@pytest.mark.parametrize("build", [tiny_problem.network, small_conv])
def test_a_users_network_is_called_as_it_is(build):
    torch.manual_seed(0)
    network = build(SPEC.input_shape, SPEC.num_classes).eval()
    weights, inputs = random_state(Weights.of(network)), torch.randn(5, *SPEC.input_shape)
    function = Folded(network, CPU)
    state = function.state(weights)
    given = {**weights.parameters, **weights.buffers}
    assert list(state) == list(given)
    assert all(state[entry] is tensor for entry, tensor in given.items())
    weights.load_into(network)
    with torch.no_grad():
        assert torch.equal(function(state, inputs), network(inputs))


def test_what_a_users_network_does_besides_is_done_at_every_call():
    """Tracing would have run it once, with the branch that it took then."""
    calls = []

    class Branching(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            calls.append(len(x))
            return self.fc(x.flatten(1)) if x.sum() > 0 else torch.zeros(len(x), 2)

    function = Folded(Branching(), CPU)
    state = function.state(Weights.of(Branching()))
    assert function(state, torch.ones(1, 1, 2, 2)).any()
    assert not function(state, -torch.ones(3, 1, 2, 2)).any()
    assert calls == [1, 3]


@pytest.mark.parametrize("name", OURS)
def test_the_callers_network_weights_and_images_are_not_changed(name):
    network = copy.deepcopy(built(name)).train()
    for parameter in network.parameters():
        parameter.grad = torch.ones_like(parameter)
    before, modules = Weights.of(network), [type(module) for module in network.modules()]
    weights, inputs = as_in_training(name, 0), images(name)
    copied, names = weights.map(torch.clone), list(weights.buffers)
    function = Folded(network, CPU)
    with torch.no_grad():
        for _ in range(2):
            function(function.state(weights), inputs)
    assert_same_weights(Weights.of(network), before)
    assert [type(module) for module in network.modules()] == modules
    assert all(module.training for module in network.modules())
    assert all((parameter.grad == 1).all() for parameter in network.parameters())
    assert all(parameter.is_contiguous() for parameter in network.parameters())
    assert list(weights.buffers) == names
    assert_same_weights(weights, copied)
    assert torch.equal(inputs, images(name))


def test_a_later_change_of_the_network_does_not_matter():
    network = copy.deepcopy(built("resnet8-w8"))
    function, weights, inputs = Folded(network, CPU), as_in_training("resnet8-w8", 0), images("resnet8-w8")
    for tensor in (*network.parameters(), *network.buffers()):
        tensor.data.fill_(5)
    with torch.no_grad():
        assert torch.equal(function(function.state(weights), inputs), folded("resnet8-w8", weights, inputs))


def test_a_state_holds_other_weights_than_the_next():
    function, inputs = Folded(built("resnet8-w8"), CPU), images("resnet8-w8")
    first, second = (function.state(as_in_training("resnet8-w8", seed)) for seed in (0, 1))
    with torch.no_grad():
        before = function(first, inputs)
        assert not torch.equal(function(second, inputs), before)
        assert torch.equal(function(first, inputs), before)


@pytest.mark.parametrize("name", OURS)
def test_folded_kernels_are_rounded_once_from_float64(name):
    weights = as_in_training(name, 0)
    state, exact = (Folded(built(name), CPU).state(w) for w in (weights, in_double(weights)))
    for entry, tensor in state.items():
        assert tensor.dtype == torch.float32
        assert exact[entry].dtype == DOUBLE
        assert torch.equal(tensor, exact[entry].float()), entry


class Reading(nn.Module):
    """A network that reads its parameters when it likes, or holds them where no module registers them."""

    def __init__(self, how: str) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.how, self.first, self.last = how, nn.Linear(36, 5), nn.Linear(5, 3)
        self.recurrent = nn.GRU(5, 5, batch_first=True) if how == "a list of its own" else None
        self.held = [self.last.weight, self.last.bias]
        self.register_buffer("scale", torch.ones(5))
        if how == "a hook of its backward":
            self.last.register_full_backward_hook(self._through)

    def _through(self, layer: nn.Linear, _for_inputs: object, for_outputs: tuple[Tensor]) -> tuple[Tensor]:
        return (for_outputs[0] @ layer.weight,)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x.flatten(1))
        match self.how:
            case "recomputed activations":
                x = checkpoint(nn.Sequential(nn.Tanh(), self.last), x, use_reentrant=False)
            case "a backward of its own":
                x = OfLayer.apply(x, self.last)
            case "a list":
                x = nn.functional.linear(x, *self.held)
            case "a list of its own":
                x = self.last(self.recurrent(x[:, None])[0][:, 0])
            case "a buffer that it changes":
                x, self.scale = self.last(x * self.scale), self.scale + 1
            case _:
                x = self.last(x)
        return x


class OfLayer(Function):
    @staticmethod
    def forward(ctx, x, layer):
        ctx.layer = layer
        return layer(x)

    @staticmethod
    def backward(ctx, along):
        return along @ ctx.layer.weight, None


READING = [
    "recomputed activations",
    "a backward of its own",
    "a hook of its backward",
    "a list",
    "a list of its own",
    "a buffer that it changes",
]


@pytest.mark.parametrize("dtype", [torch.float32, DOUBLE])
@pytest.mark.parametrize("how", READING)
def test_a_network_that_reads_its_parameters_late_or_elsewhere_is_the_one_at_the_point(how, dtype):
    network, inputs = Reading(how).eval(), torch.randn(4, *SPEC.input_shape).to(dtype)
    function = Folded(network, CPU)
    point = random_state(Weights.of(network))
    leaves = function.leaves(point, dtype)
    names = ["first.weight", "first.bias"]
    found = function(function.state(leaves), inputs)
    slopes = torch.autograd.grad(found.square().sum(), [leaves.parameters[name] for name in names])

    there = Reading(how).eval().to(dtype)
    point.map(lambda tensor: tensor.to(dtype)).load_into(there)
    expected = there(inputs)
    theirs = torch.autograd.grad(expected.square().sum(), [there.get_parameter(name) for name in names])
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(slopes, theirs)
    with torch.no_grad():
        again = function(function.state(point.map(lambda tensor: tensor.to(dtype))), inputs)
    torch.testing.assert_close(again, expected)
    assert_same_weights(Weights.of(network), Weights.of(Reading(how)))


@pytest.mark.parametrize("how", READING)
def test_what_is_evaluated_elsewhere_in_between_does_not_matter(how):
    network, inputs = Reading(how).eval(), torch.randn(4, *SPEC.input_shape)
    function = Folded(network, CPU)
    first, second = (function.state(random_state(Weights.of(network), seed)) for seed in (0, 1))
    with torch.no_grad():
        before = function({**first}, inputs)
        assert not torch.equal(function(second, inputs), before)
        assert torch.equal(function(first, inputs), before)


def test_a_graph_of_a_point_that_was_left_raises_instead_of_reading_another_point():
    network, inputs = Reading("a list"), torch.randn(4, *SPEC.input_shape)
    function = Folded(network, CPU)
    leaves = function.leaves(Weights.of(network), torch.float32)
    loss = function(function.state(leaves), inputs).square().sum()
    with torch.no_grad():
        function(function.state(random_state(Weights.of(network))), inputs)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        torch.autograd.grad(loss, list(leaves.parameters.values()))


def test_frozen_parameters_are_no_leaves():
    for network in (copy.deepcopy(built("resnet8-w8")), Reading("a list")):
        frozen = next(name for name, _ in network.named_parameters())
        network.get_parameter(frozen).requires_grad_(False)
        leaves = Folded(network, CPU).leaves(Weights.of(network), DOUBLE)
        assert [name for name, tensor in leaves.parameters.items() if not tensor.requires_grad] == [frozen]
        assert {tensor.dtype for tensor in leaves.parameters.values()} == {DOUBLE}


def test_a_bias_in_front_of_batchnorm_is_folded_as_well():
    network = Vgg(11, 4, 3, (32, 32), 10, conv_bias=True, averages_last=True).eval()
    weights = in_double(random_state(Weights.of(network), 1))
    function, inputs = Folded(network, CPU), images("resnet20", 2).double()
    network.double()
    weights.load_into(network)
    with torch.no_grad():
        torch.testing.assert_close(
            function(function.state(weights), inputs), network(inputs), rtol=1e-9, atol=1e-9
        )
    assert not [name for name in function.state(weights) if "running" in name]
