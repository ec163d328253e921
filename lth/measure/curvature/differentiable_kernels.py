"""Kernels that can be differentiated twice, where those that torch prefers can't be.

Fused attention, cuDNN's recurrent layers and compiled code have a first derivative only. Each has a slower
equal that is made of differentiable operations: the choice is torch's, by settings that are restored here.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch import nn
from torch.backends import cudnn
from torch.nn.attention import SDPBackend, sdpa_kernel


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
        yield
