"""What a network holds besides its parameters and buffers, which alone are stored: its attributes, as a print.

Two prints of one network, before and after it was trained for a step, tell which attributes a training changes.
"""

from __future__ import annotations

import hashlib
import random as python_random  # noqa: TID251  (whose state is only read, to tell that a network draws from it)
from collections.abc import Iterator, Mapping
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx, nn

TORCHS_OWN = frozenset(vars(nn.Module()))  # attributes that torch keeps in every module
_OPAQUE = (type, FunctionType, BuiltinFunctionType, MethodType, ModuleType, fx.Graph)
_DEEPEST = 6


def prints(network: nn.Module) -> dict[str, str]:
    """Return type and digest of every attribute of every module, and of what classes and generators hold.

    Parameters, buffers and modules are left out: they are stored, or walked through themselves.
    """
    found = {}
    for module_name, module in network.named_modules():
        where = f" of {module_name}" if module_name else ""
        for name, value in vars(module).items():
            if name not in TORCHS_OWN:
                found[f"attribute {name}{where}"] = _digest(value)
        for name, value in _class_values(type(module)):
            found[f"class attribute {type(module).__name__}.{name}"] = _digest(value)
    found["the state of Python's random"] = _digest(python_random.getstate())
    found["the state of numpy.random"] = _digest(np.random.get_state())  # noqa: NPY002, TID251
    return found


def changed(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """Return which attributes are not as they were."""
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))


def types_of_changed(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, str]:
    """Return of which type each attribute is that is not as it was; nothing for one that is gone."""
    return {name: after.get(name, "").partition(" ")[0] for name in changed(before, after)}


def parameters_in_attributes(network: nn.Module) -> dict[str, list[nn.Parameter]]:
    """Return the parameters that lists, dicts and such hold, by the name of the attribute that they are in."""
    found = {}
    for module_name, module in network.named_modules():
        for name, value in vars(module).items():
            if name not in TORCHS_OWN and (parameters := list(_parameters(value, 0))):
                found[f"attribute {name}{f' of {module_name}' if module_name else ''}"] = parameters
    return found


def _parameters(value: object, depth: int) -> Iterator[nn.Parameter]:
    if isinstance(value, nn.Parameter):
        yield value
    elif isinstance(value, nn.Module):
        yield from value.parameters()
    elif depth < _DEEPEST and isinstance(value, Mapping):
        for part in value.values():
            yield from _parameters(part, depth + 1)
    elif depth < _DEEPEST and isinstance(value, list | tuple | set):
        for part in value:
            yield from _parameters(part, depth + 1)


def _class_values(class_: type) -> Iterator[tuple[str, object]]:
    """Yield the values that a class of the user's own, or one it derives from, holds for all its modules."""
    plain = (int, float, str, list, dict, set, Tensor)
    for each in class_.__mro__:
        if each.__module__.partition(".")[0] not in ("torch", "builtins", "typing"):
            yield from (
                (name, value)
                for name, value in vars(each).items()
                if not name.startswith("__") and isinstance(value, plain)
            )


def _digest(value: object) -> str:
    digest = hashlib.sha256()
    for part in _parts(value, 0, set()):
        digest.update(part)
        digest.update(b"\0")
    return f"{type(value).__name__} {digest.hexdigest()}"


def _parts(value: Any, depth: int, seen: set[int]) -> Iterator[bytes]:
    """Yield bytes that are the same where a value is the same; what can't be looked into counts by its type."""
    yield type(value).__name__.encode()
    if isinstance(value, Tensor):
        yield _tensor_bytes(value)
    elif isinstance(value, np.ndarray | np.generic):
        yield np.asarray(value).tobytes()
    elif isinstance(value, torch.Generator):
        yield _tensor_bytes(value.get_state())
    elif value is None or isinstance(value, bool | int | float | complex | str | bytes):
        yield repr(value).encode()
    elif depth < _DEEPEST and id(value) not in seen and not isinstance(value, _OPAQUE):
        seen.add(id(value))
        for part in _inside(value):
            yield from _parts(part, depth + 1, seen)


def _tensor_bytes(tensor: Tensor) -> bytes:
    plain = tensor.detach().cpu()
    if plain.layout != torch.strided or plain.is_quantized or plain.is_meta:
        return str(plain.shape).encode()
    flat = plain.resolve_conj().resolve_neg().contiguous().reshape(-1)
    return str((plain.dtype, plain.shape)).encode() + flat.view(torch.uint8).numpy().tobytes()


def _inside(value: Any) -> list[object]:
    """Return what a container or an object holds."""
    if isinstance(value, Mapping):
        return [part for pair in list(value.items()) for part in pair]
    if isinstance(value, python_random.Random):
        return [value.getstate()]
    if isinstance(value, np.random.Generator):  # noqa: TID251
        return [value.bit_generator.state]
    if isinstance(value, nn.Module):  # one that is not registered
        return [*value.state_dict().values(), value.training]
    if isinstance(value, set | frozenset):
        return [*sorted(map(repr, value))]
    try:
        inside = [list(value)] if isinstance(value, list | tuple) or hasattr(value, "__len__") else []
    except Exception:  # whatever their `__iter__` raises
        inside = []
    parts = inside[0] if inside else []
    slots = [getattr(value, name) for name in getattr(type(value), "__slots__", ()) if hasattr(value, name)]
    return [*parts, *getattr(value, "__dict__", {}).values(), *slots]
