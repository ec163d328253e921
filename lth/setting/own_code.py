"""A digest of the user's own code behind `package.module:function`: other code, other results.

It is of the module that defines the function and of every module that one imports, and so on, as their `import`
statements and their `import_module("name")` name them, packages on the way included; where a name is
computed, of every module right in the package it is computed in. Python's own modules, installed packages and
`lth` do not count, unless the function itself is of that package. What is imported by a computed name outside
any package, and files that the code runs or opens, are not seen; `described` says so.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import inspect
import json
import sys
import sysconfig
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.machinery import ModuleSpec
from importlib.metadata import PackageNotFoundError, version
from importlib.util import spec_from_file_location
from pathlib import Path
from pkgutil import iter_modules
from types import ModuleType
from typing import Any

from lth.errors import InputError
from lth.setting.reference import load_reference

_IMPORTING = frozenset(["import_module", "__import__"])
_FROM_FILES = frozenset(["SourceFileLoader", "exec", "run_module", "run_path", "spec_from_file_location"])
_MODULES_SHOWN = 5
_MODULES_REMEMBERED = 1000
_looked_at: dict[str, str] = {}  # the digest of each module's file, when this process last saw it


@dataclass(frozen=True)
class OwnCode:
    """What a user's function is made of, as far as it decides what is found."""

    digest: str  # SHA-256 over the files
    files: Mapping[str, str]  # the SHA-256 of each module's file, by the name of the module
    installed: Mapping[str, str]  # versions of what it imports and does not count, by the distribution's name
    computing: tuple[str, ...] = ()  # modules that import by names they compute, or run files: not seen


def own_code(name: str) -> OwnCode:
    """Return the user's own modules that the function `name` is made of.

    The digest depends on the names and contents of the modules, neither on where they lie nor on what else is
    loaded. Where a file has changed since this process last looked at it, all modules it has ever looked at are
    loaded again, for any may be made of it: what is called afterwards is what the digest is of.

    Raises:
        ValueError: If the function can't be loaded, or has no source file.
    """
    found = _look(name)
    if changed := [part for part, digest in found.digests.items() if _looked_at.get(part, digest) != digest]:
        _forget(changed, {*_looked_at, *found.digests} - {"__main__"})
        found = _look(name)
    digests = found.digests
    _looked_at.update({part: digests[part] for part in digests if part not in ("", "__main__")})
    digest = hashlib.sha256(json.dumps(sorted(digests.items())).encode()).hexdigest()
    files = {part: digests[part] for part in sorted(digests) if part} or {name.partition(":")[0]: digests[""]}
    return OwnCode(digest, files, _versions(found.installed), tuple(sorted(found.computing)))


def refresh(name: str) -> None:
    """Load again what the function `name` is made of and has changed, if anything; see `own_code`."""
    with suppress(InputError):  # whatever is wrong with it is told when it is called
        own_code(name)


