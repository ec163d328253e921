"""What is measured at the points of a study: curvature, radii and lines, each returned as a frozen result."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import wraps
from typing import Concatenate, ParamSpec, Protocol, TypeVar

import numpy as np
import torch
from torch import nn

from lth.data import Examples, TrainingData
from lth.data.examples import sample
from lth.measure.batchnorm import StatisticsEstimator
from lth.measure.curvature.density import SpectralDensity, spectral_density
from lth.measure.curvature.hessian import HessianOperator
from lth.measure.curvature.krylov import KrylovBasis, SymmetricOperator
from lth.measure.curvature.spectrum import MEMORY_BUDGET, Spectrum, basis_capacity, search
from lth.measure.curvature.trace import Trace, deflated_trace
from lth.measure.distance import norm
from lth.measure.interpolation import Interpolation, interpolate
from lth.measure.radius import BasinRadii, basin_radii, random_directions
from lth.network.mask import Mask
from lth.network.prune import num_to_prune, prune_next_larger
from lth.network.space import LevelSpace
from lth.network.weights import Weights
from lth.plan.place import Place, Point
from lth.setting.setting import AnalysisSetting, DirectionNorm, restricted
from lth.solution.solution import Solution
from lth.training.determinism import repeatable
from lth.training.evaluate import Evaluation, Evaluator
from lth.training.threads import threads, threads_for

P = ParamSpec("P")
R = TypeVar("R")
Solutions = Mapping[Place, Solution]


@dataclass(frozen=True)
class MaskedPoint:
    """A point made concrete: its weights, and the mask whose space it is seen in."""

    weights: Weights
    mask: Mask


def masked_point(point: Point, solutions: Solutions, prune_fraction: float) -> MaskedPoint:
    """Return the weights and the mask of a point.

    Args:
        point: Which.
        solutions: At least those that `point.needs`.
        prune_fraction: Of the study, which sizes the band that `next_larger` prunes.
    """
    weights, mask = solutions[point.needs[0]].final, solutions[point.needs[-1]].mask
    if point.form == "next_larger":
        mask = prune_next_larger(weights, mask, num_to_prune(mask, prune_fraction))
    return MaskedPoint(mask.apply(weights), mask)


@dataclass(frozen=True)
class Curvature:
    """The Hessian at a point, in the point's space."""

    spectrum: Spectrum
    trace: Trace
    size: Size


@dataclass(frozen=True)
class CurvatureProgress:
    """A curvature on the way: what it goes on from to the same bits."""

    basis: KrylovBasis
    claimed: np.ndarray | None = None  # (k,): upper bounds that a second start is to confirm (`search`)
    samples: tuple[float, ...] = ()  # of the trace


class CurvatureKeeper(Protocol):
    """Keeps the progress of a curvature, for it to go on from."""

    def find(self, matrix: SymmetricOperator, seed: int, capacity: int) -> CurvatureProgress | None:
        """Return the latest progress that was kept, if it can be gone on from."""

    def is_due(self) -> bool:
        """Say whether to keep the progress now; asked after every product, so it must cost nothing."""

    def keep(self, progress: CurvatureProgress) -> None:
        """Keep the progress, whose basis grows on afterwards."""


@dataclass(frozen=True)
class Size:
    """What the scale of a curvature or a radius is read against: BatchNorm makes a network scale-invariant."""

    weight_norm: float  # ‖w‖ over all parameters
    dimension: int  # of the space


@dataclass(frozen=True)
class Line:
    """Loss and error between two points under both ways of treating BatchNorm statistics on the way."""

    stored: Interpolation  # interpolated like the weights
    anew: Interpolation | None  # estimated anew at each point; None if the network has none


def _repeatably(method: Callable[Concatenate[Surveyor, P], R]) -> Callable[Concatenate[Surveyor, P], R]:
    """Take a measurement on as many threads as the network is worth, and repeatably."""

    @wraps(method)
    def measure(surveyor: Surveyor, /, *args: P.args, **kwargs: P.kwargs) -> R:
        with repeatable(*surveyor.devices), threads(surveyor.threads):
            return method(surveyor, *args, **kwargs)

    return measure


_FIRST_RADIUS, _LAST_RADIUS = 0.05, 1e4  # of the search, in multiples of ‖w‖


