"""Curvature of any layer is right, or refused before it is computed, with what is the matter."""

import copy
from collections.abc import Callable

import pytest
import torch
from layers import REFUSED, RIGHT, Called, measured, network_with
from problems import NUM_CLASSES, SPEC, assert_same_weights, random_examples
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from lth.errors import InputError
from lth.measure.curvature.hessian import HessianOperator
from lth.measure.curvature.second_derivative_check import check_second_derivative
from lth.network import build_network
from lth.network.mask import Mask
from lth.network.space import LevelSpace
from lth.network.weights import Weights
from lth.setting.network import NetworkSpec
from lth.training.determinism import fix_workspaces

DOUBLE = torch.float64
EXAMPLES = random_examples(6)


def check(network: nn.Module, weights: Weights | None = None) -> None:
    point = Weights.of(network) if weights is None else weights
    check_second_derivative(network, point, LevelSpace(Mask.dense(network), point), EXAMPLES)


def message(network: nn.Module) -> str:
    with pytest.raises(InputError) as caught:
        check(network)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.filterwarnings("ignore")  # of layers that PyTorch calls old
@pytest.mark.parametrize("kind", RIGHT)
def test_a_product_is_the_difference_of_gradients(kind):
    found = measured(network_with(RIGHT[kind]))
    assert max(found.error, found.asymmetry) < 1e-6  # a wrong derivative is off by percents


@pytest.mark.gpu
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", RIGHT)
def test_a_product_on_a_gpu_is_the_difference_of_gradients_or_can_not_be_repeated(kind):
    fix_workspaces([torch.device("cuda")])
    try:
        found = measured(network_with(RIGHT[kind]), torch.device("cuda"))
    except InputError as error:
        if "determin" not in str(error) and "repeatably" not in str(error):
            raise
        return
    assert max(found.error, found.asymmetry) < 1e-6


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", REFUSED)
def test_a_layer_without_a_second_derivative_is_refused_by_name_of_what_it_is(kind):
    said = message(network_with(REFUSED[kind]))
    expected = {
        "`checkpoint(…, use_reentrant=True)`": "use_reentrant=False",
        "`EmbeddingBag`": "_embedding_bag_backward",
        "an own `Function`, `once_differentiable`": "the backward of CubeOnce can't be differentiated twice",
        "an own layer, `once_differentiable`": "the backward of Product can't be differentiated twice",
        "an own `Function` that detaches": "the backward of CubeDetached can't be differentiated twice",
        "an own `Function`, straight-through": "gradient is not that of the loss",
        "rounded weights, straight-through": "gradient is not that of the loss",
        "a scale of the weights under `no_grad`": "torch.no_grad",
    }
    assert expected[kind] in said


def test_a_hessian_of_such_a_network_is_refused_too():
    network = network_with(REFUSED["an own layer, `once_differentiable`"])
    point = Weights.of(network)
    with pytest.raises(InputError, match="Product can't be differentiated twice"):
        HessianOperator(network, point, LevelSpace(Mask.dense(network), point), EXAMPLES)


def test_a_point_on_every_kink_and_a_layer_that_starts_at_zero_are_no_fault():
    """Of a ReLU of exactly zero, and of layers that hide each other, differences say nothing."""
    torch.manual_seed(0)
    first, last = nn.Linear(36, 8), nn.Linear(8, NUM_CLASSES)
    for parameter in (first.bias, *last.parameters()):
        nn.init.zeros_(parameter)
    nn.init.zeros_(first.weight)
    check(nn.Sequential(nn.Flatten(), first, nn.ReLU(), last))


def test_a_fault_behind_a_layer_that_starts_at_zero_is_found():
    network = network_with(REFUSED["an own `Function`, `once_differentiable`"])
    nn.init.zeros_(network[-1].weight)
    assert "CubeOnce" in message(network)


class Single(nn.Linear):
    """Computes in float32 whatever it is given."""

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.linear(x.float(), self.weight.float(), self.bias.float())