def described(code: OwnCode) -> str:
    """Return in one line what decides whether a result of this code is found, and what does not."""
    modules = list(code.files)
    shown = ", ".join(modules[:_MODULES_SHOWN])
    more = f" and {len(modules) - _MODULES_SHOWN} more" if len(modules) > _MODULES_SHOWN else ""
    versions = ", ".join(f"{name} {version}" for name, version in code.installed.items())
    modules_unseen = ", ".join(code.computing)
    unseen = (
        modules_unseen and f"; what {modules_unseen} imports by a computed name or runs from a file is not seen"
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


@dataclass
class _Found:
    """What one look at the modules of a function found."""

    digests: dict[str, str]  # SHA-256 by module; of the file that defines the function under ""
    installed: set[str] = field(default_factory=set)
    computing: list[str] = field(default_factory=list)


def _look(name: str) -> _Found:
    function = inspect.unwrap(load_reference(name))
    named, foreign = name.partition(":")[0], _foreign_folders()
    found = _Found({"": _digest(_source_of(name, function))})
    to_read, read = [named, function.__module__], set[str]()
    while to_read:
        for part in _with_packages(to_read.pop()):
            if part in read:
                continue
            spec = _spec(part)
            if spec is None:
                break
            if _lies_in(spec, foreign) and _root(part) != _root(named):
                found.installed.add(_root(part))
                break
            read.add(part)
            if spec.has_location and spec.origin is not None:
                to_read += _read(part, spec, found)
    return found


def _read(module: str, spec: ModuleSpec, found: _Found) -> list[str]:
    """Note one module, and return what it may import."""
    content = _content(spec)
    imports = _imports(content)
    if _computes_imports(imports, spec):
        found.computing.append(module)
    if _is_imported(module):
        found.digests[module] = hashlib.sha256(content).hexdigest()
    return list(_imported(imports, spec))


def _forget(changed: Collection[str], every: Collection[str]) -> None:
    """Let the next import of every one of the modules be the first, from their files of now."""
    for module in changed:
        spec = _spec(module)
        if spec is not None and spec.cached is not None:  # Python tells it by length and second alone
            with suppress(OSError):
                Path(spec.cached).unlink()
    for module in every:
        sys.modules.pop(module, None)
    importlib.invalidate_caches()


def _source_of(name: str, function: Callable[..., Any]) -> Path:
    """Return the file that defines a function; of a `partial` or an object, that of its module."""
    try:
        source = inspect.getsourcefile(function)
    except TypeError:
        spec = _spec(name.partition(":")[0])
        is_foreign = spec is None or not spec.has_location or _lies_in(spec, _foreign_folders())
        source = None if spec is None or is_foreign else spec.origin
    if source is None or not Path(source).is_file():
        raise InputError(
            f"{name} has no source file, so its results can't be told apart; define it in a file of your own"
        )
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


def _versions(installed: Collection[str]) -> dict[str, str]:
    """Return the versions of packages, where they are distributed under the name they are imported by."""
    found = {}
    for name in sorted(set(installed) - sys.stdlib_module_names - {_root(__name__)}):
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


@lru_cache(_MODULES_REMEMBERED)
def _imports(content: bytes) -> tuple[ast.AST, ...]:
    """Return the statements and calls by which a module imports; none if it is compiled, or not Python."""
    try:
        nodes = ast.walk(ast.parse(content))
    except (SyntaxError, ValueError):
        return ()
    return tuple(node for node in nodes if isinstance(node, ast.Import | ast.ImportFrom) or _loads(node))


def _loads(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and _called(node) in _IMPORTING | _FROM_FILES


def _imported(imports: Sequence[ast.AST], spec: ModuleSpec) -> Iterator[str]:
    """Return what a module may import: `from a import b` names the module a, and perhaps the module a.b."""
    for node in imports:
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
            else:  # any of them, then
                yield from _modules_in(_package_of(node, spec))


def _computes_imports(imports: Sequence[ast.AST], spec: ModuleSpec) -> bool:
    """Say whether a module imports what its source does not tell, or runs a file."""
    return any(
        not _is_import(node) or (_argument(node, 0, "name") is None and not _package_of(node, spec))
        for node in imports
        if isinstance(node, ast.Call)
    )


def _package_of(call: ast.Call, spec: ModuleSpec) -> str:
    """Return the package that a name is computed in: `a.b` of f"a.b.{name}", else that of the module itself."""
    name = call.args[0] if call.args else next((w.value for w in call.keywords if w.arg == "name"), None)
    while isinstance(name, ast.BinOp):
        name = name.left
    start = name.values[0] if isinstance(name, ast.JoinedStr) and name.values else name
    written = start.value if isinstance(start, ast.Constant) and isinstance(start.value, str) else ""
    package, dot, _ = written.rpartition(".")
    if dot and package.strip("."):
        return _absolute(package, spec.parent)
    above = len(package) if dot else 0  # of `.name` none, of `..name` one
    return ".".join((spec.parent or "").split(".")[: -above or None])


def _modules_in(package: str) -> list[str]:
    """Return the modules that lie right in a package; none if there is no such package."""
    spec = _spec(package) if package else None
    folders = None if spec is None else spec.submodule_search_locations
    return sorted(module.name for module in iter_modules(folders, f"{package}.")) if folders else []


def _is_import(call: ast.Call) -> bool:
    """Say whether a call is of `import_module(…)`, `importlib.import_module(…)` or `__import__(…)`."""
    return _called(call) in _IMPORTING


def _called(call: ast.Call) -> str | None:
    return getattr(call.func, "attr", None) or getattr(call.func, "id", None)


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
