"""The pages of the site, put together for Sphinx: those of `docs/`, and what is made of other files.

README, CHANGELOG, examples and results become pages. A link to a file of the
project that is no page leads to a copy of it.
"""

from __future__ import annotations

import ast
import posixpath
import re
import shutil
from collections import Counter
from pathlib import Path

import jupytext

_LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)(#[^)]*)?\)")
_MADE = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "results/README.md": "evidence.md",
    "results/what_holds.md": "what_holds.md",
}
SOURCE = Path("build", "docs", "source")  # in the project


def write_pages(root: Path) -> None:
    """Write all pages, with what they show and lead to, into `SOURCE` of the project."""
    target = root / SOURCE
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(root / "docs", target, ignore=shutil.ignore_patterns("site", "*.py"))
    shutil.copytree(root / "docs" / "site" / "static", target / "static")
    for path in sorted(target.rglob("*.md")):
        name = path.relative_to(target).as_posix()
        path.write_text(_leading(path.read_text(), Path("docs", name), root, target))
    made = {
        "README.md": (root / "README.md").read_text() + (root / "docs" / "site" / "contents.md").read_text(),
        "CHANGELOG.md": (root / "CHANGELOG.md").read_text(),
        "CONTRIBUTING.md": (root / "CONTRIBUTING.md").read_text(),
        "results/README.md": evidence(root / "results"),
        "results/what_holds.md": (root / "results" / "what_holds.md").read_text(),
    }
    for name, text in made.items():
        (target / _MADE[name]).write_text(_leading(text, Path(name), root, target, _MADE[name]))
    (target / "gallery.md").write_text(gallery(root))
    for path in sorted((root / "examples" / "notebooks").glob("*.py")):
        (target / "notebooks").mkdir(exist_ok=True)
        (target / "notebooks" / f"{path.stem}.md").write_text(notebook(path))


def _leading(text: str, page: Path, root: Path, target: Path, name: str | None = None) -> str:
    """Return a page whose links lead to pages, and to copies of what is none.

    Args:
        text: Of the page.
        page: Where it lies in the project.
        root: Of the project.
        target: Where the pages are put together.
        name: Of the page there, if it is not as in `docs/`.
    """
    here = Path(name or page.relative_to("docs").as_posix()).parent.as_posix()

    def lead(found: re.Match[str]) -> str:
        path, anchor = posixpath.normpath((page.parent / found[1]).as_posix()), found[2] or ""
        if path in _MADE:
            leads = _MADE[path]
        elif path.startswith("docs/"):
            leads = path.removeprefix("docs/")
        elif (root / path).is_file():
            leads = f"files/{path}"
            (target / leads).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(root / path, target / leads)
        else:
            raise FileNotFoundError(f"{page} links to {found[1]}, which is not there")
        return f"]({posixpath.relpath(leads, here or '.')}{anchor})"

    return _LINK.sub(lead, text)


def gallery(root: Path) -> str:
    """Return the page of all examples that draw a picture."""
    parts = ["# Gallery\n\nEach picture is drawn by the program below it, which ends with what it asserts.\n"]
    for path in sorted((root / "examples" / "gallery").glob("[a-z]*.py")):
        code = path.read_text()
        title, _, rest = (ast.get_docstring(ast.parse(code)) or path.stem).partition("\n")
        body = code[code.index('"""', 3) + 3 :].strip()
        picture = f"![{title}](pictures/{path.stem}.png)"
        program = f"```{{code-block}} python\n:caption: examples/gallery/{path.name}\n\n{body}\n```"
        parts.append(f"## {title.rstrip('.')}\n\n{rest.strip()}\n\n{picture}\n\n{program}\n")
    return "\n".join(parts)


def notebook(path: Path) -> str:
    """Return a notebook as a page."""
    cells = jupytext.read(path, fmt="py:percent").cells
    shown = [
        cell.source if cell.cell_type == "markdown" else f"```python\n{cell.source}\n```" for cell in cells
    ]
    how = f"As a notebook: `jupytext --to ipynb examples/notebooks/{path.name}`."
    return "\n\n".join([*shown, how]) + "\n"


def evidence(results: Path) -> str:
    """Return the page of all published studies."""
    parts = [(results / "README.md").read_text()]
    for folder in sorted(each for each in results.iterdir() if each.is_dir()):
        title, _, claims = (folder / "claims.md").read_text().partition("\n")
        apart = re.sub(r"^(?!\||$)(.*)$", r"\1\n", claims, flags=re.MULTILINE)
        pictures = [f"![{path.stem}]({folder.name}/{path.name})" for path in sorted(folder.glob("*.png"))]
        cards = [
            re.sub("^#", "##", path.read_text(), flags=re.MULTILINE) for path in folder.glob("model_card.md")
        ]
        head = [f"## {title.lstrip('# ')}", decided(claims), apart]
        parts += [*head, *cards, f"### Figures of {folder.name}", *pictures]
    return "\n\n".join(parts) + "\n"


def decided(claims: str) -> str:
    """Return how many claims of a published study hold, by both ways of judging."""
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]] for line in claims.splitlines() if line.startswith("|")
    ]
    counted = {
        way: Counter(row[rows[0].index(way)] for row in rows[2:]) for way in ("on average", "in every case")
    }
    said = [f"| {way} | {c['supported']} | {c['refuted']} | {c['undecided']} |" for way, c in counted.items()]
    return "\n".join(["| claims | supported | refuted | undecided |", "|---|---|---|---|", *said])
