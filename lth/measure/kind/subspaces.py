"""What the leading eigenvectors at a level span: beside those it is compared with, masks, and the way between.

Every number is a share between 0 and 1, and is read against what it would be of a random span.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from lth.brief import brief
from lth.errors import InputError
from lth.measure.curvature.subspace import (
    nested_overlaps,
    nested_shares,
    participation_ratio,
    shares_by_parameter,
)
from lth.measure.kind.site import Site
from lth.measure.packed import Packed
from lth.network.space import LevelSpace
from lth.plan.jobs import SubspaceJob
from lth.plan.place import Place, Point
from lth.setting.setting import AnalysisSetting

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


@dataclass(frozen=True)
class Localised:
    """Over how much of the network each of the k eigenvectors at w(L) is spread, in level-L space."""

    participation: np.ndarray  # (k,): 1 / Σ vᵢ⁴, from 1 to the dimension; of a random vector a third of that
    shares: np.ndarray  # (parameters, k): of the squared norm of each, in each parameter
    parameters: tuple[str, ...]  # their names, of those that move
    sizes: np.ndarray  # (parameters,): coordinates that each has in the space
    dimension: int  # of the space

    __repr__ = brief


@dataclass(frozen=True)
class Compared:
    """The leading eigenvectors at a level beside those of the level before, the first j of each, j = 1 … k."""

    levels: np.ndarray  # (k,): overlap of those at w(L-1) and those at w(L), each in its own level's space
    spaces: np.ndarray  # of those at w(L) in level-L space and in level L-1 space
    retrained: np.ndarray  # of those at w(L-1) and those at w(L), both in level L-1 space
    projected: np.ndarray  # of those at m(L) ⊙ w(L-1) and those at w(L), both in level-L space
    kept: np.ndarray  # (k,): share of each of those at w(L-1) that lies in the coordinates which m(L) keeps
    moved_before: np.ndarray  # (k,): share of w(L) - w(L-1) in the first j at w(L-1), level L-1 space
    moved_after: np.ndarray  # the same of those at w(L), level L-1 space
    moved_within: np.ndarray  # (k,): share of w(L) - m(L) ⊙ w(L-1) in the first j at w(L), level-L space
    dimension: int  # of level-L space
    dimension_before: int  # of level L-1 space

    __repr__ = brief


@dataclass(frozen=True)
class Subspaces:
    """What the leading eigenvectors at a level say."""

    localised: Localised
    compared: Compared | None  # None at level 0


def take(job: SubspaceJob, site: Site, _analysis: AnalysisSetting) -> Mapping[str, DataclassInstance]:
    """Measure the spans of a level's eigenvectors, and return it for storing.

    Raises:
        ValueError: If no eigenvectors are at hand.
    """
    if site.vectors is None:
        raise InputError("no eigenvectors are at hand; keep them with vectors=on")
    here, own = site.at(job.point), site.vectors(job.point)
    found: dict[str, DataclassInstance] = {"localised": _localised(here.space, own)}
    if job.point.place.level > 0:
        found["compared"] = _compared(job, site, own)
    return found


def _localised(space: LevelSpace, vectors: Tensor) -> Localised:
    shares = shares_by_parameter(space, vectors)
    free = space.unflatten(space.project(vectors.new_ones(space.full_dimension)))
    return Localised(
        participation=participation_ratio(vectors),
        shares=np.stack([shares[name] for name in space.moving]),
        parameters=tuple(space.moving),
        sizes=np.array([int(free[name].sum(dtype=vectors.double().dtype)) for name in space.moving]),
        dimension=space.dimension,
    )


def _compared(job: SubspaceJob, site: Site, own: Tensor) -> Compared:
    """Return what is said of the level and the one before; at most three sets of vectors are in memory."""
    assert site.vectors is not None
    level = job.point.place.level
    here, before = site.at(job.point), site.at(Point.at(Place.imp(level - 1)))
    space, wide = here.space, before.space
    # All of one space are among the coordinates of the other: in these, its vectors are its own.
    kept = wide.restrict(space.embed(own.new_ones(space.dimension))) > 0
    projection = site.at(Point.projection(level)).weights.parameters
    ended, began = here.weights.parameters, before.weights.parameters
    moved = wide.restrict(ended).double() - wide.restrict(began).double()
    within = space.restrict(ended).double() - space.restrict(projection).double()
    projected = nested_overlaps(site.vectors(Point.projection(level)), own)
    reverse = site.vectors(Point.reverse(level))
    spaces, moved_after = nested_overlaps(reverse[:, kept], own), _share_of(moved, reverse)
    earlier = site.vectors(Point.at(Place.imp(level - 1)))
    inside = earlier[:, kept]
    return Compared(
        levels=nested_overlaps(inside, own),
        spaces=spaces,
        retrained=nested_overlaps(earlier, reverse),
        projected=projected,
        kept=np.array([float(vector.double().square().sum()) for vector in inside]),
        moved_before=_share_of(moved, earlier),
        moved_after=moved_after,
        moved_within=_share_of(within, own),
        dimension=space.dimension,
        dimension_before=wide.dimension,
    )


def _share_of(displacement: Tensor, vectors: Tensor) -> np.ndarray:
    """Return how much of a displacement lies in the first j vectors; NaN of one that is zero."""
    return nested_shares(vectors, displacement) if bool(displacement.any()) else np.full(len(vectors), np.nan)


def read(stored: Packed, _job: SubspaceJob) -> Subspaces:
    """Return what `take` stored."""
    compared = stored.read(Compared, "compared") if "compared" in stored.names else None
    return Subspaces(stored.read(Localised, "localised"), compared)


def numbers(found: Subspaces, _job: SubspaceJob) -> dict[str, float]:
    """Return what is read off it, by metric name: of all k eigenvectors, each beside what chance gives."""
    localised, compared = found.localised, found.compared
    k = len(localised.participation)
    metrics = {"subspace/participation": float(localised.participation.mean()) / localised.dimension}
    if compared is None:
        return metrics
    last = ("levels", "spaces", "retrained", "projected", "moved_before", "moved_after", "moved_within")
    return {
        **metrics,
        **{f"subspace/{name}": float(getattr(compared, name)[-1]) for name in last},
        "subspace/kept": float(compared.kept.mean()),
        "subspace/kept_by_chance": compared.dimension / compared.dimension_before,
        "subspace/chance": k / compared.dimension,
        "subspace/chance_before": k / compared.dimension_before,
    }
