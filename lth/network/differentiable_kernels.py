"""Kernels that can be differentiated twice, where those that torch prefers can't be.

Fused attention, cuDNN's recurrent layers, the hard sigmoid and compiled code have a first derivative only; the
second of fused weight normalisation is wrong, for it takes the norms for constants. Each has a slower equal
that is made of differentiable operations. Torch's settings are restored.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.backends import cudnn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import hardsigmoid, relu6
from torch.overrides import TorchFunctionMode


@contextmanager
def differentiable_kernels(network: nn.Module) -> Iterator[None]:
    """Compute what `network` does with kernels that can be differentiated twice, here and in backward passes.

    Backward passes too, because checkpointed activations are computed again there.

    Example:
        >>> x = torch.ones(1, 1, 2, 2, requires_grad=True)
        >>> with differentiable_kernels(nn.Identity()):
        ...     loss = nn.functional.scaled_dot_product_attention(x, x, x).square().sum()
        ...     (slope,) = torch.autograd.grad(loss, x, create_graph=True)
        ...     torch.autograd.grad(slope.sum(), x)[0].shape
        torch.Size([1, 1, 2, 2])
    """
    with ExitStack() as settings:
        settings.enter_context(sdpa_kernel(SDPBackend.MATH))
        fastpath = torch.backends.mha.get_fastpath_enabled()
        settings.callback(torch.backends.mha.set_fastpath_enabled, fastpath)
        torch.backends.mha.set_fastpath_enabled(False)
        if any(isinstance(module, nn.RNNBase) for module in network.modules()):
            settings.callback(setattr, cudnn, "enabled", cudnn.enabled)
            cudnn.enabled = False
        if "torch._dynamo" in sys.modules:  # else nothing was compiled, and loading it takes seconds
            settings.enter_context(torch.compiler.set_stance("force_eager"))
        settings.enter_context(_Plain())
        yield


class _Plain(TorchFunctionMode):
    """Computes what has no second derivative, or a wrong one, by operations that have."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        return _PLAIN.get(func, func)(*args, **(kwargs or {}))


def _weight_norm(v: Tensor, g: Tensor, dim: int = 0) -> Tensor:
    return v * (g / torch.norm_except_dim(v, 2, dim))


def _hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:  # noqa: A002, ARG001 - named as in torch
    return relu6(input + 3) / 6


# Both of torch's ways of normalising weights come to the first.
_PLAIN: Mapping[Callable[..., Any], Callable[..., Any]] = {
    torch._weight_norm: _weight_norm,
    hardsigmoid: _hardsigmoid,
}
