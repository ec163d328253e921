"""From a network's name to a network, initialised by a seed."""

from __future__ import annotations

import re
from contextlib import nullcontext

import torch
from torch import Tensor, nn

from lth.errors import InputError
from lth.inputs import called
from lth.network.lenet import LeNet
from lth.network.open_lth import is_open_lth, open_lth_network
from lth.network.output import find_logits
from lth.network.own import made_usable
from lth.network.parts import check_hooks, prunable_names
from lth.network.resnet import CifarResNet
from lth.network.vgg import Vgg
from lth.network.zeros import zeros_for
from lth.randomness import global_stream
from lth.setting.network import FLOATS, NetworkSpec
from lth.setting.own_fault import own_faults
from lth.setting.reference import call_reference, is_reference

_NAME = re.compile(r"(resnet|vgg)(\d{1,4})(?:-w(\d{1,4}))?", re.ASCII)
_LENET = re.compile(r"lenet((?:-\d{1,5})+)", re.ASCII)
_DEFAULT_WIDTH = {"resnet": 16, "vgg": 64}


def build_network(spec: NetworkSpec, seed: int, *purpose: str | int) -> nn.Module:
    """Return the network, freshly initialised from the stream (seed, purpose), on the CPU, in evaluation mode.

    Names are `resnet20` (any depth 6n + 2), `resnet20-w32` (first width 32), `vgg11`, `vgg16`, `vgg16-w32`,
    `lenet-300-100`, those of open_lth such as `cifar_vgg_16`, or `package.module:function`, a function of
    (input_shape, num_classes) that returns an `nn.Module`; naming a function runs its code. The caller's
    random state is left as it was.

    Raises:
        ValueError: If the name is unknown, or the network doesn't fit the data or has nothing to prune.
    """
    with global_stream(seed, "initialise", *purpose):
        network = _construct(spec)
        if is_reference(spec.name):
            network = made_usable(network, spec)
        with torch.no_grad():
            output = _output(network, spec)
    prunable_names(network)
    check_hooks(network)
    if not bool(output.isfinite().all()):
        raise InputError(
            f"network={spec.name} maps zeros to NaN or infinity at its start; mend its forward pass"
        )
    return network


def _output(network: nn.Module, spec: NetworkSpec) -> Tensor:
    """Return what the network maps two examples of zeros to, (2, num_classes) where those are classes."""
    rejects = f"network={spec.name} rejects inputs {spec.given_shape}:"
    try:
        with own_faults(rejects, spec.name) if is_reference(spec.name) else nullcontext():
            output = called(network.eval(), zeros_for(spec, 2))
    except RuntimeError as error:
        raise InputError(f"{rejects} {error}") from error
    return find_logits(f"network={spec.name}", output, (2, *spec.outputs))[1]


def tensor_shapes(spec: NetworkSpec) -> dict[str, list[int]] | None:
    """Return the shape of every parameter and buffer, without allocating any.

    None if the network is the user's own function, which only building it could tell, and would run.

    Raises:
        ValueError: If the name is unknown.
    """
    if is_reference(spec.name):
        return None
    with global_stream(0, "unused"), torch.device("meta"):
        network = _construct(spec)
    return {name: list(tensor.shape) for name, tensor in network.state_dict().items()}


def _construct(spec: NetworkSpec) -> nn.Module:
    if is_reference(spec.name):
        network = call_reference(spec.name, spec.given_shape, spec.num_classes)
        if not isinstance(network, nn.Module):
            raise InputError(f"{spec.name} returned {type(network).__name__}; expected a torch.nn.Module")
        return network
    if not (_NAME.fullmatch(spec.name) or _LENET.fullmatch(spec.name) or is_open_lth(spec.name)):
        raise InputError(
            f"network={spec.name!r} is unknown; choose resnet20, resnet8-w8, …, vgg11, vgg16, lenet-300-100, "
            "or package.module:function"
        )
    try:
        return _construct_ours(spec)
    except ValueError as error:
        raise InputError(f"network={spec.name}: {error}") from error


def _construct_ours(spec: NetworkSpec) -> nn.Module:
    if not spec.is_of_one or spec.input_types != (FLOATS,) or spec.output_shape:
        raise InputError(
            f"it is of one input of numbers and one output, and these are {spec.given_shape} of "
            f"{', '.join(spec.input_types)}; write one of your own (network=package.module:function)"
        )
    if is_open_lth(spec.name):
        return open_lth_network(spec)
    if match := _NAME.fullmatch(spec.name):
        family, depth = match[1], int(match[2])
        base_width = int(match[3] or _DEFAULT_WIDTH[family])
        if base_width < 1:
            raise InputError("a width is at least 1")
        if not spec.is_of_images:
            raise InputError(
                f"it is of images, and inputs are {spec.input_shape}; choose lenet-300-100, or one of your own"
            )
        channels, height, width = spec.shapes[0]
        if family == "resnet":
            return CifarResNet(depth, base_width, channels, spec.num_classes)
        return Vgg(depth, base_width, channels, (height, width), spec.num_classes)
    hidden = tuple(int(size) for size in spec.name.split("-")[1:])
    if min(hidden) < 1:
        raise InputError("a hidden width is at least 1")
    return LeNet(hidden, spec.shapes[0], spec.num_classes)
