"""The logits in what a user's network returns: in a tuple, a dict, a named tuple or an object with fields.

A network that returns anything but one tensor gets a forward hook that takes the logits out, so that whoever
calls it, or a copy of it, gets one tensor. The names of its tensors do not change.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor, nn

from lth.errors import InputError

_NAME = "logits"
_DEEPEST = 4  # containers within each other
_MOST_LISTED = 6  # tensors


class Logits:
    """A forward hook that replaces what a network returns by the logits in it.

    Those are what is called `logits`, else the only floating-point tensor of shape (n, *shape).

    Example:
        >>> import torch
        >>> returned = {"logits": torch.ones(2, 3), "features": torch.zeros(2, 3)}
        >>> Logits("network=zoo:net", (3,))(nn.Identity(), (torch.zeros(2, 1, 8, 8),), returned).tolist()
        [[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]
    """

    def __init__(self, whose: str, shape: tuple[int, ...]) -> None:
        self._whose, self._shape = whose, shape

    def __call__(self, _network: nn.Module, inputs: tuple[Any, ...], *rest: Any) -> Tensor:
        """Return the logits of as many examples as the inputs have; `rest`: those by name, the output."""
        *named, output = rest
        first = inputs[0] if inputs else next(iter(named[0].values()))
        return find_logits(self._whose, output, (len(first), *self._shape))[1]


def find_logits(whose: str, output: object, shape: tuple[int, ...]) -> tuple[str, Tensor]:
    """Return where the logits of a shape are in what a network returned, and the logits.

    Raises:
        ValueError: If nothing there could be them, or several tensors could; it begins with `whose`.
    """
    tensors = list(_tensors(output, ()))
    fitting = [(path, t) for path, t in tensors if t.shape == shape and t.is_floating_point()]
    named = [(path, tensor) for path, tensor in fitting if path and path[-1] == _NAME]
    for found in (named, fitting):
        if len(found) == 1:
            return ".".join(found[0][0]), found[0][1]
    maps = f"{whose} maps {shape[0]} images to"
    if isinstance(output, Tensor):
        kind = "" if output.is_floating_point() else f" of {output.dtype}"
        raise InputError(f"{maps} {tuple(output.shape)}{kind}; expected {shape}, floating-point")
    listed = ", ".join(f"{'.'.join(path)} {tuple(tensor.shape)}" for path, tensor in tensors[:_MOST_LISTED])
    raise InputError(
        f"{maps} a {type(output).__name__}; expected {shape}, found {listed or 'no tensor'}; "
        f"return the logits alone, or under the name `{_NAME}`"
    )


def _tensors(value: object, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Tensor]]:
    """Yield every tensor in a structure, with the names on the way to it."""
    if isinstance(value, Tensor):
        yield path, value
    elif len(path) < _DEEPEST:
        for name, part in _parts(value):
            yield from _tensors(part, (*path, name))


def _parts(value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, Mapping):
        yield from ((str(key), part) for key, part in value.items())
    elif isinstance(value, tuple) and hasattr(value, "_fields"):
        yield from zip(value._fields, value, strict=True)
    elif isinstance(value, list | tuple):
        yield from ((str(position), part) for position, part in enumerate(value))
    elif dataclasses.is_dataclass(value):
        yield from ((field.name, getattr(value, field.name)) for field in dataclasses.fields(value))
    else:
        yield from getattr(value, "__dict__", {}).items()
