"""From a network's name to a network, initialised by a seed."""

from __future__ import annotations

from contextlib import nullcontext

import torch
from torch import Tensor, nn

from lth.errors import InputError
from lth.inputs import called
from lth.network.families import EXAMPLES, build_of_ours
from lth.network.of_torchvision import build_of_torchvision, torchvision_names
from lth.network.output import find_logits
from lth.network.own import made_usable
from lth.network.parts import check_hooks, prunable_names
from lth.network.zeros import zeros_for
from lth.randomness import global_stream
from lth.setting.choice import value_meant
from lth.setting.network import NetworkSpec
from lth.setting.own_fault import own_faults
from lth.setting.reference import (
    TORCHVISION,
    call_reference,
    is_foreign,
    is_of_torchvision,
    is_reference,
)


def build_network(spec: NetworkSpec, seed: int, *purpose: str | int) -> nn.Module:
    """Return the network, freshly initialised from the stream (seed, purpose), on the CPU, in evaluation mode.

    Names are `resnet20` (any depth 6n + 2), `resnet20-w32` (first width 32), `vgg11`, `vgg16`, `vgg16-w32`,
    `lenet-300-100` or `mlp-…` (hidden widths), `vit6-w192-p4-h6` (blocks, width, pixels of a patch, heads),
    `transformer2-w64-h2` of tokens, those of open_lth such as `cifar_vgg_16`, `torchvision:resnet50` (any of
    its classifiers), or `package.module:function`, a function of (input_shape, num_classes) that returns an
    `nn.Module`; naming a function runs its code. The caller's random state is left as it was.

    Raises:
        ValueError: If the name is unknown, or the network doesn't fit the data or has nothing to prune.
    """
    with global_stream(seed, "initialise", *purpose):
        network = _construct(spec)
        if is_foreign(spec.name):
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
        with own_faults(rejects, spec.name) if is_foreign(spec.name) else nullcontext():
            output = called(network.eval(), zeros_for(spec, 2))
    except RuntimeError as error:
        raise InputError(f"{rejects} {error}") from error
    return find_logits(f"network={spec.name}", output, (2, *spec.outputs))[1]


def tensor_shapes(spec: NetworkSpec) -> dict[str, list[int]] | None:
    """Return the shape of every parameter and buffer, without allocating any.

    None if the network is the user's own function, which only building it could tell, and would run, or one of
    torchvision's that is built of values.

    Raises:
        ValueError: If the name is unknown.
    """
    if is_reference(spec.name):
        return None
    try:
        with global_stream(0, "unused"), torch.device("meta"):
            network = _construct(spec)
    except NotImplementedError:  # a RegNet computes its widths in tensors
        return None
    return {name: list(tensor.shape) for name, tensor in network.state_dict().items()}


def _construct(spec: NetworkSpec) -> nn.Module:
    if is_of_torchvision(spec.name):
        return build_of_torchvision(spec)
    if is_reference(spec.name):
        return _construct_theirs(spec)
    network = build_of_ours(spec)
    if network is None:
        raise InputError(f"network={spec.name!r} is unknown; {_known(spec.name)}")
    return network


def _construct_theirs(spec: NetworkSpec) -> nn.Module:
    module, _, function = spec.name.partition(":")
    if module.split(".")[0] == "torchvision" and function in torchvision_names():
        raise InputError(f"network={spec.name}: of torchvision's networks write {TORCHVISION}{function}")
    network = call_reference(spec.name, spec.given_shape, spec.num_classes)
    if not isinstance(network, nn.Module):
        raise InputError(f"{spec.name} returned {type(network).__name__}; expected a torch.nn.Module")
    return network


def _known(name: str) -> str:
    """Return which names there are, and what may be meant by one that is none."""
    every = f"choose {EXAMPLES}, {TORCHVISION}resnet50, or package.module:function"
    ours = EXAMPLES.replace("…, ", "").split(", ")
    theirs = [each for each in _torchvision_names_if_any() if each not in ours]
    meant = value_meant(name, [*ours, *theirs])
    if meant is None:
        return every
    return f"{every}; did you mean {TORCHVISION if meant in theirs else ''}{meant}?"


def _torchvision_names_if_any() -> list[str]:
    try:
        return torchvision_names()
    except InputError:  # it can't be imported, and is not what was asked for
        return []
