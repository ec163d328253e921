"""Whether and how a training step is compiled by torch.compile."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import ParamSpec, TypeVar

import torch

from lth.setting.setting import Compile

_WORTH_STEPS = 100_000  # on an H100 a compilation takes 23 s, and saves 0.4 ms a step of ResNet-20

P = ParamSpec("P")
R = TypeVar("R")


def is_compiled(asked: Compile, device: torch.device, steps: int) -> bool:
    """Return whether a training of so many steps is compiled: what is asked for, or for `auto` if that pays.

    On a CPU it does not: what it gains on ResNet-20 (docs/benchmarks.md) a study's many short trainings lose.
    On a GPU it makes one kernel of several; it pays from 100,000 steps on (`benchmarks/gpu.py`).
    """
    if asked != "auto":
        return asked == "on"
    return device.type == "cuda" and steps >= _WORTH_STEPS and find_spec("triton") is not None


def compiled(function: Callable[P, R], *, graphs: bool) -> Callable[P, R]:
    """Return `function` compiled for inputs of one shape, with `graphs` as CUDA graphs of its own."""
    return torch.compile(function, dynamic=False, mode="reduce-overhead" if graphs else "default")


@contextmanager
def compiling() -> Iterator[None]:
    """Compile within, without the advice to round to TensorFloat-32, and forget it afterwards.

    torch compiles a function for at most eight networks (`torch._dynamo.config.recompile_limit`), then calls it
    as it is without a word: the ninth training of a process would round in another way, and all hold memory.
    """
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="TensorFloat32 tensor cores")
            yield
    finally:
        torch.compiler.reset()
