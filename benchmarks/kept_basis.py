"""The progress of a search for eigenvalues in a directory, for the same command to go on from."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

import click

from lth.measure.curvature.krylov import KrylovBasis, SymmetricOperator
from lth.measure.progress_file import KeptCurvature, read_curvature, write_curvature, write_vectors

_VECTORS_A_FILE = 16


@dataclass
class Keeper:
    """The progress of a search as files: every vector once, the rest each time."""

    directory: Path
    seed: int  # of the starts
    key: str
    environment: str
    every: float = 120.0  # s
    seconds: float = 0.0
    _parts: list[str] = field(default_factory=list)
    _written: int = 0
    _restarts: int = 0
    _last: float = field(default_factory=time.perf_counter)

    def find(self, matrix: SymmetricOperator, capacity: int) -> KrylovBasis | None:
        """Return the basis that was kept last."""
        kept = sorted(self.directory.glob("products-*"))
        if not kept:
            return None
        found = read_curvature(kept[-1].name, kept[-1].read_bytes())
        if (found.key, found.environment) != (self.key, self.environment):
            raise click.ClickException(f"{kept[-1]} is the progress of something else; delete it")
        progress = found.resume(matrix, self.seed, capacity, lambda name: (self.directory / name).read_bytes())
        self._parts, self._written = list(found.parts), len(progress.basis)
        self._restarts, self.seconds = found.state.num_restarts, found.seconds
        return progress.basis

    def keep(self, basis: KrylovBasis, *, at_once: bool = False) -> None:
        """Write what came since the last time, if that is long ago or it is to be at once."""
        now = time.perf_counter()
        if now - self._last < self.every and not at_once:
            return
        self.seconds += now - self._last
        self._last = now
        if basis.num_restarts != self._restarts:
            self._restarts, self._parts, self._written = basis.num_restarts, [], 0
        while self._written < len(basis):
            stop = min(self._written + _VECTORS_A_FILE, len(basis))
            self._parts.append(self._write(*write_vectors(self._written, basis.vectors(self._written, stop))))
            self._written = stop
        kept = KeptCurvature(basis.state(), tuple(self._parts), (), self.key, self.environment, self.seconds)
        name = self._write(*write_curvature(kept))
        for other in self.directory.iterdir():
            if other.name.startswith(("products-", "vectors-")) and other.name not in {name, *self._parts}:
                other.unlink()

    def _write(self, name: str, content: bytes) -> str:
        new = self.directory / f"{name}.new"
        new.write_bytes(content)
        new.rename(self.directory / name)
        return name
