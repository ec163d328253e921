import re
import sys

import pytest
import torch
from torch import nn
from torchvision import models

from lth.network import build_network, prunable_names
from lth.network.build import tensor_shapes
from lth.network.of_torchvision import torchvision_names
from lth.setting.network import NetworkSpec

SMALL = "torchvision:squeezenet1_1"
RGB, GREY, FIVE = (3, 32, 32), (1, 32, 32), (5, 40, 32)


@pytest.mark.parametrize(
    ("name", "shape"), [("squeezenet1_1", RGB), ("shufflenet_v2_x0_5", GREY), ("mobilenet_v3_small", FIVE)]
)
def test_a_classifier_has_the_classes_and_channels_of_the_data(name, shape):
    network = build_network(NetworkSpec(f"torchvision:{name}", shape, 7), 0)
    assert network(torch.zeros(2, *shape)).shape == (2, 7)


def test_a_classifier_of_rgb_is_as_torchvision_has_it():
    network = build_network(NetworkSpec(SMALL, RGB, 10), 0)
    theirs = models.squeezenet1_1(num_classes=10)
    shapes = {name: tensor.shape for name, tensor in theirs.state_dict().items()}
    assert {name: tensor.shape for name, tensor in network.state_dict().items()} == shapes
    assert network.get_submodule("features.0").stride == (2, 2)


ONE_OF_EACH_KIND = (
    *("alexnet", "convnext_tiny", "densenet121", "efficientnet_b0", "googlenet", "inception_v3", "maxvit_t"),
    *("mnasnet0_5", "mobilenet_v2", "mobilenet_v3_small", "regnet_y_400mf", "resnext50_32x4d", "vgg11_bn"),
    *("shufflenet_v2_x0_5", "squeezenet1_0", "swin_t", "swin_v2_t", "vit_b_32"),
)


@pytest.mark.parametrize("name", ONE_OF_EACH_KIND)
def test_every_kind_of_classifier_is_built_to_the_channels_of_the_data(name):
    assert name in torchvision_names()
    spec = NetworkSpec(f"torchvision:{name}", (2, 224, 224), 3)
    shapes = tensor_shapes(spec)
    if name.startswith("regnet"):  # whose widths are computed in tensors
        assert shapes is None
    else:
        assert next(shape for shape in shapes.values() if len(shape) == 4)[1] == 2


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("torchvision:resnet81", RGB, r"did you mean torchvision:resnet18\?"),
        ("torchvision:VGG16-BN", RGB, r"did you mean torchvision:vgg16_bn\?"),
        ("torchvision:fasterrcnn_resnet50_fpn", RGB, "is none of torchvision"),
        ("torchvision:", RGB, "they are alexnet, convnext_base"),
        ("torchvision:set_image_backend", RGB, "is none of torchvision"),
        ("torchvision.models:resnet18", RGB, "write torchvision:resnet18"),
        ("alexnet", RGB, r"did you mean torchvision:alexnet\?"),
        ("vit_b_16", RGB, r"did you mean torchvision:vit_b_16\?"),
        ("resnet18", RGB, "those of ImageNet are torchvision:resnet18"),
        ("torchvision:vit_b_16", (3, 30, 30), r"can't be of images \(3, 30, 30\)"),
        ("torchvision:vit_b_16", (3, 32, 64), "reads squares"),
        (SMALL, (3, 1, 1), r"rejects inputs \(3, 1, 1\)"),
        (SMALL, (64,), "is of images"),
    ],
)
def test_one_that_there_is_not_or_that_does_not_fit_says_what_would_do(name, shape, message):
    with pytest.raises(ValueError, match=message):
        build_network(NetworkSpec(name, shape, 10), 0)


def test_without_torchvision_its_networks_are_refused_with_the_remedy_and_ours_are_not(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchvision", None)
    with pytest.raises(ValueError, match=re.escape(f"network={SMALL} is of torchvision, which can't be")):
        build_network(NetworkSpec(SMALL, RGB, 10), 0)
    with pytest.raises(ValueError, match="choose resnet20"):
        build_network(NetworkSpec("resnut", RGB, 10), 0)
    assert isinstance(build_network(NetworkSpec("vgg11-w2", RGB, 10), 0), nn.Module)


def test_convolutions_and_linear_layers_of_torchvision_can_be_pruned():
    network = build_network(NetworkSpec(SMALL, GREY, 4), 0)
    layers = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert len(prunable_names(network)) == len(layers)
