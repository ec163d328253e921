"""A network that `torch.nn.utils.prune` has pruned: what it kept, and the same network without its hooks."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.utils import prune

from lth.errors import InputError
from lth.network.mask import Mask
from lth.network.parts import frozen_names

_ORIGINAL, _MASK = "_orig", "_mask"


def unpruned_copy(network: nn.Module) -> tuple[nn.Module, Mask | None]:
    """Return a copy whose pruned weights are ordinary parameters, zero where they were pruned, and the mask.

    The mask is None if nothing was pruned so. The network itself is not changed.

    Raises:
        ValueError: If a weight that layers share has another mask in one of them, so that it is no one weight.

    Example:
        >>> layer = prune.l1_unstructured(nn.Linear(2, 1, bias=False), "weight", amount=1)
        >>> plain, mask = unpruned_copy(layer)
        >>> [name for name, _ in plain.named_parameters()], mask.num_kept
        (['weight'], 1)
    """
    _check_shared(network)
    with _copyable(network):
        own = copy.deepcopy(network)
    keep = {}
    for name, module, parameter in list(_pruned(own)):
        keep[f"{name}.{parameter}" if name else parameter] = getattr(module, f"{parameter}{_MASK}").bool().cpu()
        place = list(module._parameters).index(f"{parameter}{_ORIGINAL}")
        order = [
            each.removesuffix(_ORIGINAL) if i == place else each for i, each in enumerate(module._parameters)
        ]
        prune.remove(module, parameter)  # type: ignore[no-untyped-call]
        module._parameters = {each: module._parameters[each] for each in order}
    if not keep:
        return own, None
    return own, Mask(
        {name: keep[name] for name, _ in own.named_parameters() if name in keep}, frozen_names(own)
    )


def _check_shared(network: nn.Module) -> None:
    """Check that every layer that shares a pruned weight has the same mask of it."""
    users: dict[int, list[tuple[str, Tensor | None]]] = {}
    for name, module in network.named_modules():
        for own, parameter in module._parameters.items():
            if parameter is not None:
                plain = own.removesuffix(_ORIGINAL)
                mask = None if plain == own else module._buffers.get(f"{plain}{_MASK}")
                users.setdefault(id(parameter), []).append((f"{name}.{plain}" if name else plain, mask))
    for shared in users.values():
        (first, mask), *others = shared
        for other, its in others:
            same = mask is its if mask is None or its is None else torch.equal(mask, its)
            if not same:
                raise InputError(
                    f"{first} and {other} share one weight and are pruned differently, so that it has no mask; "
                    "prune both by the same mask"
                )


@contextmanager
def _copyable(network: nn.Module) -> Iterator[None]:
    """Take the products of weights and masks out of a network for as long as it is copied: none can be."""
    held: list[tuple[nn.Module, str, Tensor]] = []
    for _, module, parameter in _pruned(network):
        held.append((module, parameter, getattr(module, parameter)))
        module.__dict__[parameter] = getattr(module, parameter).detach()
    try:
        yield
    finally:
        for module, parameter, product in held:
            module.__dict__[parameter] = product


def _pruned(network: nn.Module) -> Iterator[tuple[str, nn.Module, str]]:
    """Yield every parameter that has a mask: the name of its module, the module, and its own name."""
    for name, module in network.named_modules():
        for original in module._parameters:
            parameter = original.removesuffix(_ORIGINAL)
            if parameter != original and isinstance(module._buffers.get(f"{parameter}{_MASK}"), torch.Tensor):
                yield name, module, parameter
