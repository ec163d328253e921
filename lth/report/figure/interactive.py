"""A figure to hover over and to turn, as HTML that needs no other file and no network.

Plotly is imported where it draws: a machine that only trains and measures does without.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title></head>
<body style="font-family: sans-serif; margin: 1em">
<h1 style="font-size: 1.1em">{title}</h1>
<script>{library}</script>
{map}
<h2 style="font-size: 1em">In 3-D (needs WebGL): drag to turn, hover for the loss</h2>
{relief}
</body>
</html>
"""


@dataclass(frozen=True)
class Interactive:
    """A flat figure and the same in 3-D; each HTML, escaped, for a page that has the library before it."""

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


def library() -> str:
    """Return the script that interactive figures need before them on their page, once."""
    from plotly.offline import get_plotlyjs  # type: ignore[import-untyped]

    return str(get_plotlyjs())


def part_of(figure: Any, name: str) -> str:
    """Return a figure of Plotly's as an element with this id, as wide as it has room for."""
    from plotly.io import to_html  # type: ignore[import-untyped]

    return str(
        to_html(
            figure,
            include_plotlyjs=False,
            full_html=False,
            div_id=name,  # fixed, so that equal figures give equal pages
            config={"responsive": True, "displaylogo": False},
        )
    )


def page_of(interactive: Interactive) -> str:
    """Return a page of its own."""
    return _PAGE.format(
        title=interactive.title, library=library(), map=interactive.map, relief=interactive.relief
    )
