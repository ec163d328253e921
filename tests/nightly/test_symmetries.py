"""Permutation symmetries of the networks of the field, read off their graphs without being told anything."""

import pytest
import torch
import torchvision

from lth.inputs import called
from lth.network.build import build_network
from lth.network.symmetry.derive import traced
from lth.network.symmetry.matching import match, weight_pairs
from lth.network.weights import Weights
from lth.setting.network import NetworkSpec

pytestmark = pytest.mark.nightly


def ours(name):
    return lambda: build_network(NetworkSpec(name, (3, 32, 32), 10), seed=0), 32


NETWORKS = {
    "resnet20": ours("resnet20"),
    "vgg16": ours("vgg16"),
    "resnet50": (torchvision.models.resnet50, 64),
    "densenet121": (torchvision.models.densenet121, 64),
    "mobilenet_v3_small": (torchvision.models.mobilenet_v3_small, 64),
    "vision transformer": (lambda: torchvision.models.VisionTransformer(32, 8, 2, 4, 32, 48), 32),
    "swin": (lambda: torchvision.models.SwinTransformer([4, 4], 24, [2, 2], [2, 4], [2, 2]), 32),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_of_the_field_computes_the_same_permuted_and_its_order_is_found_again(name):
    build, size = NETWORKS[name]
    torch.manual_seed(0)
    network, stream = build().eval(), torch.Generator().manual_seed(0)
    for tensor in network.parameters():  # units differ, also where all began alike
        tensor.data += 0.01 * torch.randn(tensor.shape, generator=stream)
    inputs = torch.randn(2, 3, size, size, generator=stream)
    spec = traced(network, inputs, 2).spec
    assert spec.groups
    assert not spec.unknown
    weights = Weights.of(network)
    permuted = spec.permute(weights, spec.random(stream))
    moved = [
        key for key, tensor in weights.parameters.items() if not torch.equal(tensor, permuted.parameters[key])
    ]
    assert len(moved) > len(weights.parameters) / 2
    outputs = []
    with torch.no_grad():
        for each in (weights, permuted):
            each.load_into(network)
            outputs.append(called(network, inputs).double())
    assert (outputs[0] - outputs[1]).abs().max() <= 1e-5 * outputs[0].abs().max()
    back = spec.permute(permuted, match(spec, weight_pairs(spec, weights, permuted), seed=0).permutations)
    assert all(torch.equal(back.parameters[key], tensor) for key, tensor in weights.parameters.items())


def test_what_a_windowed_attention_shifts_by_place_stays_fixed_and_is_said():
    network = NETWORKS["swin"][0]().eval()
    spec = traced(network, torch.randn(2, 3, 32, 32), 2).spec
    fixed = {each.name: each.why for each in spec.fixed}
    assert all(fixed.values())
    assert any("relative_position_bias_table" in name for name in fixed)
