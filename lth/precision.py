"""Full float32: without TensorFloat-32, whose products carry a relative error of about 1e-3."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def full_float32() -> Iterator[None]:
    """Compute float32 convolutions and matrix products on CUDA in float32, and restore the flags afterwards.

    torch lets cuDNN round convolutions to TensorFloat-32 unless told otherwise, which curvature, radii and
    barriers near a minimum do not survive.
    """
    convolutions, products = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = convolutions, products
