"""The user's own data sets and networks, named `package.module:function`; naming one runs its code.

`torchvision:resnet18` looks like one and is none: it is one of the networks that torchvision lists.
"""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from collections.abc import Callable, Sized
from pathlib import Path
from typing import Any

from lth.errors import InputError
from lth.setting.own_fault import own_faults

TORCHVISION = "torchvision:"
_REFERENCE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", re.ASCII)


_LONGEST_ARGUMENT = 60  # characters of it in a message


def is_reference(name: str) -> bool:
    """Return whether `name` has the form `package.module:function`."""
    return _REFERENCE.fullmatch(name) is not None and not is_of_torchvision(name)


def is_of_torchvision(name: str) -> bool:
    """Return whether `name` is of the networks of torchvision, by its form."""
    return name.startswith(TORCHVISION)


def is_foreign(name: str) -> bool:
    """Return whether a network of this name is none of ours, so that nothing is known of it."""
    return is_reference(name) or is_of_torchvision(name)


def call_reference(name: str, *arguments: object) -> Any:
    """Call the function `name` with `arguments`.

    Raises:
        ValueError: If it can't be loaded, does not take so many arguments, or raises anything itself.
    """
    function = load_reference(name)
    try:
        inspect.signature(function).bind(*arguments)
    except (TypeError, ValueError) as error:
        shown = ", ".join(map(_told, arguments))
        raise InputError(f"{name} can't be called with ({shown}): {error}") from error
    with own_faults(f"{name} raised", name):
        return function(*arguments)


def _told(argument: object) -> str:
    """Return an argument in a few words: what is long, such as parameters, by its type and length."""
    spelled = repr(argument)
    if len(spelled) <= _LONGEST_ARGUMENT and "\n" not in spelled:
        return spelled
    kind = type(argument).__name__
    return f"a {kind} of {len(argument)}" if isinstance(argument, Sized) else f"a {kind}"


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
        with own_faults(f"{name} can't be loaded:", name, only_theirs=True):  # importing runs the module
            function = getattr(importlib.import_module(module_name), function_name)  # noqa: TID251
    except InputError:
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise InputError(f"{name} can't be loaded ({reason}); check that python can import it") from error
    if not callable(function):
        raise InputError(f"{name} is a {type(function).__name__}; expected a function")
    return function  # type: ignore[no-any-return]
