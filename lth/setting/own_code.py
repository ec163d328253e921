"""A digest of the user's own code behind `package.module:function`: other code, other results.

It is of the module that defines the function and of every module that one imports, and so on, as their `import`
statements and their `import_module("name")` name them, packages on the way included. Python's own modules,
installed packages and `lth` do not count, unless the function itself is of that package. What is imported by a
name that is computed, and files that the code opens, are not seen; `described` says so.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import inspect
import json
import sys
import sysconfig
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from importlib.metadata import PackageNotFoundError, version
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from lth.errors import InputError
from lth.setting.reference import load_reference

_IMPORTING = frozenset(["import_module", "__import__"])
_MODULES_SHOWN = 5
_looked_at: dict[str, tuple[ModuleSpec, str]] = {}  # by module: as what it was loaded, and its file's digest


@dataclass(frozen=True)
class OwnCode:
    """What a user's function is made of, as far as it decides what is found."""

    digest: str  # SHA-256 over the files
    files: Mapping[str, str]  # the SHA-256 of each module's file, by the name of the module
    installed: Mapping[str, str]  # versions of what it imports and does not count, by the distribution's name
    computing: tuple[str, ...] = ()  # modules that import by names they compute: what those are is not seen


def own_code(name: str) -> OwnCode:
    """Return the user's own modules that the function `name` is made of.

    The digest depends on the names and contents of the modules, neither on where they lie nor on what else is
    loaded.

    Raises:
        ValueError: If the function can't be loaded or has no source file, or a file has changed since Python
            loaded it.
    """
    function = inspect.unwrap(load_reference(name))
    named = name.partition(":")[0]
    digests, foreign = {"": _digest(_source_of(name, function))}, _foreign_folders()
    to_read, read, installed = [named, function.__module__], set[str](), set[str]()
    computing: list[str] = []
    while to_read:
        for part in _with_packages(to_read.pop()):
            if part in read:
                continue
            spec = _spec(part)
            if spec is None:
                break
            if _lies_in(spec, foreign) and _root(part) != _root(named):
                installed.add(_root(part))
                break
            read.add(part)
            if spec.has_location and spec.origin is not None:
                content = _content(spec)
                tree = _tree(content)
                to_read += _imported(tree, spec)
                computing += [part] if _computes_imports(tree) else []
                if _is_imported(part):
                    digests[part] = hashlib.sha256(content).hexdigest()
                    _check_loaded(part, spec, digests[part])
    digest = hashlib.sha256(json.dumps(sorted(digests.items())).encode()).hexdigest()
    files = {part: digests[part] for part in sorted(digests) if part} or {named: digests[""]}
    return OwnCode(digest, files, _versions(installed), tuple(sorted(computing)))


def described(code: OwnCode) -> str:
    """Return in one line what decides whether a result of this code is found, and what does not."""
    modules = list(code.files)
    shown = ", ".join(modules[:_MODULES_SHOWN])
    more = f" and {len(modules) - _MODULES_SHOWN} more" if len(modules) > _MODULES_SHOWN else ""
    versions = ", ".join(f"{name} {version}" for name, version in code.installed.items())
    unseen = (
        f"; what {', '.join(code.computing)} imports by a computed name is not seen" if code.computing else ""
    )
    return (
        f"results are told apart by the code of {shown}{more} (digest {code.digest[:12]}), neither by files "
        f"that it opens nor by installed packages{versions and f' ({versions})'}{unseen}"
    )


def code_digest(name: str) -> str:
    """Return the SHA-256 of the user's own modules that the function `name` is made of; see `own_code`."""
    return own_code(name).digest


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
        return getattr(sys.modules[module], "__spec__", None) or _spec_of_script(sys.modules[module])
    try:
        return importlib.util.find_spec(module)
    except Exception:  # what can't be found was not imported either, and finding runs the packages it is in
        return None


def _is_imported(module: str) -> bool:
    """Say whether a module has been or can be imported, other than a script, whose file is the function's."""
    return module not in sys.modules or getattr(sys.modules[module], "__spec__", None) is not None


def _spec_of_script(module: ModuleType | None) -> ModuleSpec | None:
    """Return where a file lies that was run and not imported, as a script is."""
    path = getattr(module, "__file__", None)
    return None if path is None or module is None else spec_from_file_location(module.__name__, path)


def _content(spec: ModuleSpec) -> bytes:
    """Return the file of a module, which may lie in a zip archive."""
    assert spec.origin is not None
    get_data = getattr(spec.loader, "get_data", None)
    return bytes(get_data(spec.origin)) if get_data is not None else Path(spec.origin).read_bytes()


def _check_loaded(module: str, spec: ModuleSpec, digest: str) -> None:
    """Check that a file is what it was when this process first looked at the module that was loaded from it.

    Importing again, and `importlib.reload`, give a module another spec.

    Raises:
        ValueError: If it is not: what runs is the code of before.
    """
    if module not in sys.modules:
        return
    known, before = _looked_at.setdefault(module, (spec, digest))
    if known is not spec:
        _looked_at[module] = spec, digest
    elif before != digest:
        raise InputError(
            f"{spec.origin} has changed since Python loaded it, which still runs the code of before; "
            f"restart Python, or reload what you changed: importlib.reload({module})"
        )


def _versions(installed: Collection[str]) -> dict[str, str]:
    """Return the versions of packages, where they are distributed under the name they are imported by."""
    found = {}
    for name in sorted(set(installed) - sys.stdlib_module_names - {_root(__name__)}):
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def _imported(tree: ast.AST, spec: ModuleSpec) -> Iterator[str]:
    """Return what a module may import: `from a import b` names the module a, and perhaps the module a.b."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = _absolute("." * node.level + (node.module or ""), spec.parent)
            yield origin
            yield from (f"{origin}.{alias.name}" for alias in node.names)
            if any(alias.name == "*" for alias in node.names):
                yield from (f"{origin}.{name}" for name in getattr(sys.modules.get(origin), "__all__", ()))
        elif isinstance(node, ast.Call) and _is_import(node):
            name, package = _argument(node, 0, "name"), _argument(node, 1, "package")
            if name is not None:
                yield _absolute(name, package or spec.parent)


def _computes_imports(tree: ast.AST) -> bool:
    """Say whether a module imports by a name that is not written in it."""
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call) and _is_import(node))
    return any(_argument(node, 0, "name") is None for node in calls)


def _is_import(call: ast.Call) -> bool:
    """Say whether a call is of `import_module(…)`, `importlib.import_module(…)` or `__import__(…)`."""
    return (getattr(call.func, "attr", None) or getattr(call.func, "id", None)) in _IMPORTING


def _argument(call: ast.Call, position: int, name: str) -> str | None:
    """Return an argument that is written as a string."""
    given = [*call.args[position : position + 1], *(word.value for word in call.keywords if word.arg == name)]
    value = given[0].value if given and isinstance(given[0], ast.Constant) else None
    return value if isinstance(value, str) else None


def _absolute(module: str, package: str | None) -> str:
    """Return the name of a module as one of package a.b names it: `.c` is a.b.c, `..c` is a.c."""
    name = module.lstrip(".")
    level = len(module) - len(name)
    above = (package or "").split(".")
    return ".".join([*(above[: len(above) - level + 1] if level else []), *([name] if name else [])])


def _tree(content: bytes) -> ast.AST:
    try:
        return ast.parse(content)
    except (SyntaxError, ValueError):  # compiled, or not Python
        return ast.Module([], [])
