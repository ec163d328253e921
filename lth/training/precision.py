"""Which floating-point formats a training computes in, and full float32 where nothing less will do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Literal, TypeVar

import torch
from torch.backends import cuda, cudnn, mkldnn

from lth.setting.setting import Precision

Format = Literal["fp32", "bf16"]
T = TypeVar("T")

# Whose `fp32_precision` (torch >= 2.9) decides the format of float32 products; one that was never set takes its
# parent's, which stands before it here.
_CONVOLUTION, _RECURRENT, _PRODUCT = getattr(cudnn, "conv", None), getattr(cudnn, "rnn", None), cuda.matmul
_ON_CPU = [getattr(mkldnn, name, None) for name in ("conv", "rnn", "matmul")]
_SETTINGS: tuple[Any, ...] = (torch.backends, cudnn, _CONVOLUTION, _RECURRENT, _PRODUCT, mkldnn, *_ON_CPU)


def training_format(asked: Precision, device: torch.device) -> Format:
    """Return the format of a training's products: what is asked for, or for `auto` the fastest harmless one.

    That is bfloat16 where the device multiplies it natively; weights, their updates and sums stay float32.
    What it costs in accuracy on ResNet-20 is in docs/benchmarks.md.
    """
    if asked != "auto":
        return asked
    if device.type == "cuda":
        with torch.cuda.device(device):
            return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    return "bf16" if multiplies_bfloat16() else "fp32"


def multiplies_bfloat16() -> bool:
    """Return whether this processor multiplies bfloat16 natively (the instruction set avx512_bf16).

    No public name of torch says so. Where it has dropped the private one, Linux is asked.
    """
    asked = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return bool(asked()) if callable(asked) else "avx512_bf16" in _processor_flags()


def _processor_flags() -> frozenset[str]:
    """Return the processor's instruction sets; none where there is no Linux to say."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return frozenset()
    flags = next((line.partition(":")[2] for line in lines if line.startswith("flags")), "")
    return frozenset(flags.split())


@contextmanager
def full_float32() -> Iterator[None]:
    """Compute float32 convolutions and matrix products in float32, and restore the caller's flags afterwards.

    Without it, torch lets cuDNN round convolutions to TensorFloat-32, whose products carry a relative error
    of about 1e-3, which curvature, radii and barriers near a minimum do not survive.

    Torch has two sets of flags for it, and raises where the older is read after the newer was written. So the
    newer are set, parents first: a setting that only inherits then has full precision and is not touched, so
    nothing is left that was not there. The older, `allow_tf32`, are set too where the caller had set them, and
    alone before torch 2.9.
    """
    convolutions = _unless_raised(lambda: cudnn.allow_tf32)
    products = _unless_raised(torch.get_float32_matmul_precision)
    own = set[int]()
    with ExitStack() as restoring:
        for setting in _SETTINGS:
            value = getattr(setting, "fp32_precision", "ieee")
            if value != "ieee":
                restoring.callback(setattr, setting, "fp32_precision", value)
                setting.fp32_precision = "ieee"
                own.add(id(setting))
        has_only_older = not hasattr(torch.backends, "fp32_precision")
        if convolutions and (has_only_older or {id(_CONVOLUTION), id(_RECURRENT)} <= own):
            restoring.callback(setattr, cudnn, "allow_tf32", True)
            cudnn.allow_tf32 = False
        if products not in (None, "highest") and (has_only_older or id(_PRODUCT) in own):
            if products == "medium":  # which also is of the CPU's products
                restoring.callback(torch.set_float32_matmul_precision, products)
            restoring.callback(setattr, cuda.matmul, "allow_tf32", True)
            cuda.matmul.allow_tf32 = False
        yield


def _unless_raised(read: Callable[[], T]) -> T | None:
    """Return what one of the older flags says; None if torch refuses, because a newer one was written."""
    try:
        return read()
    except RuntimeError:
        return None
