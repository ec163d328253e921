"""Contenders in turns, A B C A B C …, so that what else a machine does hits all of them alike."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import click

from benchmarks.worker import Worker

T = TypeVar("T")


@dataclass(frozen=True)
class Seat:
    """Which contender takes part: a function `module:name` and its variant (`benchmarks.worker`)."""

    contender: str
    variant: str = ""


@dataclass(frozen=True)
class Spread:
    """What the rounds of a run say of one number."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Return median and range."""
        return cls(statistics.median(values), min(values), max(values))

    def __str__(self) -> str:
        return f"{self.median:.3g} [{self.low:.3g}, {self.high:.3g}]"


@contextmanager
def seated(seats: Mapping[str, Seat], setup: object, threads: int) -> Iterator[dict[str, Worker]]:
    """Start the process of every contender, one after the other, and end them all afterwards."""
    workers: dict[str, Worker] = {}
    try:
        for name, seat in seats.items():
            workers[name] = Worker(seat.contender, setup, seat.variant, threads)
        yield workers
    finally:
        for worker in workers.values():
            worker.close()


def interleaved(
    turns: Mapping[str, Callable[[], T]], rounds: int, warmup: int, *, label: str = "round"
) -> dict[str, list[T]]:
    """Let every contender take its turn in every round; the first `warmup` rounds are not kept."""
    kept: dict[str, list[T]] = {name: [] for name in turns}
    for number in range(-warmup, rounds):
        click.echo(f"{label} {number + 1}/{rounds}" if number >= 0 else f"warm-up {label}", err=True)
        for name, turn in turns.items():
            result = turn()
            if number >= 0:
                kept[name].append(result)
    return kept


def ratios(values: Sequence[float], baseline: Sequence[float]) -> Spread:
    """Return how many times `baseline` a contender reached, round by round."""
    return Spread.of([value / base for value, base in zip(values, baseline, strict=True)])


def best_peer(by_contender: Mapping[str, Sequence[float]], families: Sequence[str]) -> str:
    """Return the contender that is fastest in the median, of the first family of names that takes part.

    Without any of the families it is the first contender.
    """
    for family in families:
        if found := [name for name in by_contender if name.startswith(family)]:
            return max(found, key=lambda name: Spread.of(by_contender[name]).median)
    return next(iter(by_contender))
