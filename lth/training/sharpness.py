"""Sharpness-aware steps: along the gradient where the loss is highest nearby, taken from where one is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

_LEAST = 1e-12  # norm of a gradient: along none there is nowhere to climb


@contextmanager
def at_highest_nearby(
    parameters: Iterable[nn.Parameter], buffers: Iterable[Tensor], rho: float
) -> Iterator[None]:
    """Move parameters within to where the loss is highest at distance ρ, to first order, and back again.

        w + ρ g / ‖g‖,  g all their gradients together

    Afterwards parameters have the bits that they had, and so have buffers: a network sees each batch once, as
    far as its statistics go. What has no gradient stays; a gradient of zero, as of a pruned weight, moves
    nothing. Nothing waits for the device.

    Source: Foret et al. 2021, arXiv 2010.01412, equation 2 with p = 2, and algorithm 1.

    Example:
        >>> weight = nn.Parameter(torch.tensor([1.0, 2.0]))
        >>> weight.grad = torch.tensor([3.0, 4.0])
        >>> with at_highest_nearby([weight], [], rho=0.5):
        ...     there = weight.tolist()
        >>> there, weight.tolist()
        ([1.2999999523162842, 2.4000000953674316], [1.0, 2.0])
    """
    moving = [parameter for parameter in parameters if parameter.grad is not None]
    gradients = [parameter.grad for parameter in moving]
    kept = list(buffers)
    before = [tensor.detach().clone() for tensor in (*moving, *kept)]
    with torch.no_grad():
        norm = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(g) for g in gradients]))
        for parameter, gradient in zip(moving, gradients, strict=True):
            parameter.add_(gradient * (rho / (norm + _LEAST)))
    try:
        yield
    finally:
        with torch.no_grad():
            for tensor, value in zip((*moving, *kept), before, strict=True):
                tensor.copy_(value)
