"""The share of its weights that each layer keeps, as metrics of a solution: `mask/<layer>`."""

from __future__ import annotations

import re
from collections.abc import Mapping

from lth.network.mask import Mask

MASK = "mask/"
_REFUSED = re.compile(r"[^\w.\- ]")  # in a metric's name, by MLflow; a slash would make a folder
_LONGEST = 200  # characters


def layer_metrics(mask: Mask) -> dict[str, float]:
    """Return the share of prunable weights that a mask keeps, by metric name of the layer, in their order."""
    shares = {name: float(kept.float().mean()) for name, kept in mask.keep.items()}
    return {f"{MASK}{layer_name(name)}": share for name, share in shares.items()}


def layer_sizes(mask: Mask) -> dict[str, int]:
    """Return how many prunable weights each layer has, by its name."""
    return {layer_name(name): kept.numel() for name, kept in mask.keep.items()}


def layers_in(metrics: Mapping[str, float]) -> dict[str, float]:
    """Return what the metrics of a run say of each layer, by its name; nothing where they say nothing."""
    return {name.removeprefix(MASK): value for name, value in metrics.items() if name.startswith(MASK)}


def layer_name(parameter: str) -> str:
    """Return what a layer is called by the name of its weight.

    Example:
        >>> layer_name("stages.0.conv1.weight"), layer_name("a+b.weight")
        ('stages.0.conv1', 'a_b')
    """
    return _REFUSED.sub("_", parameter.removesuffix(".weight"))[:_LONGEST]
