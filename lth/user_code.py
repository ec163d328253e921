"""The user's own data sets and networks, named `package.module:function`; naming one runs its code."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

_REFERENCE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", re.ASCII)


def is_reference(name: str) -> bool:
    """Return whether `name` has the form `package.module:function`."""
    return _REFERENCE.fullmatch(name) is not None


def load_reference(name: str) -> Callable[..., Any]:
    """Import `package.module` (from the working directory too) and return its `function`.

    Raises:
        ValueError: If the module can't be imported or has no such function.
    """
    module_name, function_name = name.split(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
    try:
        function = getattr(importlib.import_module(module_name), function_name)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"{name} can't be loaded ({error}); check that python can import it") from error
    if not callable(function):
        raise ValueError(f"{name} is a {type(function).__name__}; expected a function")
    return function  # type: ignore[no-any-return]
