"""How many of its weights each layer keeps, over the levels and at the baselines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from lth.errors import InputError
from lth.evidence.table import Cell, Table
from lth.plan.place import Place
from lth.report.figure.style import SMALL_TEXT_SIZE, TEXT_SIZE, new_figure

_CELL_WIDTH, _CELL_HEIGHT = 0.46, 0.27  # inches
_DARK_BELOW = 0.45  # of the colour scale, where text on it is white
_FLOOR = 1e-4  # a share that the colours still tell from none


@dataclass(frozen=True)
class LayerShares:
    """What share of its prunable weights each layer keeps at each solution."""

    layers: tuple[str, ...]  # (l,), in the network's order
    sizes: tuple[int, ...]  # (l,), prunable weights
    places: tuple[Place, ...]  # (p,)
    shares: np.ndarray  # (l, p), in [0, 1]; NaN where it is not known

    def table(self) -> Table:
        """Return a row a layer and solution."""
        rows: list[tuple[Cell, ...]] = [
            (layer, size, place.name, place.kind, place.level, None if np.isnan(share) else float(share))
            for layer, size, shares in zip(self.layers, self.sizes, self.shares, strict=True)
            for place, share in zip(self.places, shares, strict=True)
        ]
        return Table(("layer", "prunable_weights", "solution", "kind", "level", "density"), tuple(rows))


def layer_shares(sizes: Mapping[str, int], found: Mapping[Place, Mapping[str, float]]) -> LayerShares:
    """Return the shares of solutions, each by layer, as one matrix.

    Args:
        sizes: Prunable weights of each layer, in the network's order.
        found: Solutions in the order of the columns; of one, layers may be missing.
    """
    shares = [[of.get(layer, np.nan) for of in found.values()] for layer in sizes]
    return LayerShares(tuple(sizes), tuple(sizes.values()), tuple(found), np.array(shares, dtype=float))


def draw_mask(found: LayerShares) -> Figure:
    """Draw a matrix of layers and solutions, in each cell the share of the layer's weights that is kept, in %.

    Raises:
        ValueError: If there is no solution.
    """
    if not found.places:
        raise InputError("there is no mask to draw; finish at least one level")
    rows, columns = found.shares.shape
    figure = new_figure(_CELL_WIDTH * columns + 3.6, _CELL_HEIGHT * rows + 2.2)
    axes = figure.add_subplot()
    known = found.shares[np.isfinite(found.shares) & (found.shares > 0)]
    norm = LogNorm(max(float(known.min()), _FLOOR) if len(known) else _FLOOR, 1.0)
    if norm.vmin == norm.vmax:
        norm = LogNorm(_FLOOR, 1.0)
    shown = np.clip(found.shares, norm.vmin, 1.0)
    axes.imshow(shown, cmap="viridis", norm=norm, aspect="auto")
    for (row, column), share in np.ndenumerate(found.shares):
        text = "?" if np.isnan(share) else f"{100 * share:.3g}"
        dark = np.isfinite(share) and float(norm(shown[row, column])) < _DARK_BELOW
        axes.text(column, row, text, ha="center", va="center", fontsize=7, color="white" if dark else "black")
    axes.set_xticks(
        range(columns), _column_names(found.places), rotation=60, ha="right", rotation_mode="anchor"
    )
    axes.set_yticks(
        range(rows), [f"{layer}  ({size:,})" for layer, size in zip(found.layers, found.sizes, strict=True)]
    )
    axes.tick_params(labelsize=SMALL_TEXT_SIZE)
    axes.set_title("Weights kept in each layer (%)", fontsize=TEXT_SIZE + 1)
    axes.set_ylabel("layer (prunable weights)", fontsize=TEXT_SIZE)
    last_level = sum(place.kind == "imp" for place in found.places)
    if 0 < last_level < columns:
        axes.axvline(last_level - 0.5, color="white", linewidth=3)
    return figure


def _column_names(places: Sequence[Place]) -> list[str]:
    """Return short names: of the baselines at the last level that has some, the kind alone."""
    last = max((place.level for place in places if place.kind != "imp"), default=None)
    return [place.kind if place.kind != "imp" and place.level == last else place.name for place in places]
