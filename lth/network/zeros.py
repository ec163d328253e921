"""Inputs of zeros, with which a network is tried before any data is passed."""

from __future__ import annotations

import torch

from lth.inputs import Inputs
from lth.setting.network import NetworkSpec


def zeros_for(spec: NetworkSpec, count: int) -> Inputs:
    """Return what a network of this spec is called with for so many examples, all zero, on the CPU.

    Example:
        >>> spec = NetworkSpec("zoo:net", ((5,), (5, 2)), 3, ("int64", "float32"), ("tokens", "features"))
        >>> {name: tuple(tensor.shape) for name, tensor in zeros_for(spec, 4).items()}
        {'tokens': (4, 5), 'features': (4, 5, 2)}
    """
    tensors = tuple(
        torch.zeros(count, *shape, dtype=getattr(torch, type_))
        for shape, type_ in zip(spec.shapes, spec.input_types, strict=True)
    )
    if spec.is_of_one:
        return tensors[0]
    return dict(zip(spec.input_names, tensors, strict=True)) if spec.input_names else tensors
