"""What a network is called with: one tensor, several in a tuple, or several by the names of its arguments.

The first axis of each is that of the examples.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

Inputs: TypeAlias = Tensor | tuple[Tensor, ...] | Mapping[str, Tensor]


def each(inputs: Inputs) -> Iterator[tuple[str, Tensor]]:
    """Yield every tensor with its name: of a tuple its position, of a single one nothing."""
    if isinstance(inputs, Tensor):
        yield "", inputs
    elif isinstance(inputs, Mapping):
        yield from inputs.items()
    else:
        yield from ((str(position), tensor) for position, tensor in enumerate(inputs))


def by_input(structure: Any) -> dict[str, Any]:
    """Return what stands in the place of each input, a tensor or nothing, by the name that `each` gives it.

    Example:
        >>> by_input(None), by_input((None, None)), by_input({"tokens": None})
        ({'': None}, {'0': None, '1': None}, {'tokens': None})
    """
    if isinstance(structure, Mapping):
        return dict(structure)
    if isinstance(structure, tuple):
        return {str(position): value for position, value in enumerate(structure)}
    return {"": structure}


def mapped(function: Callable[..., Any], inputs: Any, *others: Any) -> Any:
    """Return the same structure of what a function makes of every tensor, and of those at its place in others.

    Example:
        >>> mapped(lambda tensor, scale: tensor * scale, (torch.ones(1), torch.ones(1)), (2, 3))
        (tensor([2.]), tensor([3.]))
    """
    if isinstance(inputs, Tensor):
        return function(inputs, *others)
    if isinstance(inputs, Mapping):
        return {name: function(value, *(other[name] for other in others)) for name, value in inputs.items()}
    return tuple(function(value, *rest) for value, *rest in zip(inputs, *others, strict=True))


def in_place_of(inputs: Inputs, tensors: Iterable[Tensor]) -> Any:
    """Return the same structure of other tensors, in the order of `each`.

    Example:
        >>> in_place_of({"tokens": torch.zeros(1), "mask": torch.zeros(1)}, [torch.ones(1), torch.zeros(1)])
        {'tokens': tensor([1.]), 'mask': tensor([0.])}
    """
    others = iter(tensors)
    return mapped(lambda _: next(others), inputs)


def called(network: nn.Module | Callable[..., Any], inputs: Inputs) -> Any:
    """Return what a network makes of its inputs."""
    if isinstance(inputs, Tensor):
        return network(inputs)
    return network(**inputs) if isinstance(inputs, Mapping) else network(*inputs)


def taken(inputs: Inputs, index: Any) -> Any:
    """Return the inputs of the examples at an index, where the inputs are."""
    if not isinstance(index, Tensor):
        return mapped(lambda tensor: tensor[index], inputs)
    return mapped(lambda tensor: tensor[index.to(tensor.device)], inputs)


def split(inputs: Inputs, size: int) -> list[Inputs]:
    """Return the inputs in parts of so many examples, the last one smaller."""
    if isinstance(inputs, Tensor):
        return list(torch.split(inputs, size))
    return [taken(inputs, slice(start, start + size)) for start in range(0, count_of(inputs), size)]


def count_of(inputs: Inputs) -> int:
    """Return how many examples there are."""
    return len(next(tensor for _, tensor in each(inputs)))


def as_floats(inputs: Inputs, dtype: torch.dtype) -> Any:
    """Return the inputs with what is floating-point in a type; whole numbers, such as of tokens, stay."""
    return mapped(lambda tensor: tensor.to(dtype) if tensor.is_floating_point() else tensor, inputs)


def zeros_like(inputs: Inputs, count: int) -> Any:
    """Return so many examples of zeros, as these are when a network is called with them, on the CPU."""

    def zeros(tensor: Tensor) -> Tensor:
        whole = tensor.dtype == torch.bool or tensor.dtype == torch.int64
        return torch.zeros(count, *tensor.shape[1:], dtype=tensor.dtype if whole else torch.float32)

    return mapped(zeros, inputs)
