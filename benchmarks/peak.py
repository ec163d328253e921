"""What the machine can do at best: the matrix product of two 2048 × 2048 matrices."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import torch

from benchmarks.rounds import Seat

_SIDE = 2048
_REPEATS = 5
_FORWARD = 82e6  # floating-point operations of ResNet-20 on one image of 32 × 32: two a multiply-add
FORWARD_GFLOP = _FORWARD / 1e9
STEP_GFLOP = 0.245  # forward, and twice that backward

PEAK = Seat("benchmarks.peak:prepare")


def prepare(_setup: object, _variant: str) -> Callable[[object], Mapping[str, float]]:
    """Return a function that measures the best GFLOP/s of a few products, by precision."""
    stream = torch.Generator().manual_seed(0)
    factors = torch.randn(2, _SIDE, _SIDE, generator=stream)
    by_precision = {"fp32": factors, "bf16": factors.bfloat16()}

    def measure(_command: object) -> Mapping[str, float]:
        return {name: 2e-9 * _SIDE**3 / _shortest(a, b) for name, (a, b) in by_precision.items()}

    return measure


def _shortest(a: torch.Tensor, b: torch.Tensor) -> float:
    seconds = []
    for _ in range(_REPEATS):
        start = time.perf_counter()
        a @ b
        seconds.append(time.perf_counter() - start)
    return min(seconds)
