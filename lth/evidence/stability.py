"""From which step on a training is stable: whether copies of it under other SGD noise end without a barrier.

    barrier = max over the line of E - mean of E at its two ends

A seed's barrier is the mean over the lines between its copies. A step is stable where the barrier of the error
lies below a margin, 2 % in the source. The smallest stable step is the first candidate from which on all are.

    estimate        all from it on have a mean over seeds below the margin
    low             all from it on may have one: none is shown to lie above, at 95 %
    high            all from it on are shown to lie below, at 95 %

Source: Frankle et al. 2020, arXiv 1912.05671, sections 2 and 3, whose margin and barrier these are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from lth.evidence.certainty import Estimate, estimate_mean
from lth.evidence.table import Cell, Table
from lth.measure.interpolation import Interpolation, barrier_over_mean
from lth.measure.kind.line import Line

Treatment = Literal["interpolated", "anew"]  # how BatchNorm statistics come about on a line
Verdict = Literal["stable", "unstable", "not decided"]


@dataclass(frozen=True)
class Pair:
    """A line between two copies of one state."""

    seed: int
    level: int
    density: float
    step: int
    copies: tuple[int, int]  # by their numbers
    line: Line

    def path(self, treatment: Treatment) -> Interpolation:
        """Return the line under one way of treating BatchNorm statistics; the same if the network has none."""
        return self.line.anew if treatment == "anew" and self.line.anew is not None else self.line.stored

    def error_barrier(self, treatment: Treatment) -> float | None:
        """Return the barrier of the test error; None where a loss on the line is not finite."""
        path = self.path(treatment)
        return barrier_over_mean(path.test_error) if path.is_finite else None

    def loss_barrier(self, treatment: Treatment) -> float | None:
        """Return the barrier of the training loss; None where a loss on the line is not finite."""
        path = self.path(treatment)
        return barrier_over_mean(path.train_loss) if path.is_finite else None

    @property
    def end_error(self) -> float:
        """The mean test error of the two copies."""
        return float(np.mean(self.line.stored.test_error[[0, -1]]))


@dataclass(frozen=True)
class Smallest:
    """The smallest stable step under a level's mask, in iterations; None beyond the last candidate."""

    estimate: int | None
    low: int | None  # with `high` None where one seed alone tells nothing of it
    high: int | None

    @property
    def recommended(self) -> int | None:
        """The step that is shown to be stable; where none is, the one that seems to be."""
        return self.estimate if self.high is None else self.high


@dataclass(frozen=True)
class Stability:
    """What lines between copies say.

    Args:
        pairs: All lines of all seeds, levels and steps.
        margin: Of the error, below which a barrier counts as none.
        resolution: By how much two barriers of the error differ at least, if they do; 0 for any.
        chance: The error of guessing the most frequent class; None where there is no such thing.
    """

    pairs: tuple[Pair, ...]
    margin: float
    resolution: float = 0.0
    chance: float | None = None

    @cached_property
    def seeds(self) -> tuple[int, ...]:
        """Every seed, in order."""
        return tuple(dict.fromkeys(pair.seed for pair in self.pairs))

    @cached_property
    def levels(self) -> tuple[int, ...]:
        """Every level, ascending."""
        return tuple(sorted({pair.level for pair in self.pairs}))

    @cached_property
    def steps(self) -> tuple[int, ...]:
        """Every candidate, ascending."""
        return tuple(sorted({pair.step for pair in self.pairs}))

    @property
    def has_batchnorm(self) -> bool:
        """Whether statistics that are estimated anew make another line."""
        return any(pair.line.anew is not None for pair in self.pairs)

    @property
    def rise_to_chance(self) -> float | None:
        """The barrier of a line that leads over guessing, between ends as these on average."""
        if self.chance is None:
            return None
        return self.chance - float(np.mean([pair.end_error for pair in self.pairs]))

    def of(self, level: int, step: int) -> dict[int, list[Pair]]:
        """Return the lines at a level and a step, by seed."""
        found: dict[int, list[Pair]] = {}
        for pair in self.pairs:
            if (pair.level, pair.step) == (level, step):
                found.setdefault(pair.seed, []).append(pair)
        return found

    def density(self, level: int) -> float:
        """Return the share of the prunable weights that a level keeps."""
        return next(pair.density for pair in self.pairs if pair.level == level)

    def error_barrier(self, level: int, step: int, treatment: Treatment = "interpolated") -> Estimate:
        """Return the error barrier over seeds; a seed of which a line is not finite has none."""
        return self._over_seeds(level, step, lambda pair: pair.error_barrier(treatment), self.resolution)

    def loss_barrier(self, level: int, step: int, treatment: Treatment = "interpolated") -> Estimate:
        """Return the barrier of the training loss over seeds; a seed of which a line is not finite has none."""
        return self._over_seeds(level, step, lambda pair: pair.loss_barrier(treatment), 0.0)

    def end_error(self, level: int, step: int) -> Estimate:
        """Return the test error of the copies over seeds."""
        return self._over_seeds(level, step, lambda pair: pair.end_error, 0.0)

    def verdict(self, level: int, step: int, treatment: Treatment = "interpolated") -> Verdict:
        """Return what is shown of a step; where a line is not finite, that it is unstable."""
        barrier = self.error_barrier(level, step, treatment)
        if barrier.num_missing:
            return "unstable"
        if barrier.low is None or barrier.high is None:
            return "not decided"
        if barrier.high < self.margin:
            return "stable"
        return "unstable" if barrier.low >= self.margin else "not decided"

    def smallest(self, level: int, treatment: Treatment = "interpolated") -> Smallest:
        """Return the smallest stable step under a level's mask, and between which it lies."""

        def seems_stable(step: int) -> bool:
            barrier = self.error_barrier(level, step, treatment)
            return barrier.num_missing == 0 and barrier.mean is not None and barrier.mean < self.margin

        estimate = self._first(seems_stable)
        if len(self.seeds) < 2:
            return Smallest(estimate, None, None)
        return Smallest(
            estimate,
            low=self._first(lambda step: self.verdict(level, step, treatment) != "unstable"),
            high=self._first(lambda step: self.verdict(level, step, treatment) == "stable"),
        )

    @property
    def recommended(self) -> int | None:
        """The smallest step that is good for all levels; None if there is none among the candidates."""
        found = [self.smallest(level).recommended for level in self.levels]
        return None if None in found else max(step for step in found if step is not None)

    def _first(self, holds: Callable[[int], bool]) -> int | None:
        """Return the first step from which on something holds at all."""
        first = None
        for step in reversed(self.steps):
            if not holds(step):
                break
            first = step
        return first

    def _over_seeds(
        self, level: int, step: int, number: Callable[[Pair], float | None], resolution: float
    ) -> Estimate:
        found = self.of(level, step)
        values = [_mean([number(pair) for pair in found.get(seed, [])]) for seed in self.seeds]
        lines = max(map(len, found.values()), default=1)
        return estimate_mean(values, resolution=resolution / lines)


