"""Descriptions of runs, of which MLflow keeps 8,000 characters: what is longer is kept in full beside them."""

from __future__ import annotations

import re

IN_FULL = "description.md"  # the artifact that holds a description that is longer
_MOST = 8000  # characters of a tag, after which MLflow cuts, be it within a word
_REMARK = f"\n\n… in full: `{IN_FULL}`, among the artifacts."


def is_long(markdown: str) -> bool:
    """Say whether a description is longer than MLflow keeps."""
    return len(markdown) > _MOST


def shown(markdown: str) -> str:
    r"""Return a description as the tag holds it: of one that is longer whole lines, less what pads tables.

    Example:
        >>> shown("| a |\n|---|\n| b |")
        '| a |\n|---|\n| b |'
        >>> len(shown("a line of a hundred\n" * 1000)) <= 8000
        True
    """
    if not is_long(markdown):
        return markdown
    lines = [re.sub(r" {2,}", " ", line) if line.startswith("|") else line for line in markdown.splitlines()]
    room = _MOST - len(_REMARK)
    size = sum(len(line) + 1 for line in lines)
    while len(lines) > 1 and size > room:
        size -= len(lines.pop()) + 1
    return "\n".join(lines)[:room].rstrip() + _REMARK


def is_short_of(said: str) -> bool:
    """Say whether a tag holds a description that is longer in full."""
    return said.endswith(_REMARK)
