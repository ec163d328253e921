"""The progress of a curvature among the artifacts of its run, for the same command to go on from."""

from __future__ import annotations

from collections.abc import Callable

from lth.measure.curvature.krylov import SymmetricOperator
from lth.measure.kind.curvature_progress import CurvatureProgress
from lth.measure.progress_file import (
    KIND,
    VECTORS,
    KeptCurvature,
    read_curvature,
    write_curvature,
    write_vectors,
)
from lth.sealed import CheckpointError
from lth.tracking.folder import MOST_KEPT, ProgressFolder
from lth.tracking.run import RunLog

_VECTORS_A_FILE = 16


class BasisKeeper:
    """Keeps the progress of one curvature measurement: every vector of its basis once, the rest each time.

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
        self._restarts = 0
        self._parts: list[str] = []  # files with the vectors since that many restarts
        self._written = 0  # vectors in them
        self._valid: list[tuple[str, tuple[str, ...]]] = []  # what to go on from and its parts, the latest last

    @property
    def seconds(self) -> float:
        """How long the measurement has taken, in this process and those before it."""
        return self._folder.seconds

    def find(self, matrix: SymmetricOperator, seed: int, capacity: int) -> CurvatureProgress | None:
        """Return the latest progress that the run holds, if it can be gone on from."""

        def restore(name: str, content: bytes) -> tuple[CurvatureProgress, float]:
            kept = read_curvature(name, content)
            if kept.key != self._key:
                raise CheckpointError("it is of another measurement")
            if kept.environment != self._environment:
                raise CheckpointError(f"it was measured by {kept.environment}; here is {self._environment}")
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
