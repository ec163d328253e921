"""What every kind of measurement is taken of: the solutions of a study, and the surveyor that measures them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lth.measure.kind.curvature_progress import CurvatureKeeper
from lth.measure.surveyor import MaskedPoint, Surveyor, masked_point
from lth.plan.place import Place, Point
from lth.setting.setting import Setting
from lth.solution.solution import Solution


@dataclass(frozen=True)
class Site:
    """A study's solutions, and all that a measurement of them needs besides its own parameters."""

    load: Callable[[Place], Solution]
    surveyor: Surveyor
    setting: Setting  # of which it holds what decides this kind, and no more
    keeper: CurvatureKeeper | None = None  # of the progress of a measurement that can go on

    def at(self, point: Point) -> MaskedPoint:
        """Return the weights and the mask of a point."""
        return masked_point(point, {place: self.load(place) for place in point.needs}, self.setting.pruning)
