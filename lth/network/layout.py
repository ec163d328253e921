"""How a network's activations lie in memory, and which networks are known well enough to choose."""

from __future__ import annotations

import torch
from torch import nn

from lth.network import resnet, vgg

_PARTS = {resnet.CifarResNet: resnet.PARTS, vgg.Vgg: vgg.PARTS}
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


def is_ours(network: nn.Module) -> bool:
    """Return whether this is one of our convolutional networks as we built it.

    Then it computes the same in any memory layout, and its forward pass can be traced and folded. A user's
    own may do anything: one derived from ours, or one of ours that has another module somewhere, hooks, a
    parametrisation (which changes a module's class) or another forward pass.
    """
    parts = _PARTS.get(type(network))
    return parts is not None and all(
        type(module) in parts and not _is_tampered_with(module) for module in network.modules()
    )


def _is_tampered_with(module: nn.Module) -> bool:
    return "forward" in vars(module) or any(getattr(module, hooks, None) for hooks in _HOOKS)


def fastest_memory_format(
    network: nn.Module, device: torch.device, dtype: torch.dtype = torch.float32
) -> torch.memory_format:
    """Return how activations lie for products in `dtype`; a user's own network may depend on the usual layout.

    Channels last for our convolutional networks on a CPU. On a GPU only in bfloat16, whose matrix units want it
    (1.9 times as fast on an H100); in float32 ResNet-20 trained 1.4, and evaluated 2.6 times as fast without.
    """
    last = is_ours(network) and (device.type == "cpu" or dtype == torch.bfloat16)
    return torch.channels_last if last else torch.contiguous_format
