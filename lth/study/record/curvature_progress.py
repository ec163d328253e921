"""The progress of a curvature among the artifacts of its run, for the same command to go on from."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field

from lth.measure.curvature.krylov import SymmetricOperator
from lth.measure.kind.curvature_progress import CurvatureProgress
from lth.measure.progress_file import (
    FINISHED,
    KIND,
    VECTORS,
    FinishedParts,
    KeptCurvature,
    read_curvature,
    read_finished,
    write_curvature,
    write_finished,
    write_vectors,
)
from lth.sealed import CheckpointError
from lth.tracking.folder import MOST_KEPT, ProgressFolder
from lth.tracking.run import RunLog

_VECTORS_A_FILE = 16


@dataclass
class _Parts:
    """What came of the finished parts of a measurement: what a run holds of them, and what came since."""

    content: dict[str, bytes] = field(default_factory=dict)
    is_read: bool = False
    is_new: bool = False  # not all of it is kept


class BasisKeeper:
    """Keeps the progress of one curvature measurement: every vector of its basis once, the rest each time.

    A measurement of several matrices has a keeper for each, its `part`s, and keeps what came of those that are
    finished in one small file.

    Args:
        run: The measurement's.
        key: Of the measurement.
        environment: What decides its bits besides.
        every: As `ProgressFolder`'s.
        say: Tells the user.
    """

    def __init__(
        self, run: RunLog, key: str, environment: str, every: float, say: Callable[[str], None]
    ) -> None:
        self._folder = ProgressFolder(run, every, say)
        self._key, self._environment, self._say = key, environment, say
        self._measurement, self._part, self._finished = key, "", _Parts()
        self._forget()

    def _forget(self) -> None:
        self._restarts = 0
        self._parts: list[str] = []  # files with the vectors since that many restarts
        self._written = 0  # vectors in them
        self._valid: list[tuple[str, tuple[str, ...]]] = []  # what to go on from and its parts, the latest last

    def part(self, name: str) -> BasisKeeper:
        """Return the keeper of a part of the measurement; those before it are not to be used any more."""
        other = copy.copy(self)
        other._key, other._part = f"{self._measurement} {name}", name
        other._forget()
        return other

    def finished(self) -> bytes | None:
        """Return what came of the part, in this process or in one before it."""
        if not self._finished.is_read:
            self._finished.is_read = True
            self._finished.content = self._folder.latest(FINISHED, self._restore) or {}
        return self._finished.content.get(self._part)

    def finish(self, content: bytes) -> None:
        """Take what came of the part; it is kept now if it is time to, or if progress of it was."""
        self._finished.content[self._part] = content
        self._finished.is_new = True
        if self._valid or self.is_due():
            self._folder.keep(f"what came of {self._part}", self._write_finished)

    def _restore(self, name: str, content: bytes) -> tuple[dict[str, bytes], float]:
        found = read_finished(name, content)
        self._check(found.key, found.environment, self._measurement)
        self._say(f"  going on after {len(found.content)} parts, where an earlier process stopped")
        return dict(found.content), found.seconds

    def _check(self, key: str, environment: str, own: str) -> None:
        if key != own:
            raise CheckpointError("it is of another measurement")
        if environment != self._environment:
            raise CheckpointError(f"it was measured by {environment}; here is {self._environment}")

    def _write_finished(self) -> None:
        """Write what came of all finished parts, whose progress is then of no use."""
        name, content = write_finished(
            FinishedParts(self._finished.content, self._measurement, self._environment, self.seconds)
        )
        self._folder.write(name, content)
        for kind, valid in ((FINISHED, [name]), (KIND, []), (VECTORS, [])):
            self._folder.remove_others(kind, valid)
        self._finished.is_new = False

    @property
    def seconds(self) -> float:
        """How long the measurement has taken, in this process and those before it."""
        return self._folder.seconds

    def find(self, matrix: SymmetricOperator, seed: int, capacity: int) -> CurvatureProgress | None:
        """Return the latest progress that the run holds, if it can be gone on from."""

        def restore(name: str, content: bytes) -> tuple[CurvatureProgress, float]:
            kept = read_curvature(name, content)
            self._check(kept.key, kept.environment, self._key)
            progress = kept.resume(matrix, seed, capacity, self._folder.read)
            self._restarts, self._parts = kept.state.num_restarts, list(kept.parts)
            self._written = len(progress.basis)
            self._valid = [(name, kept.parts)]
            self._say(f"  going on after product {kept.step}, where an earlier process stopped")
            return progress, kept.seconds

        return self._folder.latest(KIND, restore)

    def is_due(self) -> bool:
        """Say whether so much time has passed."""
        return self._folder.is_due()

    def keep(self, progress: CurvatureProgress) -> None:
        """Write what came since the last time, and delete what nothing needs; see `ProgressFolder`."""
        step = progress.basis.num_products + len(progress.samples)
        self._folder.keep(f"the progress at product {step}", lambda: self._write(progress))

    def _write(self, progress: CurvatureProgress) -> None:
        if self._finished.is_new:
            self._write_finished()
        basis = progress.basis
        if basis.num_restarts != self._restarts:
            self._restarts, self._parts, self._written = basis.num_restarts, [], 0
        while self._written < len(basis):
            stop = min(self._written + _VECTORS_A_FILE, len(basis))
            name, content = write_vectors(self._written, basis.vectors(self._written, stop))
            self._folder.write(name, content)
            self._parts.append(name)
            self._written = stop
        kept = KeptCurvature(
            basis.state(),
            tuple(self._parts),
            progress.samples,
            self._key,
            self._environment,
            self.seconds,
        )
        name, content = write_curvature(kept)
        self._folder.write(name, content)
        self._valid = [*self._valid, (name, kept.parts)][-MOST_KEPT:]
        self._folder.remove_others(KIND, [name for name, _ in self._valid])
        self._folder.remove_others(VECTORS, [part for _, parts in self._valid for part in parts])
