"""Write the tree of lth/ into docs/house.md, a line a module from its own docstring: `make house`."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "house.md"
_BEGIN, _END = "<!-- the tree: written by `make house` -->\n", "<!-- the end of the tree -->\n"


def tree(package: Path) -> str:
    """Return every room and module of `package` in a fenced block, each with its docstring's first line."""
    entries = _entries(package, 0)
    width = max(len(name) for name, _ in entries) + 2
    return "```\n" + "".join(f"{name:<{width}}{says}\n" for name, says in entries) + "```\n"


def _entries(folder: Path, depth: int) -> list[tuple[str, str]]:
    """Return the name, indented, and the idea of a room, then of its modules, then of the rooms inside."""
    entries = [("  " * depth + f"{folder.name}/", _idea(folder / "__init__.py"))]
    modules = sorted(path for path in folder.glob("*.py") if path.name != "__init__.py")
    entries += [("  " * (depth + 1) + path.name, _idea(path)) for path in modules]
    for room in sorted(path.parent for path in folder.glob("*/__init__.py")):
        entries += _entries(room, depth + 1)
    return entries


def _idea(path: Path) -> str:
    """Return the first line of a module's docstring."""
    return (ast.get_docstring(ast.parse(path.read_text())) or "").partition("\n")[0]


def with_tree(page: str, drawn: str) -> str:
    """Return `page` with `drawn` in the place of the tree it shows."""
    before, _, rest = page.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not end:
        raise ValueError(f"the page has no place for a tree, {_BEGIN.strip()} … {_END.strip()}")
    return before + _BEGIN + drawn + _END + after


def main() -> int:
    """Write the page anew."""
    PAGE.write_text(with_tree(PAGE.read_text(), tree(ROOT / "lth")))
    return 0


if __name__ == "__main__":
    sys.exit(main())
