"""A figure to hover over and to turn, as HTML that needs no other file and no network.

Plotly is imported where it draws: a machine that only trains and measures does without.
"""

from __future__ import annotations

import base64
import gzip
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.util import find_spec
from typing import Any

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title></head>
<body style="font-family: sans-serif; margin: 1em">
<h1 style="font-size: 1.1em">{title}</h1>
{map}
<h2 style="font-size: 1em">In 3-D (needs WebGL): drag to turn, hover for the loss</h2>
{relief}
{library}
</body>
</html>
"""


@dataclass(frozen=True)
class Interactive:
    """A flat figure and the same in 3-D; each HTML, escaped, for a page that has the library after it."""

    title: str
    map: str
    relief: str


def has_plotly() -> bool:
    """Return whether such figures can be drawn here."""
    return find_spec("plotly") is not None


def graph_objects() -> Any:
    """Return Plotly's module of what figures are made of."""
    import plotly.graph_objects as go  # type: ignore[import-untyped]

    return go


@cache
def library() -> str:
    """Return the elements that draw the interactive figures before them on their page, once.

    Plotly's library is nearly all of them: packed it takes 2 MB instead of 5.
    """
    from plotly.offline import get_plotlyjs  # type: ignore[import-untyped]

    # Without the time, so that equal figures give equal pages.
    packed = base64.b64encode(gzip.compress(get_plotlyjs().encode(), mtime=0)).decode()
    draw = (files("lth.report") / "templates" / "figures.js").read_text(encoding="utf-8")
    return f'<script id="plotly-packed" type="text/plain">{packed}</script>\n<script>{draw}</script>'


def part_of(figure: Any, name: str) -> str:
    """Return a figure of Plotly's as an element with this id, as wide as it has room for."""
    written = figure.to_json().replace("<", "\\u003c").replace(">", "\\u003e")
    return (
        f'<div id="{name}" style="min-height: {figure.layout.height}px"></div>'
        f'<script type="application/json" data-figure="{name}">{written}</script>'
    )


def page_of(interactive: Interactive) -> str:
    """Return a page of its own."""
    return _PAGE.format(
        title=interactive.title, library=library(), map=interactive.map, relief=interactive.relief
    )
