"""A figure as files: a picture for screens, and what journals print, at the size it was drawn at."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

_DOTS_PER_INCH = 220  # of the picture: 1584 across two columns
# Fonts that journals take (TrueType, not Type 3), and ids in an SVG that are the same whenever it is drawn.
_PRINT: Any = {"pdf.fonttype": 42, "svg.fonttype": "path", "svg.hashsalt": "lth"}
_UNDATED: Mapping[str, Mapping[str, None]] = {
    "png": {"Software": None},
    "pdf": {"CreationDate": None},
    "svg": {"Date": None},
}
FORMATS = tuple(_UNDATED)


def saved(figure: Figure, path: str) -> dict[str, bytes]:
    """Return a figure as PNG, PDF and SVG, by `path` and their extension; equal figures give equal bytes."""
    files = {}
    for form in FORMATS:
        files[f"{path}.{form}"] = _saved(figure, form)
        figure.set_layout_engine("none")  # what the first settled holds for all
    return files


def _saved(figure: Figure, form: str) -> bytes:
    content = io.BytesIO()
    with rc_context(_PRINT):
        figure.savefig(content, format=form, dpi=_DOTS_PER_INCH, metadata=dict(_UNDATED[form]))
    return content.getvalue()
