"""A network in evaluation mode as a function of its weights; in ours, BatchNorm is folded into convolutions.

In evaluation mode BatchNorm is an affine map of every channel, y = γ (x - μ) / √(σ² + ε) + β. After a
convolution x = w * u it is the convolution with weights w γ / √(σ² + ε) and bias β - μ γ / √(σ² + ε). That
saves a pass over every activation; the new weights are computed once a point, in float64.

A user's network may read its parameters whenever it likes: when recomputed activations are differentiated
(`torch.utils.checkpoint`), in hooks, in a backward of its own, from a list that no module registers. So the
weights are put into a private copy, by value, and stay there until others are.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Mapping

import torch
from torch import Tensor, fx, nn
from torch.func import functional_call

from lth.inputs import Inputs, called, mapped
from lth.network.layout import fastest_memory_format, is_ours
from lth.network.weights import Weights


class Folded:
    """The function that a network computes in evaluation mode, for any weights.

    Only our convolutional networks are folded: a user's own, also one derived from ours or changed, is called
    as it is, because tracing it might change what it does. The network is copied.

    To differentiate it, take derivatives with respect to the parameters that `leaves` returns.

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
        self._held: Mapping[str, Tensor] | None = None  # the state that a copy not folded is in
        self._free = {name: p.requires_grad for name, p in self._network.named_parameters()}
        if self.is_folded:
            self._network = self._fold(fx.symbolic_trace(self._network))

    def leaves(self, weights: Weights, dtype: torch.dtype) -> Weights:
        """Return `weights` as what `__call__` can be differentiated for: in `dtype`, frozen ones as they are.

        Those of a network that is not folded are the private copy's own: take derivatives before it is called
        for others.
        """
        exact = weights.map(lambda tensor: tensor.detach().to(dtype) if tensor.is_floating_point() else tensor)
        if self.is_folded:
            free = {name: tensor.requires_grad_(self._free[name]) for name, tensor in exact.parameters.items()}
            return Weights(free, exact.buffers)
        self._network.to(dtype)  # a module of the user's may have more to convert
        self._hold({**exact.parameters, **exact.buffers})
        return Weights(dict(self._network.named_parameters()), dict(self._network.named_buffers()))

    def state(self, weights: Weights) -> dict[str, Tensor]:
        """Return what `__call__` takes for a network that holds `weights`."""
        state = {**weights.parameters, **weights.buffers}
        for convolution, norm, epsilon in self._folds:
            mean, variance, scale, shift = (
                state.pop(f"{norm}.{name}").double()
                for name in ("running_mean", "running_var", "weight", "bias")
            )
            del state[f"{norm}.num_batches_tracked"]
            if (bias := state.get(f"{convolution}.bias")) is not None:
                mean = mean - bias.double()
            scale = scale / torch.sqrt(variance + epsilon)
            kernel = state[f"{convolution}.weight"]
            folded = (kernel.double() * scale[:, None, None, None]).to(kernel.dtype)
            state[f"{convolution}.weight"] = folded.contiguous(memory_format=self.layout)
            state[f"{convolution}.bias"] = (shift - mean * scale).to(kernel.dtype)
        return state

    def __call__(self, state: dict[str, Tensor], inputs: Inputs) -> Tensor:
        """Return the logits of normalised inputs, of images (n, num_classes)."""
        if self.is_folded:
            assert isinstance(inputs, Tensor)
            images = inputs.contiguous(memory_format=self.layout)
            return functional_call(self._network, state, (images,))  # type: ignore[no-any-return]
        if state is not self._held:
            self._hold(state)
            self._held = state
        own = mapped(lambda tensor: tensor.clone(memory_format=torch.contiguous_format), inputs)
        return called(self._network, own)  # type: ignore[no-any-return]  # which may change them in place

    @torch.no_grad()
    def _hold(self, state: Mapping[str, Tensor]) -> None:
        """Write a state into the private copy; where it is the copy's own, nothing is written."""
        self._held = None
        for name, own in (*self._network.named_parameters(), *self._network.named_buffers()):
            given = state.get(name)
            if given is None or given is own:  # None: a buffer that the forward pass made
                continue
            if (given.dtype, given.shape) != (own.dtype, own.shape):
                own.data = given.detach().clone()
            else:  # in place, so that a graph of what was there raises instead of reading what is there now
                own.copy_(given)

    def _fold(self, network: fx.GraphModule) -> fx.GraphModule:
        modules = dict(network.named_modules())
        calls = Counter(node.target for node in network.graph.nodes if node.op == "call_module")
        for node in list(network.graph.nodes):
            norm = modules.get(str(node.target)) if node.op == "call_module" else None
            if not isinstance(norm, nn.BatchNorm2d):
                continue
            before = node.args[0]
            convolution = modules.get(str(before.target)) if before.op == "call_module" else None
            plain = isinstance(convolution, nn.Conv2d) and len(before.users) == 1
            once = calls[node.target] == calls[before.target] == 1
            if not (plain and once and norm.affine and norm.track_running_stats):
                continue  # one of ours, of which a user exchanged a layer for another of its kind
            assert isinstance(convolution, nn.Conv2d)
            if convolution.bias is None:
                convolution.bias = nn.Parameter(convolution.weight.new_zeros(convolution.out_channels))
            node.replace_all_uses_with(before)
            network.graph.erase_node(node)
            network.delete_submodule(str(node.target))
            self._folds.append((str(before.target), str(node.target), norm.eps))
        network.recompile()
        return network