class SingleOnly(nn.Linear):
    """Fails in float64."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.float())


@pytest.mark.parametrize("layer", [Single, SingleOnly])
@pytest.mark.parametrize("activation", [nn.Tanh, nn.ReLU])
def test_a_network_of_float32_alone_is_no_fault(layer, activation):
    torch.manual_seed(0)
    check(nn.Sequential(nn.Flatten(), layer(36, 50), activation(), layer(50, NUM_CLASSES)))


def test_a_network_that_computes_in_another_type_than_its_weights_is_refused():
    half = nn.Linear(8, 8).bfloat16()
    middle = Called(lambda x, layer: layer(x.bfloat16()).to(x.dtype), half)
    network = nn.Sequential(nn.Flatten(), nn.Linear(36, 8), middle, nn.Linear(8, NUM_CLASSES))
    assert "in float32, and there the forward pass fails (RuntimeError: " in message(network)


def _autocast(x: Tensor, layer: nn.Linear) -> Tensor:
    with torch.autocast("cpu", torch.bfloat16):
        return layer(x).float()


def _by_hand(x: Tensor, layer: nn.Linear) -> Tensor:
    return nn.functional.linear(x.half(), layer.weight.half()).to(x.dtype)


def _rounded_input(x: Tensor, layer: nn.Linear) -> Tensor:
    return layer(x.bfloat16().to(x.dtype))


@pytest.mark.parametrize("call", [_autocast, _by_hand, _rounded_input])
@pytest.mark.parametrize("activation", [nn.Tanh, nn.ReLU])
def test_a_network_that_computes_in_fewer_bits_of_itself_is_refused_at_every_point(call, activation):
    middle = Called(call, nn.Linear(8, 8))
    network = nn.Sequential(nn.Flatten(), nn.Linear(36, 8), activation(), middle, nn.Linear(8, NUM_CLASSES))
    assert "computes in torch." in message(network)
    assert "leave that to `precision`" in message(network)


def test_images_that_are_rounded_are_no_fault():
    rounded = Called(lambda x, layer: layer(x.bfloat16().to(x.dtype)), nn.Linear(36, NUM_CLASSES))
    check(nn.Sequential(nn.Flatten(), rounded))


@pytest.mark.parametrize("off", [torch.no_grad, torch.inference_mode, lambda: torch.set_grad_enabled(False)])
def test_gradients_that_are_off_in_evaluation_mode_are_said(off):
    class Off(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            with off():
                return super().forward(x.flatten(1))

    assert "switch gradients off neither in `forward` nor in evaluation mode" in message(Off(36, NUM_CLASSES))


def _under_no_grad(x: Tensor, layer: nn.Linear) -> Tensor:
    with torch.no_grad():
        return layer(x)


def _frozen(call: Callable[[Tensor, nn.Linear], Tensor], *, by_hand: bool) -> nn.Module:
    backbone = Called(call, nn.Linear(36, 8)).requires_grad_(not by_hand)
    return nn.Sequential(nn.Flatten(), backbone, nn.Tanh(), nn.Linear(8, NUM_CLASSES))


@pytest.mark.parametrize(
    "call",
    [
        _under_no_grad,
        lambda x, layer: layer(x).detach(),
        lambda x, layer: nn.functional.linear(x, layer.weight.data, layer.bias.data),
    ],
)
def test_a_part_that_no_gradient_reaches_is_to_be_frozen(call):
    said = message(_frozen(call, by_hand=False))
    assert ".weight (detach, torch.no_grad), which is not frozen; freeze what" in said
    check(_frozen(call, by_hand=True))


def test_a_fault_of_a_network_of_float32_alone_is_found():
    torch.manual_seed(0)
    middle = REFUSED["an own `Function`, straight-through"]()
    network = nn.Sequential(nn.Flatten(), SingleOnly(36, 8), middle, nn.Linear(8, NUM_CLASSES))
    assert "gradient is not that of the loss" in message(network)


class Mixed(nn.Linear):
    """Computes in float32 within a network of another type, as attention often does."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.float().softmax(-1).to(x.dtype))


