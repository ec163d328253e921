"""How far the functions of a study's solutions are from each other, their layers, and their masks and signs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import TYPE_CHECKING

import numpy as np
import torch

from lth.brief import brief
from lth.measure.function_space import Functions, compare_functions
from lth.measure.kind.site import Site
from lth.measure.mask_overlap import chance_of_iou, intersection_over_union, sign_agreement
from lth.measure.packed import Packed
from lth.plan.jobs import FunctionJob
from lth.plan.place import Place
from lth.setting.setting import AnalysisSetting
from lth.solution.solution import Solution

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

ALL_LAYERS = "all"  # of masks and signs: those of the whole network


@dataclass(frozen=True)
class Masks:
    """How alike masks are, and the signs of weights that two solutions keep, layer by layer."""

    names: tuple[str, ...]  # of the solutions, (n,)
    parts: tuple[str, ...]  # names of the prunable weights, and `all`
    iou: np.ndarray  # (parts, n, n): weights that both keep, of those that one keeps
    iou_by_chance: np.ndarray  # of random masks of the same densities
    signs: np.ndarray  # (parts, n, n): share of one sign, of the weights that both keep
    signs_by_chance: np.ndarray

    __repr__ = brief


@dataclass(frozen=True)
class StudyFunctions:
    """What the solutions of a study compute, beside each other."""

    places: tuple[Place, ...]  # (n,)
    functions: Functions
    masks: Masks

    __repr__ = brief

    @property
    def is_of_classes(self) -> bool:
        """Whether solutions classify, so that they can disagree."""
        return not bool(np.isnan(self.functions.disagreement).all())

    @property
    def has_kl(self) -> bool:
        """Whether outputs are logits."""
        return not bool(np.isnan(self.functions.kl).all())

    def between(self, matrix: np.ndarray, first: Place, second: Place) -> np.ndarray:
        """Return the entry of two solutions in a matrix, or in each of several, (…,)."""
        found: np.ndarray = matrix[..., self.places.index(first), self.places.index(second)]
        return found


def take(job: FunctionJob, site: Site, _analysis: AnalysisSetting) -> Mapping[str, DataclassInstance]:
    """Compare the job's solutions on the test examples, and return it for storing."""
    solutions = [site.load(place) for place in job.places]
    surveyor = site.surveyor
    functions = compare_functions(
        surveyor.network,
        [solution.final for solution in solutions],
        surveyor.data.test,
        objective=surveyor.objective,
        seed=surveyor.seed,
        label=job.name,
    )
    return {"functions": functions, "masks": _masks(job, solutions)}


def _masks(job: FunctionJob, solutions: list[Solution]) -> Masks:
    parts = (*solutions[0].mask.keep, ALL_LAYERS)
    found = np.full((4, len(parts), len(solutions), len(solutions)), np.nan)
    for index, part in enumerate(parts):
        kept = [_mask_of(solution, part) for solution in solutions]
        weights = [_weights_of(solution, part) for solution in solutions]
        densities = [float(mask.double().mean()) for mask in kept]
        for row, column in [*combinations(range(len(kept)), 2), *((same, same) for same in range(len(kept)))]:
            both = kept[row] & kept[column]
            numbers = (
                intersection_over_union(kept[row], kept[column]),
                chance_of_iou(densities[row], densities[column]),
                *sign_agreement(weights[row][both], weights[column][both]),
            )
            found[:, index, row, column] = found[:, index, column, row] = numbers
    return Masks(tuple(place.name for place in job.places), parts, *found)


def _mask_of(solution: Solution, part: str) -> torch.Tensor:
    return solution.mask.flat() if part == ALL_LAYERS else solution.mask.keep[part].reshape(-1)


def _weights_of(solution: Solution, part: str) -> torch.Tensor:
    names = solution.mask.keep if part == ALL_LAYERS else [part]
    return torch.cat([solution.final.parameters[name].reshape(-1) for name in names])


def read(stored: Packed, job: FunctionJob) -> StudyFunctions:
    """Return what `take` stored.

    Raises:
        PackedResultError: If it is not of the job's solutions.
    """
    masks = stored.read(Masks, "masks")
    places = stored.keyed(masks.names, {place.name: place for place in job.places})
    return StudyFunctions(places, stored.read(Functions, "functions"), masks)


def numbers(found: StudyFunctions, _job: FunctionJob) -> dict[str, float]:
    """Return the means over successive levels, by metric name; of what does not exist nothing."""
    levels = [place for place in found.places if place.kind == "imp"]
    steps = list(pairwise(sorted(levels, key=lambda place: place.level)))
    if not steps:
        return {}
    functions = found.functions
    means = {
        "landscape/disagreement_of_levels": functions.disagreement,
        "landscape/kl_of_levels": functions.kl,
        "landscape/output_distance_of_levels": functions.rms,
        "landscape/cka_of_levels": functions.cka,
        "landscape/sign_agreement_of_levels": found.masks.signs[-1],
    }
    over = {name: np.array([found.between(matrix, *step) for step in steps]) for name, matrix in means.items()}
    return {name: float(np.nanmean(values)) for name, values in over.items() if not np.isnan(values).all()}
