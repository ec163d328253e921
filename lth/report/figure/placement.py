"""Places for round labels near their anchors, so that no label covers another label or an anchor."""

from __future__ import annotations

import numpy as np

_ANGLES = np.deg2rad(np.arange(45, 405, 15))  # up and to the right first


def place_labels(anchors: np.ndarray, *, radius: float, gap: float) -> np.ndarray:
    """Return each label's offset from its anchor, found greedily in the order given.

    A label tries circles of growing size around its anchor and takes the first free place. Deterministic.

    Args:
        anchors: (n, 2), in any unit of length.
        radius: Of a label, in that unit.
        gap: Between a label and what it must not cover.

    Returns:
        Offsets, (n, 2): labels are at least `2 radius + gap` apart and `radius + gap` from every anchor.
    """
    placed = np.empty((0, 2))
    for anchor in anchors:
        place = _first_free(anchor, anchors, placed, radius, gap)
        placed = np.vstack([placed, place])
    offsets: np.ndarray = placed - anchors
    return offsets


def _first_free(
    anchor: np.ndarray, anchors: np.ndarray, placed: np.ndarray, radius: float, gap: float
) -> np.ndarray:
    circle = np.column_stack([np.cos(_ANGLES), np.sin(_ANGLES)])
    distance = radius + gap
    while True:
        distance += radius / 2
        places: np.ndarray = anchor + distance * circle
        for place in places:
            clear = (np.linalg.norm(anchors - place, axis=1) >= radius + gap).all()
            if clear and (np.linalg.norm(placed - place, axis=1) >= 2 * radius + gap).all():
                return np.asarray(place)
