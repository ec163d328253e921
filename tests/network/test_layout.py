"""A user's network of any kind trains and is measured as it is; only ours, as we built them, are rearranged."""

import copy

import pytest
import torch
from problems import CPU, procedure, random_examples, tiny_setting, training_data
from torch import Tensor, nn
from torch.nn.utils import parametrize

from lth.network import build_network
from lth.network.folded import Folded
from lth.network.layout import fastest_memory_format, is_ours
from lth.network.mask import Mask
from lth.network.resnet import CifarResNet
from lth.network.vgg import Vgg
from lth.network.weights import Weights
from lth.setting.network import NetworkSpec
from lth.training.batchnorm import StatisticsEstimator
from lth.training.evaluate import Evaluator
from lth.training.schedule import resolve_schedule
from lth.training.train import TrainingState, train

SCHEDULE = resolve_schedule(tiny_setting().training, 40)


class View(nn.Module):
    """Flattens without copying, which only the usual layout of memory allows."""

    def forward(self, x: Tensor) -> Tensor:
        return x.view(len(x), -1)


class WithHead(CifarResNet):
    """Its classes from a layer on every pixel of the last activations."""

    def __init__(self) -> None:
        super().__init__(8, 4, 1, 3)
        self.head = nn.Linear(16 * 2 * 2, 3)

    def forward(self, x: Tensor) -> Tensor:
        activations = self.blocks(self.bn(self.conv(x)))
        return self.head(activations.view(len(x), -1))


class ViewingVgg(Vgg):
    """Of another forward pass alone."""

    def __init__(self) -> None:
        super().__init__(11, 4, 1, (6, 6), 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.features(x).view(len(x), -1))


class Doubled(nn.Module):
    """A parametrisation."""

    def forward(self, weight: Tensor) -> Tensor:
        return 2 * weight


def with_module() -> nn.Module:
    network = CifarResNet(8, 4, 1, 3)
    network.blocks.append(nn.Sequential(View(), nn.Unflatten(1, (16, 2, 2))))
    return network


def with_hook() -> nn.Module:
    network = CifarResNet(8, 4, 1, 3)
    network.conv.register_forward_hook(lambda _module, _inputs, output: 2 * output.view(len(output), -1))
    network.bn = nn.Sequential(nn.Unflatten(1, (4, 6, 6)), nn.BatchNorm2d(4))
    return network


def with_hook_alone() -> nn.Module:
    network = CifarResNet(8, 4, 1, 3)
    network.blocks[1].register_forward_hook(
        lambda _m, _i, output: output.view(len(output), -1).view(output.shape)
    )
    return network


def with_parametrisation() -> nn.Module:
    network = CifarResNet(8, 4, 1, 3)
    parametrize.register_parametrization(network.conv, "weight", Doubled())
    return network


def with_forward() -> nn.Module:
    network = Vgg(11, 4, 1, (6, 6), 3)
    network.forward = lambda x: network.fc(network.features(x).view(len(x), -1))  # type: ignore[method-assign]
    return network


USERS = [WithHead, ViewingVgg, with_module, with_hook, with_hook_alone, with_parametrisation]


def made(kind) -> nn.Module:
    torch.manual_seed(0)
    return kind().eval()


@pytest.mark.parametrize("kind", USERS)
def test_a_users_variant_of_one_of_ours_trains_and_is_measured(kind):
    network, data = made(kind), training_data()
    start = TrainingState(Weights.of(network), {}, 0)
    final = train(network, start, Mask.dense(network), data, SCHEDULE, procedure()).final
    assert Evaluator(network, data.train)(final).loss > 0
    StatisticsEstimator(network, data.train, seed=0)(final)


@pytest.mark.parametrize("kind", [*USERS, with_forward])
def test_a_users_variant_of_one_of_ours_is_the_function_it_was(kind):
    network, images = made(kind), random_examples(5).images
    assert fastest_memory_format(network, CPU) == torch.contiguous_format
    function = Folded(network, torch.device("cpu"))
    with torch.no_grad():
        assert torch.equal(function(function.state(Weights.of(network)), images), network(images))


@pytest.mark.parametrize("name", ["resnet8-w4", "vgg11-w4"])
def test_ours_are_channels_last_and_known_also_as_copies(name):
    network = build_network(NetworkSpec(name, (1, 6, 6), 3), 0)
    for ours in (network, copy.deepcopy(network), network.train()):
        assert is_ours(ours)
        assert fastest_memory_format(ours, CPU) == torch.channels_last


@pytest.mark.parametrize("name", ["lenet-5", "problems:dropout_network"])
def test_all_others_lie_as_they_are(name):
    assert not is_ours(build_network(NetworkSpec(name, (1, 6, 6), 3), 0))
