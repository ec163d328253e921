"""A figure as files: a picture for screens, and what journals print, at the size it was drawn at."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure
from PIL import Image

_DOTS_PER_INCH = 220  # of the picture: 1584 across two columns
_COLOURS = 256  # of the picture: a byte a pixel, which makes a third of the file
# Fonts that journals take (TrueType, not Type 3), and ids in an SVG that are the same whenever it is drawn.
_PRINT: Any = {
    "pdf.fonttype": 42,
    "svg.fonttype": "path",
    "svg.hashsalt": "lth",
    "figure.autolayout": False,
    "figure.constrained_layout.use": False,
}
_UNDATED: Mapping[str, Mapping[str, None]] = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}


def saved(figure: Figure, path: str) -> dict[str, bytes]:
    """Return a figure as PNG, PDF and SVG, by `path` and their extension; equal figures give equal bytes.

    The figure is laid out once, for the picture, and keeps that layout.
    """
    with rc_context(_PRINT):
        files = {f"{path}.png": _picture(figure)}
        # With an engine each format would draw everything twice, to lay it out as it is already.
        figure.set_layout_engine(None)
        for form, undated in _UNDATED.items():
            files[f"{path}.{form}"] = _drawn(figure, form, metadata=dict(undated))
    return files


def _drawn(figure: Figure, form: str, **how: Any) -> bytes:
    content = io.BytesIO()
    figure.savefig(content, format=form, dpi=_DOTS_PER_INCH, **how)
    return content.getvalue()


def _picture(figure: Figure) -> bytes:
    """Return a figure as PNG of a palette."""
    whole = _drawn(figure, "png", pil_kwargs={"compress_level": 0})  # it is packed once, below
    drawn, content = Image.open(io.BytesIO(whole)).convert("RGB"), io.BytesIO()
    picture = drawn.quantize(_COLOURS, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    picture.save(content, format="png", dpi=(_DOTS_PER_INCH, _DOTS_PER_INCH))
    return content.getvalue()