def summary_table(found: Stability, epochs: Mapping[int, float]) -> Table:
    """Return a row a level and candidate: barriers over seeds with their intervals, and what is shown.

    Args:
        found: What lines say.
        epochs: Where each step is, in epochs.
    """
    names = ("error_barrier", "loss_barrier", "test_error")
    headings = ["level", "density", "step", "epoch", "seeds", "lines"]
    headings += [f"{name}{end}" for name in names for end in ("", "_low", "_high")]
    headings += ["verdict", "error_barrier_anew", "loss_barrier_anew", "verdict_anew"]
    rows: list[tuple[Cell, ...]] = []
    for level in found.levels:
        for step in found.steps:
            over_seeds = (
                found.error_barrier(level, step),
                found.loss_barrier(level, step),
                found.end_error(level, step),
            )
            anew: tuple[Cell, ...] = (None, None, None)
            if found.has_batchnorm:
                error, loss = found.error_barrier(level, step, "anew"), found.loss_barrier(level, step, "anew")
                anew = error.mean, loss.mean, found.verdict(level, step, "anew")
            counts = len(found.of(level, step)), sum(map(len, found.of(level, step).values()))
            numbers = [number for each in over_seeds for number in (each.mean, each.low, each.high)]
            site = level, found.density(level), step, epochs[step]
            rows.append((*site, *counts, *numbers, found.verdict(level, step), *anew))
    return Table(tuple(headings), tuple(rows))


def pair_table(found: Stability) -> Table:
    """Return a row a line: its place, its barriers and the mean test error of its ends."""
    headings = (
        *("seed", "level", "density", "step", "first_copy", "second_copy", "test_error"),
        *("error_barrier", "loss_barrier", "error_barrier_anew", "loss_barrier_anew"),
    )
    rows: list[tuple[Cell, ...]] = []
    for pair in found.pairs:
        anew: tuple[Cell, ...] = (None, None)
        if pair.line.anew is not None:
            anew = pair.error_barrier("anew"), pair.loss_barrier("anew")
        place = pair.seed, pair.level, pair.density, pair.step, *pair.copies, pair.end_error
        own = pair.error_barrier("interpolated"), pair.loss_barrier("interpolated")
        rows.append((*place, *own, *anew))
    return Table(headings, tuple(rows))


def between(below: int, above: int, count: int = 3) -> list[int]:
    """Return steps between two candidates that divide the way evenly in ratio; fewer where there are no more.

    Example:
        >>> between(100, 1600), between(0, 8), between(3, 4)
        ([200, 400, 800], [1, 2, 4], [])
    """
    low, high = math.log2(max(below, 0.5)), math.log2(above)
    found = {round(2 ** (low + (high - low) * part / (count + 1))) for part in range(1, count + 1)}
    return sorted(step for step in found if below < step < above)


def _mean(values: Sequence[float | None]) -> float | None:
    """Return the mean of numbers that are all there."""
    known = [value for value in values if value is not None]
    return math.fsum(known) / len(known) if known and len(known) == len(values) else None
