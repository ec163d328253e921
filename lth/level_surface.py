"""The loss surface at one level: which plane, which solutions on it, and which sublevel set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import nn

from lth.data import TrainingData
from lth.data.examples import draw
from lth.evaluate import Evaluator
from lth.measure.surface import Surface, loss_surface, plane_through
from lth.setting import AnalysisSetting
from lth.solution import Solution, solution_name


@dataclass(frozen=True)
class LevelSurface:
    """A surface with the names of the solutions that span its plane."""

    surface: Surface
    corners: tuple[str, str, str]
    cutoff: float  # loss of the worst IMP solution drawn: its sublevel set holds all of them


def survey_level(
    network: nn.Module,
    level: int,
    solutions: Mapping[str, Solution],
    data: TrainingData,
    setting: AnalysisSetting,
    *,
    seed: int,
) -> LevelSurface:
    """Draw all `solutions` over the plane through w(0), w(L) and the level halfway between.

    At level 1, which has nothing between, the third corner is the projection m(1) ⊙ w(0).

    Raises:
        ValueError: If w(0), w(L) or the level between is not among `solutions`.
    """
    device = data.train.labels.device
    examples = data.train.take(draw(len(data.train), setting.hessian_examples, seed, "hessian_examples"))
    evaluate = Evaluator(network, examples)
    points = {name: solution.final.to(device) for name, solution in solutions.items()}
    first, last = solution_name("imp", 0), solution_name("imp", level)
    middle = solution_name("imp", level // 2)
    missing = [name for name in (first, middle, last) if name not in points]
    if missing:
        raise ValueError(f"the plane of level {level} needs {', '.join(missing)}, which is not given")
    if level == 1:
        middle = "m(1)⊙w(0)"
        points[middle] = solutions[last].mask.apply(points[first])
    surface = loss_surface(
        lambda weights: evaluate(weights).loss,
        plane_through(points[first], points[last], points[middle]),
        points,
        setting.grid,
        label=f"surface at level {level}",
    )
    imp = {name for name, solution in solutions.items() if solution.kind == "imp"}
    cutoff = max(marker.loss for marker in surface.markers if marker.name in imp)
    return LevelSurface(surface, (first, last, middle), cutoff)
