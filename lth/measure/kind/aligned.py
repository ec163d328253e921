"""The line between two points as they are, and with the units of one permuted to match those of the other.

Two networks that differ by an order of their units compute the same, and lie apart: a barrier between them may
say nothing but that. So the units of the end are matched to those of the start, by weights and by activations,
and the line is measured to where they then lie; each under three treatments of what normalises on the way:
BatchNorm statistics interpolated like the weights, estimated anew, and activations repaired.

What is matched are the weights as the mask has them, zeros included, and the mask goes along: behind it the two
ends keep different weights, and what lies between them is in neither's space.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from lth.brief import brief
from lth.data import Examples
from lth.errors import InputError
from lth.inputs import taken
from lth.measure.interpolation import Interpolation, interpolate
from lth.measure.kind.site import Site
from lth.measure.packed import Packed
from lth.measure.repair import Repair
from lth.measure.surveyor import Surveyor
from lth.network.mask import Mask
from lth.network.symmetry.activations import activation_pairs
from lth.network.symmetry.derive import Traced, traced
from lth.network.symmetry.matching import Matched, match, weight_pairs
from lth.network.symmetry.spec import Permutations
from lth.network.weights import Weights
from lth.plan.jobs import AlignedJob
from lth.setting.setting import AnalysisSetting
from lth.training.batchnorm import StatisticsEstimator
from lth.training.evaluate import Evaluator

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


MATCHINGS: Final = {"identity": "as they are", "weights": "matched by weights", "activations": "by activations"}
TREATMENTS: Final = {"stored": "interpolated", "anew": "estimated anew", "repair": "repaired"}
_BATCH = 32  # examples of a pass that is watched for activations


@dataclass(frozen=True)
class Units:
    """What of a network may be permuted."""

    groups: int
    units: int  # in all groups
    axes: int  # of parameters and buffers that it reads, of more than one entry
    fixed_axes: int  # of these, that can't be permuted, or not all of them
    fixed: tuple[str, ...]  # each, with the reason
    why: str  # nothing could be read of the network; empty if it could

    __repr__ = brief


@dataclass(frozen=True)
class Match:
    """How the units of the end were matched to those of the start."""

    similarity: float  # cosine of what was compared, behind the match
    before: float  # the same before it
    moved: float  # share of units that have another place
    shared: float  # share of the weights that the end's mask keeps, which the start's keeps too
    sweeps: int
    converged: bool


@dataclass(frozen=True)
class Aligned:
    """The line between two points under every matching and treatment."""

    units: Units
    matches: Mapping[str, Match]  # by matching
    lines: Mapping[tuple[str, str], Interpolation]  # by matching and treatment

    __repr__ = brief


def take(job: AlignedJob, site: Site, analysis: AnalysisSetting) -> Mapping[str, DataclassInstance]:
    """Match units, measure the lines, and return them for storing."""
    surveyor = site.surveyor
    start, end = (site.at(point).to(surveyor.device) for point in (job.start, job.end))
    examples = surveyor.examples
    graph, why = _graph(surveyor, examples)
    found: dict[str, DataclassInstance] = {"units": _units(graph, why)}
    lines = _Lines(surveyor, analysis.align_points)
    for matching in MATCHINGS:
        matched = _matched(matching, graph, start.weights, end.weights, examples, surveyor.seed)
        permutations: Permutations = {} if matched is None else matched.permutations
        weights, mask = end.weights, end.mask
        if graph is not None:
            weights = graph.spec.permute(weights, permutations)
            mask = graph.spec.permute_mask(mask, permutations)
        found[f"match_{matching}"] = _match(matched, graph, permutations, start.mask, mask)
        label = f"{job.name}, {MATCHINGS[matching]}"
        for treatment, line in lines.between(start.weights, weights, label):
            found[f"{matching}_{treatment}"] = line
    return found


def _graph(surveyor: Surveyor, examples: Examples) -> tuple[Traced | None, str]:
    few = examples.normalise(taken(examples.images, slice(0, _BATCH)))
    try:
        return traced(surveyor.network, few, _BATCH), ""
    except InputError as error:
        return None, str(error)


def _matched(
    matching: str, graph: Traced | None, start: Weights, end: Weights, examples: Examples, seed: int
) -> Matched | None:
    if graph is None or matching == "identity":
        return None
    if matching == "weights":
        pairs = weight_pairs(graph.spec, start, end)
    else:
        inputs = examples.normalise(examples.images)
        pairs = activation_pairs(graph, start, end, inputs, seed=seed)
    return match(graph.spec, pairs, seed=seed)


def _units(graph: Traced | None, why: str) -> Units:
    if graph is None:
        return Units(0, 0, 0, 0, (), why)
    spec = graph.spec
    fixed = tuple(f"{each.name}.{each.axis} ({each.size}): {each.why}" for each in spec.fixed)
    return Units(
        groups=len(spec.groups),
        units=sum(group.size * group.outer for group in spec.groups.values()),
        axes=len({where for places in spec.where().values() for where in places} | _axes_of(fixed)),
        fixed_axes=len(_axes_of(fixed)),
        fixed=fixed,
        why="",
    )


def _axes_of(fixed: Iterable[str]) -> set[str]:
    return {each.partition(" ")[0] for each in fixed}


def _match(
    matched: Matched | None, graph: Traced | None, permutations: Permutations, ours: Mask, theirs: Mask
) -> Match:
    still = {} if graph is None else graph.spec.identity()
    moved = [float((order != still[name]).sum()) for name, order in permutations.items()]
    total = sum(order.numel() for order in still.values())
    both = int((ours.flat() & theirs.flat()).sum())
    return Match(
        similarity=1.0 if matched is None else matched.similarity,
        before=1.0 if matched is None else matched.before,
        moved=sum(moved) / total if total else 0.0,
        shared=both / theirs.num_kept if theirs.num_kept else 1.0,
        sweeps=0 if matched is None else matched.sweeps,
        converged=matched is None or matched.converged,
    )


class _Lines:
    """Measures lines under every treatment."""

    def __init__(self, surveyor: Surveyor, points: int) -> None:
        network, data = surveyor.network, surveyor.data
        self._points = points
        self._estimate = StatisticsEstimator(network, data.train, seed=surveyor.seed)
        self._repair = Repair(network, data.train, seed=surveyor.seed)
        self._plain, self._repaired = (
            [Evaluator(each, examples, objective=surveyor.objective) for examples in (data.train, data.test)]
            for each in (network, self._repair.network)
        )

    def between(self, start: Weights, end: Weights, label: str) -> Iterable[tuple[str, Interpolation]]:
        """Yield the line under each treatment that the network has."""
        (train, test), points = self._plain, self._points
        yield "stored", interpolate(train, test, start, end, points, label=label)
        if self._estimate.has_effect:
            named = f"{label}, anew"
            yield "anew", interpolate(train, test, start, end, points, restate=self._estimate, label=named)
        if self._repair.layers:
            (train, test), named = self._repaired, f"{label}, repaired"
            start, end = self._repair.end(start), self._repair.end(end)
            yield "repair", interpolate(train, test, start, end, points, restate=self._repair, label=named)


def read(stored: Packed, _job: AlignedJob) -> Aligned:
    """Return what `take` stored."""
    names = stored.names
    return Aligned(
        stored.read(Units, "units"),
        {matching: stored.read(Match, f"match_{matching}") for matching in MATCHINGS},
        {
            (matching, treatment): stored.read(Interpolation, f"{matching}_{treatment}")
            for matching in MATCHINGS
            for treatment in TREATMENTS
            if f"{matching}_{treatment}" in names
        },
    )


def numbers(found: Aligned, _job: AlignedJob) -> dict[str, float]:
    """Return what is read off it, by metric name; without barriers where a loss is not finite."""
    metrics: dict[str, float] = {
        "alignment/groups": found.units.groups,
        "alignment/units": found.units.units,
    }
    for matching in ("weights", "activations"):
        match_ = found.matches[matching]
        metrics[f"alignment/similarity_{matching}"] = match_.similarity
        metrics[f"alignment/similarity_{matching}_before"] = match_.before
        metrics[f"alignment/moved_{matching}"] = match_.moved
        metrics[f"alignment/mask_shared_{matching}"] = match_.shared
    for (matching, treatment), path in found.lines.items():
        name = f"aligned_{matching}_{treatment}"
        metrics[f"solver/line_points_not_finite_{name}"] = path.num_not_finite
        if path.is_finite:
            metrics[f"landscape/barrier_loss_{name}"] = path.barrier_loss
            metrics[f"landscape/barrier_error_{name}"] = path.barrier_error
    return metrics
