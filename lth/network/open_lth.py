"""The networks of open_lth by their names: its structures and its initialisation, made of our networks.

What open_lth calls its tensors is another matter for LeNet, VGG and torchvision's ResNets, so `names_of` tells
which is which. Its VGG has biases in front of BatchNorm, and averages the last 2 × 2 pixels instead of taking
their maximum (https://github.com/facebookresearch/open_lth, models/).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from torch import Tensor, nn

from lth.errors import InputError
from lth.network.lenet import LeNet
from lth.network.resnet import CifarResNet
from lth.network.vgg import Vgg
from lth.setting.network import NetworkSpec
from lth.with_torchvision import importing_torchvision

_LENET = re.compile(r"mnist_lenet((?:_\d{1,5})+)", re.ASCII)
_RESNET = re.compile(r"cifar_resnet_(\d{1,4})(?:_(\d{1,4}))?", re.ASCII)
_VGG = re.compile(r"cifar_vgg_(\d{1,4})", re.ASCII)
_IMAGENET = re.compile(r"imagenet_resnet_(\d{1,4})", re.ASCII)
OPEN_LTH_NAME = re.compile("|".join(each.pattern for each in (_LENET, _RESNET, _VGG, _IMAGENET)), re.ASCII)

_VGG_DEPTHS = {8: 11, 10: 13, 13: 16, 16: 19}  # by the number of convolutions
_IMAGENET_DEPTHS: dict[
    tuple[tuple[int, ...], int], int
] = {  # by the number of blocks in each layer, and of convolutions in a block
    ((2, 2, 2, 2), 2): 18,
    ((3, 4, 6, 3), 2): 34,
    ((3, 4, 6, 3), 3): 50,
    ((3, 4, 23, 3), 3): 101,
    ((3, 8, 36, 3), 3): 152,
}


def open_lth_network(spec: NetworkSpec) -> nn.Module:
    """Return a network of open_lth's, initialised as it does by default; `batchnorm_init=uniform`.

    Raises:
        ValueError: If it has no such depth, or a width below 1.
    """
    network = _structure(spec)
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight)
            if module.bias is not None:  # torch's default
                bound = 1 / math.sqrt(module.weight[0].numel())
                nn.init.uniform_(module.bias, -bound, bound)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight)
            nn.init.zeros_(module.bias)
    return network


def _structure(spec: NetworkSpec) -> nn.Module:
    if match := _LENET.fullmatch(spec.name):
        hidden = tuple(map(int, match[1].split("_")[1:]))
        if min(hidden) < 1:
            raise InputError("a hidden width is at least 1")
        return LeNet(hidden, spec.shapes[0], spec.num_classes)
    if not spec.is_of_images:
        raise InputError(f"it is of images, and inputs are {spec.input_shape}; choose mnist_lenet_300_100")
    channels, height, width = spec.shapes[0]
    if match := _RESNET.fullmatch(spec.name):
        if int(match[2] or 16) < 1:
            raise InputError("a width is at least 1")
        return CifarResNet(int(match[1]), int(match[2] or 16), channels, spec.num_classes)
    if match := _VGG.fullmatch(spec.name):
        return Vgg(
            int(match[1]), 64, channels, (height, width), spec.num_classes, conv_bias=True, averages_last=True
        )
    return _imagenet_resnet(int(spec.name.rpartition("_")[2]), channels, spec.num_classes)


def _imagenet_resnet(depth: int, channels: int, num_classes: int) -> nn.Module:
    with importing_torchvision("it is of"):
        from torchvision import models
    if depth not in _IMAGENET_DEPTHS.values():
        raise InputError(f"it has depth {', '.join(map(str, _IMAGENET_DEPTHS.values()))}, got {depth}")
    if channels != 3:
        raise InputError(f"it is of images with 3 channels, and these have {channels}")
    network = getattr(models, f"resnet{depth}")(weights=None, num_classes=num_classes)
    assert isinstance(network, nn.Module)
    return network


def names_of(spec: NetworkSpec, network: nn.Module) -> dict[str, str]:
    """Return by the name that open_lth gives a tensor its name in ours, in the order of ours.

    Example:
        >>> spec = NetworkSpec("mnist_lenet_5", (1, 2, 2), 3)
        >>> names_of(spec, open_lth_network(spec))["fc_layers.0.bias"]
        'layers.1.bias'
    """
    ours = list(network.state_dict())
    if _IMAGENET.fullmatch(spec.name):
        return {f"model.{name}": name for name in ours}
    if isinstance(network, LeNet):
        return {_of_lenet(name, len(network.layers) - 1): name for name in ours}
    if isinstance(network, Vgg):
        modules = _of_vgg(network)
        return {_renamed(name, modules): name for name in ours}
    return {name: name for name in ours}


def _of_lenet(name: str, last: int) -> str:
    _, position, tensor = name.split(".")
    return f"fc.{tensor}" if int(position) == last else f"fc_layers.{(int(position) - 1) // 2}.{tensor}"


def _of_vgg(network: Vgg) -> dict[str, str]:
    """Return by the name of each of our modules that of open_lth's, which counts blocks and pools."""
    names, place = {}, -1
    for position, module in enumerate(network.features):
        if isinstance(module, nn.Conv2d | nn.MaxPool2d):
            place += 1
        kind = {nn.Conv2d: "conv", nn.BatchNorm2d: "bn"}.get(type(module))
        if kind is not None:
            names[f"features.{position}"] = f"layers.{place}.{kind}"
    return names


