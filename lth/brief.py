"""What a record that holds arrays shows of itself: a line, whatever they hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import fields, is_dataclass
from typing import Any

_FEW = 4  # entries that are shown one by one
_LONGEST = 60  # characters of any other value


def brief(record: Any) -> str:
    """Return a record in a line, large fields by their size: the `__repr__` of a dataclass with arrays.

    >>> from dataclasses import dataclass
    >>> import numpy as np
    >>> @dataclass
    ... class Spectrum:
    ...     eigenvalues: np.ndarray
    ...     converged: bool
    ...     __repr__ = brief
    >>> Spectrum(np.zeros((3, 2)), True)
    Spectrum(eigenvalues=<float64 of 3 × 2>, converged=True)
    """
    shown = (f"{field.name}={_shown(getattr(record, field.name))}" for field in fields(record) if field.repr)
    return f"{type(record).__name__}({', '.join(shown)})"


def _shown(value: Any) -> str:
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return _array(value)
    if isinstance(value, Mapping | Set) or (isinstance(value, Sequence) and not isinstance(value, str | bytes)):
        few = len(value) <= _FEW and not any(isinstance(each, Mapping | Sequence) for each in value)
        text = repr(value) if few and not isinstance(value, Mapping) else ""
        return text if 0 < len(text) <= _LONGEST else f"<{len(value)} of {type(value).__name__}>"
    text = repr(value)
    if len(text) <= _LONGEST and "\n" not in text:
        return text
    is_brief = is_dataclass(value) and type(value).__repr__ is brief
    return text if is_brief else f"<{type(value).__name__}>"


def _array(value: Any) -> str:
    """Return a tensor or an array by type and shape; a single number by itself."""
    if not value.shape:
        return str(value.item())
    kind = str(value.dtype).removeprefix("torch.")
    return f"<{kind} of {' × '.join(map(str, value.shape))}>"