class Surveyor:
    """Measures points of one network on one set of examples.

    It keeps what neighbouring measurements share: the examples drawn, and the gradient graphs of the point
    last measured, which a solution has in common with its reverse projection.

    Args:
        network: Gives the structure.
        data: Training and test examples on the device.
        setting: How finely.
        seed: Of the examples drawn, start vectors, probes and directions.
        others: Devices that share the examples of a curvature, besides the one the data is on.
        memory_budget: Bytes that the basis of a curvature may take; see `basis_capacity`.

    Raises:
        ValueError: If more examples are asked for than there are.
    """

    def __init__(
        self,
        network: nn.Module,
        data: TrainingData,
        setting: AnalysisSetting,
        seed: int,
        others: Sequence[torch.device] = (),
        *,
        memory_budget: int = MEMORY_BUDGET,
    ) -> None:
        self._network, self._data, self._setting, self._seed = network, data, setting, seed
        self._others, self._memory_budget = tuple(others), memory_budget
        self._device = data.train.labels.device
        self._chosen = sample(len(data.train), setting.hessian_examples, seed, "hessian_examples")
        self._last: tuple[Weights, HessianOperator] | None = None
        self.devices = (self._device, *self._others)
        self.threads = threads_for(network, data.train)

    @property
    def positions(self) -> list[int]:
        """Positions in the full training split that curvature, radii and surfaces are of."""
        return [int(position) for position in self._data.positions[self._chosen]]

    @property
    def examples(self) -> Examples:
        """The training examples that curvature, radii and surfaces are of."""
        return self._data.train.take(self._chosen)

    @_repeatably
    def curvature(self, located: MaskedPoint, label: str, keeper: CurvatureKeeper | None = None) -> Curvature:
        """Return the leading eigenvalues and the trace of the Hessian in the point's space.

        Args:
            located: The point.
            label: What the progress bars say.
            keeper: Is given the progress when it says so; what it finds is gone on from.
        """
        setting = restricted(self._setting, "spectra")
        weights = located.weights.to(self._device)
        space = LevelSpace(located.mask, weights)
        operator, k = self._operator(weights, space), setting.k
        capacity = basis_capacity(operator, k, self._memory_budget)
        found = keeper.find(operator, self._seed, capacity) if keeper is not None else None
        progress = found or CurvatureProgress(KrylovBasis(operator, self._seed, capacity))

        def keep(reached: CurvatureProgress) -> None:
            nonlocal progress
            progress = reached
            if keeper is not None and keeper.is_due():
                keeper.keep(reached)

        spectrum = search(
            progress.basis,
            k,
            claimed=progress.claimed,
            keep=lambda claimed: keep(replace(progress, claimed=claimed)),
            label=f"eigenvalues at {label}",
        )
        trace = deflated_trace(
            progress.basis,
            setting.trace_probes,
            seed=self._seed,
            samples=progress.samples,
            keep=lambda samples: keep(replace(progress, samples=tuple(samples))),
            label=f"trace at {label}",
        )
        return Curvature(spectrum, trace, Size(norm(weights), space.dimension))

    @_repeatably
    def density(self, located: MaskedPoint, label: str) -> SpectralDensity:
        """Return the density of the Hessian's eigenvalues in the point's space."""
        setting = restricted(self._setting, "density")
        weights = located.weights.to(self._device)
        operator = self._operator(weights, LevelSpace(located.mask, weights))
        return spectral_density(
            operator,
            probes=setting.density_probes,
            steps=min(setting.density_steps, operator.dimension),
            seed=self._seed,
            label=f"spectral density at {label}",
        )

    @_repeatably
    def radii(self, points: Mapping[str, MaskedPoint], direction_norm: DirectionNorm) -> dict[str, BasinRadii]:
        """Measure points of one space under one cutoff, a margin above the worst, along the same draws."""
        setting = restricted(self._setting, "radii")
        evaluate = Evaluator(self._network, self.examples)
        moved = {name: located.weights.to(self._device) for name, located in points.items()}
        losses = {name: evaluate(weights).loss for name, weights in moved.items()}
        cutoff = max(losses.values()) + setting.cutoff_margin
        found = {}
        for name, weights in moved.items():
            space = LevelSpace(points[name].mask, weights)
            # Both kinds of direction are searched from one length on: a filter-normalised one is as long as w.
            scale = norm(weights) if direction_norm == "plain" else 1.0
            found[name] = basin_radii(
                lambda flat, space=space, weights=weights: (
                    evaluate(  # type: ignore[misc]
                        Weights(space.unflatten(flat), weights.buffers)
                    ).loss
                ),
                space.flatten(weights.parameters),
                random_directions(space, weights, setting.directions, direction_norm, seed=self._seed),
                cutoff,
                dimension=space.dimension,
                loss_at_point=losses[name],
                smallest=_FIRST_RADIUS * scale,
                largest=_LAST_RADIUS * scale,
                label=f"radii at {name}",
            )
        return found

    @_repeatably
    def line(
        self,
        start: Weights,
        end: Weights,
        label: str,
        known: Mapping[float, tuple[Evaluation, Evaluation]],
    ) -> Line:
        """Return the line from `start` to `end`.

        Args:
            start: At α = 0.
            end: At α = 1.
            label: What the progress bar says.
            known: Evaluations of the ends that were logged in training, by α.
        """
        setting = restricted(self._setting, "lines")
        train, test = Evaluator(self._network, self._data.train), Evaluator(self._network, self._data.test)
        ends = start.to(self._device), end.to(self._device)
        stored = interpolate(train, test, *ends, setting.points, known=known, label=label)
        estimate = StatisticsEstimator(self._network, self._data.train, seed=self._seed)
        if not estimate.has_effect:
            return Line(stored, None)
        anew = interpolate(train, test, *ends, setting.points, restate=estimate, label=f"{label}, anew")
        return Line(stored, anew)

    def release(self) -> None:
        """Free what is kept for a neighbouring measurement of curvature, which can be gigabytes."""
        self._last = None

    def _operator(self, weights: Weights, space: LevelSpace) -> HessianOperator:
        if self._last is None or not _same(self._last[0], weights):
            self._last = None  # frees the graphs before new ones are made
            self._last = (
                weights,
                HessianOperator(self._network, weights, space, self.examples, others=self._others),
            )
        return self._last[1].in_space(space)


def _same(a: Weights, b: Weights) -> bool:
    pairs = [(a.parameters[name], b.parameters[name]) for name in a.parameters]
    pairs += [(a.buffers[name], b.buffers[name]) for name in a.buffers]
    return all(bool((ours == theirs).all()) for ours, theirs in pairs)
