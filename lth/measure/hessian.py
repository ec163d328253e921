"""Hessian-vector products of the mean training loss in a level's space.

BatchNorm stays in evaluation mode with the statistics of the point, so the loss is a mean over examples and
splitting the examples into chunks changes nothing but rounding. The gradient graphs of as many chunks as the
memory budget allows are kept between products, which saves their forward and first backward pass. Where
BatchNorm follows a convolution it is folded into it, and derivatives pass through its scale to the weights.
"""

from __future__ import annotations

import copy
from contextlib import nullcontext

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from lth.data import Examples
from lth.measure.second_derivative import FastSecondDerivatives
from lth.network.folded import Folded
from lth.precision import full_float32
from lth.space import LevelSpace
from lth.weights import Weights

_CHUNK = 128  # examples a forward pass; on a CPU larger ones leave its cache
_GRAPH_BUDGET_BYTES = 4 * 2**30
_FOLDING = (
    5  # copies of the weights that a chunk's graph holds: kernels with BatchNorm folded in, some in float64
)


class HessianOperator:
    """The symmetric matrix E^T H E at a point, H the Hessian of the mean cross-entropy over the examples.

    Args:
        network: Gives the structure; copied.
        weights: The point and its BatchNorm statistics.
        space: Which coordinates are free.
        examples: What the loss is the mean over.
        dtype: Precision of the products; float64 for reference.
        graph_budget_bytes: Keep gradient graphs while they take up to about this much memory.

    Raises:
        ValueError: If the loss is no mean over examples: the network draws at random, or mixes the examples of
            a batch, even in evaluation mode.
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
        self._check_mean_over_examples()
        indices = torch.split(torch.arange(len(examples), device=examples.labels.device), _CHUNK)
        folding = _FOLDING * sum(p.numel() for p in self._parameters.values()) * dtype.itemsize
        of_examples = _CHUNK * _graph_bytes_per_example(network, examples, dtype)
        affordable = graph_budget_bytes // (of_examples + folding)
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

    @torch.no_grad()
    def _check_mean_over_examples(self) -> None:
        examples = self._examples.take(torch.arange(min(2, len(self._examples))))
        inputs = examples.normalise(examples.images).to(self._dtype)
        state = self._function.state(Weights(self._parameters, self._buffers))
        with full_float32():
            together, again = self._function(state, inputs), self._function(state, inputs)
            other = self._function(state, inputs[:1].expand_as(inputs))
        near = 1e-3 * float(together.abs().max())  # far above the rounding of another batch size
        if not torch.allclose(together, again, rtol=0, atol=near, equal_nan=True):
            raise ValueError(
                "the network gives the same images different logits in evaluation mode, so its loss has no "
                "Hessian; let its dropout follow `self.training`"
            )
        if not torch.allclose(together[:1], other[:1], rtol=0, atol=near, equal_nan=True):
            raise ValueError(
                "an image's logits depend on the others of its batch in evaluation mode, so the loss is no "
                "mean over images; keep BatchNorm's track_running_stats=True"
            )

    def _gradient(self, index: Tensor) -> tuple[Tensor, ...]:
        """Return the gradient of the share these examples have in the mean loss, with its graph."""
        examples = self._examples.take(index)
        inputs = examples.normalise(examples.images).to(self._dtype)
        parameters = tuple(self._parameters.values())
        # A user's own network may do with its convolutions what our function has no rule for.
        with FastSecondDerivatives() if self._function.is_folded else nullcontext():
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
