"""The name and look of the points a level is analysed at, by the suffixes of `lth.analysis`.

The colours are Paul Tol's high-contrast set, apart from those of baselines and levels.
"""

from __future__ import annotations

from collections.abc import Mapping

from lth.evidence.analysis import PREVIOUS, PROJECTED, REVERSE, SOLUTION
from lth.report.figure.appearance import Appearance

POINTS: Mapping[str, Appearance] = {
    SOLUTION: Appearance("#004488", "o"),
    PROJECTED: Appearance("#BB5566", "s"),
    REVERSE: Appearance("#DDAA33", "D"),
    PREVIOUS: Appearance("#000000", "v"),
}


def point_name(suffix: str, level: int | None = None) -> str:
    """Return the point and the space it is seen in; of level L in general if none is given."""
    here = "L" if level is None else str(level)
    before = "L-1" if level is None else str(level - 1)
    return {
        SOLUTION: f"w({here})",
        PROJECTED: f"m({here}) ⊙ w({before})",
        REVERSE: f"w({here}) in level-{before} space" if level is not None else "w(L) in level-(L-1) space",
        PREVIOUS: f"w({before})",
    }[suffix]
