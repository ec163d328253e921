"""Hessian-vector products of the mean training loss in a level's space.

BatchNorm stays in evaluation mode with the statistics of the point, so the loss is a mean over examples and
splitting the examples into chunks changes nothing but rounding. The gradient graphs of as many chunks as the
memory budget allows are kept between products, which saves their forward and first backward pass. Where
BatchNorm follows a convolution it is folded into it, and derivatives pass through its scale to the weights.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from lth.data import Examples
from lth.measure.convolution import FastSecondDerivatives
from lth.network.folded import Folded
from lth.precision import full_float32
from lth.space import LevelSpace
from lth.weights import Weights

_CHUNK = 128  # examples a forward pass; on a CPU larger ones leave its cache
_GRAPH_BUDGET_BYTES = 4 * 2**30


class HessianOperator:
    """The symmetric matrix E^T H E at a point, H the Hessian of the mean cross-entropy over the examples.

    Args:
        network: Gives the structure; copied.
        weights: The point and its BatchNorm statistics.
        space: Which coordinates are free.
        examples: What the loss is the mean over.
        dtype: Precision of the products; float64 for reference.
        graph_budget_bytes: Keep gradient graphs while they take up to about this much memory.
    """

    def __init__(
        self,
        network: nn.Module,
        weights: Weights,
        space: LevelSpace,
        examples: Examples,
        *,
        dtype: torch.dtype = torch.float32,
        graph_budget_bytes: int = _GRAPH_BUDGET_BYTES,
    ) -> None:
        self._function = Folded(network, examples.labels.device)
        self._space = space
        self._dtype = dtype
        self._parameters = {
            name: tensor.detach().to(dtype).requires_grad_(True) for name, tensor in weights.parameters.items()
        }
        self._buffers = {
            name: tensor.to(dtype) if tensor.is_floating_point() else tensor
            for name, tensor in weights.buffers.items()
        }
        self._examples = examples
        indices = torch.split(torch.arange(len(examples), device=examples.labels.device), _CHUNK)
        affordable = graph_budget_bytes // (_CHUNK * _graph_bytes_per_example(network, examples, dtype))
        with full_float32():
            self._kept = [self._gradient(index) for index in indices[:affordable]]
        self._rebuilt = indices[affordable:]
        self.num_products = 0

    def in_space(self, space: LevelSpace) -> HessianOperator:
        """Return the operator at the same point in another space, sharing the graphs that are kept."""
        other = copy.copy(self)
        other._space = space
        other.num_products = 0
        return other

    @property
    def dimension(self) -> int:
        """Side of the matrix."""
        return self._space.dimension

    @property
    def device(self) -> torch.device:
        """Where vectors of the space live."""
        return self._examples.labels.device

    @property
    def dtype(self) -> torch.dtype:
        """Precision of the products."""
        return self._dtype

    def __call__(self, vector: Tensor) -> Tensor:
        """Return E^T H E v for `vector`, (dimension,), in the vector's dtype."""
        with full_float32():
            return self._multiply(vector)

    def _multiply(self, vector: Tensor) -> Tensor:
        direction = tuple(self._space.embed(vector.to(self._dtype)).values())
        total = [torch.zeros_like(parameter) for parameter in self._parameters.values()]
        for gradient in self._kept:
            torch._foreach_add_(total, self._product(gradient, direction, keep=True))
        for index in self._rebuilt:
            torch._foreach_add_(total, self._product(self._gradient(index), direction, keep=False))
        self.num_products += 1
        flat = self._space.restrict(dict(zip(self._parameters, total, strict=True)))
        return flat.to(vector.dtype)

    def _gradient(self, index: Tensor) -> tuple[Tensor, ...]:
        """Return the gradient of the share these examples have in the mean loss, with its graph."""
        examples = self._examples.take(index)
        inputs = examples.normalise(examples.images).to(self._dtype)
        parameters = tuple(self._parameters.values())
        with FastSecondDerivatives():
            state = self._function.state(Weights(self._parameters, self._buffers))
            logits = self._function(state, inputs)
        loss = cross_entropy(logits, examples.labels, reduction="sum") / len(self._examples)
        return torch.autograd.grad(loss, parameters, create_graph=True, materialize_grads=True)

    def _product(
        self, gradient: tuple[Tensor, ...], direction: tuple[Tensor, ...], *, keep: bool
    ) -> tuple[Tensor, ...]:
        parameters = tuple(self._parameters.values())
        return torch.autograd.grad(gradient, parameters, direction, retain_graph=keep, materialize_grads=True)


def _graph_bytes_per_example(network: nn.Module, examples: Examples, dtype: torch.dtype) -> int:
    """Estimate what an example's gradient graph holds, from the sizes of the layers' outputs.

    ResNet-20 on 256 images was measured to hold 4.2 MB an image, 6.1 MB once a product was taken, at 1.9 MB of
    layer outputs in float32: outputs are counted four times.
    """
    sizes: list[int] = []
    probe = copy.deepcopy(network).to(examples.labels.device).eval()
    for module in probe.modules():
        if not list(module.children()):
            module.register_forward_hook(lambda _module, _inputs, output: sizes.append(_num_elements(output)))
    with torch.no_grad():
        probe(examples.normalise(examples.images[:1]))
    return max(1, 4 * sum(sizes) * torch.empty((), dtype=dtype).element_size())


def _num_elements(output: object) -> int:
    """Count the elements of a layer's output, which may be a tuple (recurrent layers)."""
    if isinstance(output, Tensor):
        return output.numel()
    return sum(_num_elements(part) for part in output) if isinstance(output, tuple | list) else 0
