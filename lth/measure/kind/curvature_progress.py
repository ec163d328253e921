"""A curvature on the way: what it goes on from to the same bits, and who keeps it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from lth.measure.curvature.krylov import KrylovBasis, SymmetricOperator


@dataclass(frozen=True)
class CurvatureProgress:
    """A curvature on the way: what it goes on from to the same bits."""

    basis: KrylovBasis
    samples: tuple[float, ...] = ()  # of the trace


class CurvatureKeeper(Protocol):
    """Keeps the progress of a curvature, for it to go on from."""

    def find(self, matrix: SymmetricOperator, seed: int, capacity: int) -> CurvatureProgress | None:
        """Return the latest progress that was kept, if it can be gone on from."""

    def is_due(self) -> bool:
        """Say whether to keep the progress now; asked after every product, so it must cost nothing."""

    def keep(self, progress: CurvatureProgress) -> None:
        """Keep the progress, whose basis grows on afterwards."""

    def part(self, name: str) -> CurvatureKeeper:
        """Return the keeper of a part of a measurement, of several matrices one after the other."""

    def finished(self) -> bytes | None:
        """Return what came of the part, if that was kept."""

    def finish(self, content: bytes) -> None:
        """Take what came of the part, to be kept with that of the others."""
