"""The loss surface to hover over and to turn: a contour map, and a 3-D view of it."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from lth.measure.kind.surface import LevelSurface
from lth.measure.surface import Marker, Surface
from lth.report.figure.appearance import appearance
from lth.report.figure.interactive import Interactive, graph_objects, page_of, part_of
from lth.report.figure.loss_shades import Shades, boundary, round_losses, shades_of
from lth.setting.terms import terms

_LAYOUT: Mapping[str, Any] = {
    "template": "plotly_white",
    "height": 620,
    "margin": {"t": 20, "l": 60, "r": 20, "b": 20},
    "legend": {"orientation": "h", "x": 0, "y": -0.14, "yanchor": "top"},  # beneath, where a phone has room
    "font": {"size": 12},
}
# Of matplotlib's markers, in Plotly's words.
_SYMBOLS: Mapping[str, str] = {
    "o": "circle",
    "s": "square",
    "D": "diamond",
    "v": "triangle-down",
    "^": "triangle-up",
    "<": "triangle-left",
    ">": "triangle-right",
    "p": "pentagon",
    "d": "diamond-tall",
    "X": "x",
    "P": "cross",
    "*": "star",
    "h": "hexagon",
}
_SYMBOLS_3D = {"circle", "square", "diamond"}  # in 3-D Plotly draws only crosses beside these, too thin to see


def surface_parts(level_surface: LevelSurface) -> Interactive:
    """Return the surface of `draw_surface`, to hover over and to turn.

    Shades are logarithmic and end where those of the drawn figure end; hovering gives true losses, and for
    solutions their own loss and their distance off the plane. In 3-D, solutions stand at their own loss.
    Equal surfaces give equal parts.
    """
    surface = level_surface.surface
    shades = shades_of(surface.loss[np.isfinite(surface.loss)])
    plane = "{}, {} and {}".format(*_corners(level_surface))
    # Two figures and not one with a switch: that one would show nothing at all without WebGL.
    return Interactive(
        title=f"Training loss on the plane through {plane}",
        map=part_of(_map(level_surface, shades), "loss-map"),
        relief=part_of(_relief(level_surface, shades), "loss-relief"),
    )


def surface_html(level_surface: LevelSurface) -> str:
    """Return the surface as a page that needs no other file and no network."""
    return page_of(surface_parts(level_surface))


def _corners(level_surface: LevelSurface) -> list[str]:
    return [html.escape(place.name) for place in level_surface.corners]


def _map(level_surface: LevelSurface, shades: Shades | None) -> Any:
    first, second, third = _corners(level_surface)
    figure = graph_objects().Figure(
        [*_losses(level_surface, shades), *_markers(level_surface.surface.markers, None)]
    )
    return figure.update_layout(
        **_LAYOUT,
        xaxis={"title": {"text": f"L2 distance along {first} → {second}"}, "constrain": "domain"},
        yaxis={"title": {"text": f"L2 distance orthogonal, toward {third}"}, "scaleanchor": "x"},
        coloraxis=_colour_axis(shades),
    )


def _relief(level_surface: LevelSurface, shades: Shades | None) -> Any:
    first, second, third = _corners(level_surface)
    surface, go = level_surface.surface, graph_objects()
    figure = go.Figure()
    if shades is not None:  # without any finite loss there is nothing to stand on
        # Plotly looks custom data of a surface up by (x, y) but keeps it by (y, x): z itself is the loss.
        relief = go.Surface(
            x=surface.x.tolist(),
            y=surface.y.tolist(),
            z=_clipped(surface.loss, shades),
            surfacecolor=_heights(surface.loss, shades),
            opacity=0.9,
            hovertemplate="x %{x:.4g}, y %{y:.4g}<br>loss " + terms().of_loss("%{z:.4g}") + "<extra></extra>",
            coloraxis="coloraxis",
        )
        figure.add_traces([relief, *_markers(surface.markers, shades)])
    return figure.update_layout(
        **_LAYOUT,
        scene={
            "xaxis": {"title": {"text": f"L2 along {first} → {second}"}},
            "yaxis": {"title": {"text": f"L2 orthogonal, toward {third}"}},
            "camera": {"eye": {"x": 1.9, "y": 1.9, "z": 1.3}},  # further than usual: titles fit
            "zaxis": {"title": {"text": _axis_name(shades)}, "type": "log"},
        },
        coloraxis=_colour_axis(shades),
    )


def _axis_name(shades: Shades | None) -> str:
    beyond = shades is not None and shades.extend != "neither"
    return terms().loss_axis() + (", beyond the scale at its end" if beyond else "")


def _losses(level_surface: LevelSurface, shades: Shades | None) -> list[Any]:
    """Return the shaded map and the boundary of the sublevel set on it."""
    surface, cutoff = level_surface.surface, level_surface.cutoff
    if shades is None:
        return []
    go = graph_objects()
    losses = go.Contour(
        z=_heights(surface.loss, shades),
        ncontours=24,
        line={"width": 0.4},
        showlegend=False,
        **_grid(surface),
    )
    heights, level = boundary(surface.loss, cutoff)
    ends = go.Contour(
        x=surface.x.tolist(),
        y=surface.y.tolist(),
        z=[[float(height) if np.isfinite(height) else None for height in row] for row in heights],
        contours={"start": level, "end": level, "size": 1, "coloring": "none"},
        line={"width": 3, "color": "black"},
        showscale=False,
        hoverinfo="skip",
        name=f"Loss ≤ {terms().of_loss(f'{cutoff:.4g}')}",
        showlegend=True,
    )
    return [losses, ends]


def _grid(surface: Surface) -> dict[str, Any]:
    """Return where the map is, and the true loss on hovering."""
    return {
        "x": surface.x.tolist(),
        "y": surface.y.tolist(),
        "customdata": [[f"{loss:.4g}" for loss in row] for row in surface.loss],
        "hovertemplate": "x %{x:.4g}, y %{y:.4g}<br>loss "
        + terms().of_loss("%{customdata}")
        + "<extra></extra>",
        "coloraxis": "coloraxis",
    }


def _clipped(losses: np.ndarray, shades: Shades) -> list[list[float | None]]:
    """Return the losses within the shades; None where one is not finite."""
    clipped = np.clip(losses, shades.lowest, shades.highest)
    return [
        [float(height) if np.isfinite(loss) else None for height, loss in zip(*row, strict=True)]
        for row in zip(clipped, losses, strict=True)
    ]


def _heights(losses: np.ndarray, shades: Shades) -> list[list[float | None]]:
    """Return log₁₀ of the losses within the shades; None where one is not finite."""
    return [
        [None if height is None else math.log10(height) for height in row] for row in _clipped(losses, shades)
    ]


def _markers(markers: tuple[Marker, ...], shades: Shades | None) -> list[Any]:
    """Return every solution at its foot on the plane; with shades in 3-D, at the height of its own loss."""
    traces, go = [], graph_objects()
    for marker in markers:
        look, name = appearance(marker.place), html.escape(marker.place.name)
        place: dict[str, Any] = {
            "x": [marker.x],
            "y": [marker.y],
            "mode": "markers",
            "name": name,
            "hovertemplate": (
                f"{name}<br>loss {terms().of_loss(f'{marker.loss:.4g}')}<br>"
                f"{marker.distance:.4g} (L2) off the plane<extra></extra>"
            ),
        }
        symbol = _SYMBOLS[look.marker]
        edge = {"width": 1, "color": "white"}
        if shades is None:
            traces.append(
                go.Scatter(
                    **place,
                    marker={"color": look.colour, "symbol": symbol, "size": 11 * look.scale, "line": edge},
                )
            )
            continue
        height = _clipped(np.array([[marker.loss]]), shades)[0]
        symbol = symbol if symbol in _SYMBOLS_3D else "circle"
        traces.append(
            go.Scatter3d(
                **place, z=height, marker={"color": look.colour, "symbol": symbol, "size": 5, "line": edge}
            )
        )
    return traces


def _colour_axis(shades: Shades | None) -> dict[str, Any]:
    if shades is None:
        return {}
    ticks = round_losses(shades)
    return {
        "colorscale": "Blues",
        "cmin": math.log10(shades.lowest),
        "cmax": math.log10(shades.highest),
        "colorbar": {
            "title": {"text": terms().loss_axis(), "side": "right"},
            "tickvals": np.log10(ticks).tolist(),
            "ticktext": [f"{tick:g}" for tick in ticks],
        },
    }
