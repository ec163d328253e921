"""Which floating-point formats a training computes in, and full float32 where nothing less will do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch

from lth.setting.setting import Precision

Format = Literal["fp32", "bf16"]


def training_format(asked: Precision, device: torch.device) -> Format:
    """Return the format of a training's products: what is asked for, or for `auto` the fastest harmless one.

    That is bfloat16 where the device multiplies it natively; weights, their updates and sums stay float32.
    What it costs in accuracy on ResNet-20 is in benchmarks/README.md.
    """
    if asked != "auto":
        return asked
    if device.type == "cuda":
        with torch.cuda.device(device):
            return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    return "bf16" if torch.cpu._is_avx512_bf16_supported() else "fp32"


@contextmanager
def full_float32() -> Iterator[None]:
    """Compute float32 convolutions and matrix products on CUDA in float32, and restore the flags afterwards.

    Without it, torch lets cuDNN round convolutions to TensorFloat-32, whose products carry a relative error
    of about 1e-3, which curvature, radii and barriers near a minimum do not survive.
    """
    convolutions, products = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = convolutions, products