def _renamed(name: str, modules: Mapping[str, str]) -> str:
    module, _, tensor = name.rpartition(".")
    return f"{modules.get(module, module)}.{tensor}"


def spec_of(state: Mapping[str, Tensor]) -> NetworkSpec:
    """Return which network of open_lth's a state dict is of.

    Raises:
        ValueError: If it is of none.
    """
    try:
        return _spec_of(state)
    except (KeyError, IndexError, ValueError):
        first = ", ".join(list(state)[:4])
        raise InputError(
            f"tensors {first}, … are of no network of open_lth's that lth knows, such as mnist_lenet_300_100, "
            "cifar_resnet_20, cifar_vgg_16, imagenet_resnet_50 and others of these families"
        ) from None


def _spec_of(state: Mapping[str, Tensor]) -> NetworkSpec:
    if "model.layer1.0.conv1.weight" in state:
        blocks = tuple(_count(state, rf"model\.layer{layer}\.(\d+)\.conv1\.weight") for layer in (1, 2, 3, 4))
        depth = _IMAGENET_DEPTHS[blocks, 3 if "model.layer1.0.conv3.weight" in state else 2]
        return NetworkSpec(f"imagenet_resnet_{depth}", (3, 224, 224), len(state["model.fc.weight"]))
    classes = len(state["fc.weight"])
    if "fc_layers.0.weight" in state:
        count = _count(state, r"fc_layers\.(\d+)\.weight")
        widths = "_".join(str(len(state[f"fc_layers.{layer}.weight"])) for layer in range(count))
        inputs = int(state["fc_layers.0.weight"].shape[1])
        return NetworkSpec(f"mnist_lenet_{widths}", (1, 28, 28) if inputs == 784 else (inputs,), classes)
    if "layers.0.conv.weight" in state:
        depth, first = _VGG_DEPTHS[_count(state, r"layers\.(\d+)\.conv\.weight")], "layers.0.conv.weight"
        return NetworkSpec(f"cifar_vgg_{depth}", (int(state[first].shape[1]), 32, 32), classes)
    depth = 2 + 2 * _count(state, r"blocks\.(\d+)\.conv1\.weight")
    width, channels = state["conv.weight"].shape[:2]
    suffix = "" if width == 16 else f"_{width}"
    return NetworkSpec(f"cifar_resnet_{depth}{suffix}", (int(channels), 32, 32), classes)


def _count(state: Mapping[str, Tensor], pattern: str) -> int:
    return sum(re.fullmatch(pattern, name) is not None for name in state)
