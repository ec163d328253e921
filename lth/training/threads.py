"""How many threads a network is computed with on a CPU: one if it is small, else as many as torch has.

A layer of a small network takes tens of microseconds. Its threads then wait for each other most of the time,
and where another process has their core, for that process (`benchmarks/busy.py`).

Threads that wait keep their core busy, unless `OMP_WAIT_POLICY=passive` is in the environment before torch is
loaded: our commands see to it, a program in Python must itself.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import torch
from threadpoolctl import ThreadpoolController
from torch import Tensor, nn

from lth.cores import usable_cores
from lth.data import Examples
from lth.inputs import Inputs, called, zeros_like
from lth.randomness import restored

# A thread takes some 30 ms for them. A step of the digits or LeNet takes 4e7, of ResNet-20 on CIFAR-10 1.6e10.
_WORTH_PRODUCTS = 500_000_000
_PASSES = 3  # forward, and backward for inputs and weights
_BATCH = 128  # examples that a measurement passes at once on a CPU


def threads_for(network: nn.Module, examples: Examples, batch_size: int = _BATCH) -> int:
    """Return how many threads steps of `batch_size` of these examples are worth, at most what torch has.

    A function of their sizes alone: whoever computes the same gets the same, and with it the same bits. Half a
    billion products a step are worth more than one; by default those of a measurement's passes.
    """
    if examples.labels.device.type != "cpu":
        return torch.get_num_threads()
    available = min(torch.get_num_threads(), usable_cores())
    if available == 1:
        return 1
    products = _PASSES * batch_size * products_of(network, examples.images)
    return available if products >= _WORTH_PRODUCTS else 1


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Compute with so many threads, and with as many as before afterwards: of torch, and of NumPy's BLAS.

    BLAS has threads of its own, which wait for work on a core that another process could use.
    """
    before = torch.get_num_threads()
    with _blas().limit(limits=count, user_api="blas"):
        if count == before:
            yield
            return
        torch.set_num_threads(count)
        try:
            yield
        finally:
            torch.set_num_threads(before)


@cache
def _blas() -> ThreadpoolController:
    """Return what limits the threads of libraries; to look for them takes milliseconds."""
    return ThreadpoolController()


def products_of(network: nn.Module, inputs: Inputs) -> int:
    """Return about how many products of two numbers the forward pass of one example takes.

    Counted are convolutions and fully-connected layers; a parameter of anything else counts once. The network
    is copied.
    """
    probe = copy.deepcopy(network).cpu().eval()
    counted: list[int] = []
    layers = [module for module in probe.modules() if isinstance(module, _COUNTED)]
    for layer in layers:
        layer.register_forward_hook(lambda layer, _inputs, output: counted.append(_products(layer, output)))
    with torch.no_grad(), restored(torch.device("cpu")):
        called(probe, zeros_like(inputs, 2))  # two, for networks that a batch of one would confuse
    known = {id(layer.weight) for layer in layers}
    others = sum(parameter.numel() for parameter in probe.parameters() if id(parameter) not in known)
    return sum(counted) // 2 + others


_COUNTED = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


def _products(layer: nn.Module, output: Tensor) -> int:
    weight = layer.weight
    assert isinstance(weight, Tensor)
    return output.numel() * weight[0].numel()
