"""Convolutions and ReLU whose second derivatives cost what their first cost.

PyTorch differentiates the gradient of a convolution for its weights by a convolution whose kernel is as
large as the image, for which no library has a fast routine. But the gradient is linear in each of its
arguments, so every part of its derivative is again one of the three products that training is made of, which
all libraries are tuned for. With y = w * x, the gradient g of y, wᵀg of x, g ⋆ x of w, and directions x̂ and ŵ:

    ⟨x̂, wᵀg⟩ + ⟨ŵ, g ⋆ x⟩ has the derivatives   w * x̂ + ŵ * x in g,   ŵᵀg in x,   g ⋆ x̂ in w

Of ReLU, PyTorch adds up a second derivative that is zero, as large as the activations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn.functional import relu
from torch.overrides import TorchFunctionMode

_convolution = torch.ops.aten.convolution.default
_gradients = torch.ops.aten.convolution_backward.default

# Stride, padding, dilation, transposed, output padding, groups: as both operations take them.
_Geometry = tuple[list[int], list[int], list[int], bool, list[int], int]


class FastSecondDerivatives(TorchFunctionMode):
    """Within it, what convolutions and ReLU return can be differentiated twice fast, and not a third time.

    Example:
        >>> x = torch.full((1, 1, 1, 1), 3.0)
        >>> w = torch.full((1, 1, 1, 1), 1.0, requires_grad=True)
        >>> with FastSecondDerivatives():
        ...     loss = torch.conv2d(x, w).square().sum()  # 9 w²
        >>> (slope,) = torch.autograd.grad(loss, w, create_graph=True)
        >>> float(torch.autograd.grad(slope, w)[0])
        18.0
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call `func`, if it is `torch.conv2d` or `relu` by a function of ours."""
        if func is torch.conv2d:
            return _conv2d(func, *args, **(kwargs or {}))
        if func is relu:
            return _Relu.apply(args[0])
        return func(*args, **(kwargs or {}))


def _conv2d(
    otherwise: Callable[..., Tensor],
    input: Tensor,  # noqa: A002 - named as in torch.conv2d
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] | str = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Tensor:
    if isinstance(padding, str) or input.dim() != 4:  # "same" pads unevenly; an image without its batch
        return otherwise(input, weight, bias, stride, padding, dilation, groups)
    geometry = (_pair(stride), _pair(padding), _pair(dilation), False, [0, 0], groups)
    output = _Convolution.apply(input, weight, bias, geometry)
    assert isinstance(output, Tensor)
    return output


def _pair(size: int | Sequence[int]) -> list[int]:
    return [size, size] if isinstance(size, int) else list(size) * (2 // len(size))


class _Relu(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        output = x.clamp_min(0)
        ctx.save_for_backward(output)
        return output

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        return _Where.apply(gradient, *ctx.saved_tensors)


class _Where(Function):
    """The gradient where a ReLU's output is positive."""

    @staticmethod
    def forward(ctx: Any, gradient: Tensor, output: Tensor) -> Tensor:
        ctx.save_for_backward(output)
        return torch.ops.aten.threshold_backward(gradient, output, 0)  # type: ignore[no-any-return]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, along: Tensor) -> tuple[Tensor, None]:
        return torch.ops.aten.threshold_backward(along, *ctx.saved_tensors, 0), None


class _Convolution(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, geometry: _Geometry) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.geometry = geometry
        output: Tensor = _convolution(x, weight, bias, *geometry)
        return output

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        of_x, of_weight, of_bias, _ = ctx.needs_input_grad
        for_x, for_weight = _Gradients.apply(gradient, x, weight, ctx.geometry, (of_x, of_weight))
        return for_x, for_weight, gradient.sum(dim=(0, 2, 3)) if of_bias else None, None


class _Gradients(Function):
    """wᵀg and g ⋆ x."""

    @staticmethod
    def forward(
        ctx: Any, gradient: Tensor, x: Tensor, weight: Tensor, geometry: _Geometry, wanted: tuple[bool, bool]
    ) -> tuple[Tensor | None, Tensor | None]:
        ctx.save_for_backward(gradient, x, weight)
        ctx.set_materialize_grads(False)
        ctx.geometry = geometry
        return _both(gradient, x, weight, geometry, *wanted)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, along_x: Tensor | None, along_weight: Tensor | None) -> tuple[Tensor | None, ...]:
        gradient, x, weight = ctx.saved_tensors
        of_gradient, of_x, of_weight = ctx.needs_input_grad[:3]
        for_gradient: Tensor | None = None
        if of_gradient and along_x is not None:
            for_gradient = _convolution(along_x, weight, None, *ctx.geometry)
        if of_gradient and along_weight is not None:
            moved = _convolution(x, along_weight, None, *ctx.geometry)
            for_gradient = moved if for_gradient is None else for_gradient.add_(moved)
        for_x, for_weight = _both(
            gradient,
            x if along_x is None else along_x,
            weight if along_weight is None else along_weight,
            ctx.geometry,
            of_x and along_weight is not None,
            of_weight and along_x is not None,
        )
        return for_gradient, for_x, for_weight, None, None


def _both(
    gradient: Tensor, x: Tensor, weight: Tensor, geometry: _Geometry, of_x: bool, of_weight: bool
) -> tuple[Tensor | None, Tensor | None]:
    """Return wᵀg and g ⋆ x where wanted; they are computed together where both are."""
    if not (of_x or of_weight):
        return None, None
    for_x, for_weight, _ = _gradients(gradient, x, weight, None, *geometry, [of_x, of_weight, False])
    return for_x, for_weight
