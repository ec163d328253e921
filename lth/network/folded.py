"""A network in evaluation mode without its BatchNorms: each is folded into the convolution before it.

In evaluation mode BatchNorm is an affine map of every channel, y = γ (x - μ) / √(σ² + ε) + β. After a
convolution x = w * u it is the convolution with weights w γ / √(σ² + ε) and bias β - μ γ / √(σ² + ε). That
saves a pass over every activation; the new weights are computed once a point, in float64.
"""

from __future__ import annotations

import copy
from collections import Counter

import torch
from torch import Tensor, fx, nn
from torch.func import functional_call

from lth.network.layout import fastest_memory_format, is_ours
from lth.network.weights import Weights


class Folded:
    """The function that a network computes in evaluation mode, for any weights.

    Only our convolutional networks are folded: a user's own, also one derived from ours or changed, is called
    as it is, because tracing it might change what it does. The network is copied.

    Args:
        network: Gives the structure.
        device: What computes.
        dtype: Of the products, for which memory is laid out.
    """

    def __init__(self, network: nn.Module, device: torch.device, dtype: torch.dtype = torch.float32) -> None:
        self._network: nn.Module = copy.deepcopy(network).to(device).eval()
        self.layout = fastest_memory_format(network, device, dtype)
        self._folds: list[tuple[str, str, float]] = []  # convolution, its BatchNorm, ε
        self.is_folded = is_ours(network)
        if self.is_folded:
            self._network = self._fold(fx.symbolic_trace(self._network))

    def state(self, weights: Weights) -> dict[str, Tensor]:
        """Return what `__call__` takes for a network that holds `weights`."""
        state = {**weights.parameters, **weights.buffers}
        for convolution, norm, epsilon in self._folds:
            mean, variance, scale, shift = (
                state.pop(f"{norm}.{name}").double()
                for name in ("running_mean", "running_var", "weight", "bias")
            )
            del state[f"{norm}.num_batches_tracked"]
            scale = scale / torch.sqrt(variance + epsilon)
            kernel = state[f"{convolution}.weight"]
            folded = (kernel.double() * scale[:, None, None, None]).to(kernel.dtype)
            state[f"{convolution}.weight"] = folded.contiguous(memory_format=self.layout)
            state[f"{convolution}.bias"] = (shift - mean * scale).to(kernel.dtype)
        return state

    def __call__(self, state: dict[str, Tensor], images: Tensor) -> Tensor:
        """Return the logits of normalised images, (n, num_classes)."""
        inputs = images.contiguous(memory_format=self.layout)
        return functional_call(self._network, state, (inputs,))  # type: ignore[no-any-return]

    def _fold(self, network: fx.GraphModule) -> fx.GraphModule:
        modules = dict(network.named_modules())
        calls = Counter(node.target for node in network.graph.nodes if node.op == "call_module")
        for node in list(network.graph.nodes):
            norm = modules.get(str(node.target)) if node.op == "call_module" else None
            if not isinstance(norm, nn.BatchNorm2d):
                continue
            before = node.args[0]
            convolution = modules.get(str(before.target)) if before.op == "call_module" else None
            plain = isinstance(convolution, nn.Conv2d) and convolution.bias is None and len(before.users) == 1
            once = calls[node.target] == calls[before.target] == 1
            if not (plain and once and norm.affine and norm.track_running_stats):
                continue  # one of ours, of which a user exchanged a layer for another of its kind
            assert isinstance(convolution, nn.Conv2d)
            convolution.bias = nn.Parameter(convolution.weight.new_zeros(convolution.out_channels))
            node.replace_all_uses_with(before)
            network.graph.erase_node(node)
            network.delete_submodule(str(node.target))
            self._folds.append((str(before.target), str(node.target), norm.eps))
        network.recompile()
        return network
