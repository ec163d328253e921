"""A digest of the user's own code behind `package.module:function`: other code, other results.

It is of the module that defines the function and of every module that one imports, and so on, as their `import`
statements name them, packages on the way included. Python's own modules, installed packages and `lth` do not
count, unless the function itself is of that package. What is imported by a name that is computed is not seen.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import inspect
import json
import sys
import sysconfig
from collections.abc import Callable, Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

from lth.errors import InputError
from lth.setting.reference import load_reference


def code_digest(name: str) -> str:
    """Return the SHA-256 of all of the user's own modules that the function `name` is made of.

    It depends on the names and contents of the modules, neither on where they lie nor on what else is loaded.

    Raises:
        ValueError: If the function can't be loaded, or has no source file.
    """
    function = inspect.unwrap(load_reference(name))
    named = name.partition(":")[0]
    digests, foreign = {"": _digest(_source_of(name, function))}, _foreign_folders()
    to_read, read = [named, function.__module__], set()
    while to_read:
        for part in _with_packages(to_read.pop()):
            if part in read:
                continue
            spec = _spec(part)
            if spec is None or (_lies_in(spec, foreign) and _root(part) != _root(named)):
                break
            read.add(part)
            if spec.has_location and spec.origin is not None:
                digests[part] = _digest(Path(spec.origin))
                to_read += _imported(spec)
    return hashlib.sha256(json.dumps(sorted(digests.items())).encode()).hexdigest()


def file_digest(name: str) -> str:
    """Return the SHA-256 of the one source file that defines the function `name`, as keys of version 1 hold it.

    Raises:
        ValueError: If it can't be loaded, or has no source file.
    """
    return _digest(_source_of(name, inspect.unwrap(load_reference(name))))


def _source_of(name: str, function: Callable[..., Any]) -> Path:
    try:
        source = inspect.getsourcefile(function)
    except TypeError:
        source = None
    if source is None or not Path(source).is_file():
        raise InputError(f"{name} has no source file, so its results can't be told apart; wrap it in your own")
    return Path(source)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _with_packages(module: str) -> list[str]:
    """Return `a`, `a.b`, `a.b.c`: importing the last runs them all."""
    parts = module.split(".")
    return [".".join(parts[: count + 1]) for count in range(len(parts))]


def _root(module: str) -> str:
    return module.partition(".")[0]


def _foreign_folders() -> tuple[Path, ...]:
    """Return where Python, what is installed, and `lth` lie."""
    python = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    installed = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
    ours = Path(__file__).parents[1]
    return tuple(path.resolve() for path in (*map(Path, [*python, *installed]), ours))


def _lies_in(spec: ModuleSpec, folders: tuple[Path, ...]) -> bool:
    if not spec.has_location or spec.origin is None:
        return False
    return any(map(Path(spec.origin).resolve().is_relative_to, folders))


def _spec(module: str) -> ModuleSpec | None:
    """Return where a module comes from, None if there is no such module."""
    if module in sys.modules:
        return getattr(sys.modules[module], "__spec__", None)
    try:
        return importlib.util.find_spec(module)
    except Exception:  # what can't be found was not imported either, and finding runs the packages it is in
        return None


def _imported(spec: ModuleSpec) -> Iterator[str]:
    """Return what a module may import: `from a import b` names the module a, and perhaps the module a.b."""
    try:
        tree = ast.parse(Path(spec.origin or "").read_bytes())
    except (SyntaxError, ValueError):  # compiled, or not Python
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = (spec.parent or "").split(".")
            kept = above[: len(above) - node.level + 1] if node.level else []  # of `from ..a import b`
            origin = ".".join([*kept, *([node.module] if node.module else [])])
            yield origin
            yield from (f"{origin}.{alias.name}" for alias in node.names)
