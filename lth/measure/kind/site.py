"""What every kind of measurement is taken of: the solutions of a study, and the surveyor that measures them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

from lth.errors import InputError
from lth.measure.kept_path import KeptPath
from lth.measure.kind.curvature_progress import CurvatureKeeper
from lth.measure.surveyor import MaskedPoint, Surveyor, masked_point
from lth.network.weights import Weights
from lth.plan.place import Place, Point
from lth.setting.setting import Setting
from lth.solution.recipe import first_step
from lth.solution.solution import Solution


@dataclass(frozen=True)
class Site:
    """A study's solutions, and all that a measurement of them needs besides its own parameters."""

    load: Callable[[Place], Solution]
    surveyor: Surveyor
    setting: Setting  # of which it holds what decides this kind, and no more
    keeper: CurvatureKeeper | None = None  # of the progress of a measurement that can go on
    trajectory: Callable[[Place], Mapping[int, Weights]] | None = None  # instead of that of the solutions
    keep_file: Callable[[str, bytes], None] | None = None  # keeps an artifact by its path; None: there are none
    vectors: Callable[[Point], Tensor] | None = None  # the eigenvectors that were kept at a point, (k, n)

    def at(self, point: Point) -> MaskedPoint:
        """Return the weights and the mask of a point."""
        return masked_point(point, {place: self.load(place) for place in point.needs}, self.setting.pruning)

    def path(self, place: Place) -> KeptPath:
        """Return the training of a solution, from the weights that it started from to those that it ended in.

        Raises:
            ValueError: If it kept no weights on its way.
        """
        solution = self.load(place)
        kept = solution.trajectory if self.trajectory is None else self.trajectory(place)
        if not kept:
            raise InputError(
                f"{place.name} kept no weights on the way of its training, which is to be followed; train with "
                "trajectory=log or every"
            )
        of_epoch = math.ceil(len(self.surveyor.data.train) / solution.setting.training.batch_size)
        first = min(first_step(solution) / of_epoch, solution.history[0].epoch)
        ends = {first: solution.initial, float(solution.history[-1].epoch): solution.final}
        epochs = sorted({*ends, *map(float, kept)})
        return KeptPath(epochs, lambda epoch: ends[epoch] if epoch in ends else kept[int(epoch)])