@pytest.mark.parametrize("seed", range(20))
def test_a_layer_of_float32_within_another_network_is_no_fault(seed):
    torch.manual_seed(seed)
    check(nn.Sequential(nn.Flatten(), nn.Linear(36, 10), Mixed(10, 20), nn.ReLU(), Mixed(20, NUM_CLASSES)))


@pytest.mark.parametrize("scale", [1e-3, 1.0, 30.0, 1e4])
@pytest.mark.parametrize("activation", [nn.Tanh, nn.ReLU])
def test_a_network_of_any_size_of_weights_and_saturated_by_training_is_no_fault(scale, activation):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(36, 20), activation(), nn.Linear(20, NUM_CLASSES))
    check(network, Weights.of(network).map(lambda tensor: scale * tensor))


@pytest.mark.parametrize("seed", range(4))
def test_a_deep_network_of_kinks_is_no_fault(seed):
    torch.manual_seed(seed)
    layers = [part for _ in range(6) for part in (nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU())]
    check(nn.Sequential(nn.Conv2d(1, 8, 1), *layers, nn.Flatten(), nn.Linear(288, NUM_CLASSES)).eval())


def test_a_network_whose_loss_depends_on_nothing_of_its_own_is_refused():
    class Elsewhere(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc, self.used = nn.Linear(36, NUM_CLASSES), [nn.Linear(36, NUM_CLASSES)]

        def forward(self, x: Tensor) -> Tensor:
            return self.used[0](x.flatten(1))

    assert "depends on none of the network's parameters" in message(Elsewhere())


def test_a_complex_parameter_is_refused():
    network = nn.Sequential(nn.Flatten(), nn.Linear(36, NUM_CLASSES))
    network.register_parameter("phase", nn.Parameter(torch.ones(2, dtype=torch.complex64)))
    assert "phase is complex" in message(network)


def test_nothing_is_changed_and_nothing_drawn():
    network = network_with(RIGHT["`TransformerEncoderLayer`"]).train()
    before, point = copy.deepcopy(network), Weights.of(network)
    random_before, fastpath = torch.get_rng_state(), torch.backends.mha.get_fastpath_enabled()
    check(network, point)
    assert_same_weights(Weights.of(network), Weights.of(before))
    assert_same_weights(point, Weights.of(before))
    assert network.training
    assert all(parameter.grad is None for parameter in network.parameters())
    assert torch.equal(torch.get_rng_state(), random_before)
    assert torch.backends.mha.get_fastpath_enabled() == fastpath


def test_ours_are_not_checked(monkeypatch):
    def refuse(*_: object) -> None:
        raise AssertionError("a network of ours was differentiated")

    monkeypatch.setattr("lth.measure.curvature.second_derivative_check._Probe", refuse)
    check(build_network(NetworkSpec("resnet8-w4", SPEC.input_shape, NUM_CLASSES), 0))


class Recomputed(nn.Module):
    """Throws its activations away, and computes them again when it is differentiated."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.first, self.block, self.fc = nn.Linear(36, 8), block, nn.Linear(8, NUM_CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(checkpoint(self.block, self.first(x.flatten(1)), use_reentrant=False))


@pytest.mark.parametrize("budget", [0, 2**30])
def test_recomputed_activations_are_those_of_the_point_and_not_of_the_network(budget):
    torch.manual_seed(0)
    block = nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 8), nn.Tanh())
    network = Recomputed(block)
    plain = nn.Sequential(nn.Flatten(), network.first, block, network.fc)
    point = Weights.of(network).map(lambda tensor: 1.5 * tensor + 0.1)
    space = LevelSpace(Mask.dense(network), point)
    names = dict(zip(point.parameters, Weights.of(plain).parameters, strict=True))
    same = Weights({names[name]: tensor for name, tensor in point.parameters.items()}, {})
    vector = torch.randn(space.dimension, generator=torch.Generator().manual_seed(0), dtype=DOUBLE)
    found = [
        HessianOperator(
            made, at, LevelSpace(Mask.dense(made), at), EXAMPLES, dtype=DOUBLE, graph_budget_bytes=budget
        )(vector)
        for made, at in ((network, point), (plain, same))
    ]
    torch.testing.assert_close(found[0], found[1], rtol=1e-10, atol=1e-12)
