"""The progress of a training among the artifacts of its run, for the same command to go on from."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from pathlib import Path

from lth.network.weights import Weights
from lth.sealed import CheckpointError
from lth.solution.checkpoint import TRAJECTORY, write_snapshot
from lth.solution.progress_file import KIND, KeptProgress, read_progress, write_progress
from lth.study.record.load import CHECKPOINT
from lth.tracking.folder import MOST_KEPT, ProgressFolder
from lth.tracking.run import RunLog
from lth.training.train import Progress


class ProgressKeeper:
    """Keeps the progress of one training among the artifacts of its run, and its snapshots as they come.

    Args:
        run: The training's.
        directory: Where the checkpoint is being built.
        key: Of the solution.
        environment: What decides its bits besides.
        every: As `ProgressFolder`'s.
        say: Tells the user.
    """

    def __init__(
        self,
        run: RunLog,
        directory: Path,
        key: str,
        environment: str,
        every: float,
        say: Callable[[str], None],
    ) -> None:
        self._run = run
        self._folder = ProgressFolder(run, every, say)
        self._directory = directory
        self._say = say
        self._key = key
        self._environment = environment
        self._valid: list[str] = []  # names of the files to go on from, the latest last
        self._spent_on_snapshots = 0.0
        self._snapshots: dict[str, str] = {}  # their SHA-256 by file name
        self._to_send: list[Path] = []  # snapshots that the run does not hold yet

    @property
    def seconds(self) -> float:
        """How long the training has taken, in this process and those before it."""
        return self._folder.seconds

    @property
    def spent(self) -> float:
        """Seconds on keeping, in this process."""
        return self._folder.spent + self._spent_on_snapshots

    def find(self) -> Progress | None:
        """Return the latest progress that the run holds, if it can be gone on from, with its snapshots."""
        return self._folder.latest(KIND, self._restore)

    def _restore(self, name: str, content: bytes) -> tuple[Progress, float]:
        kept = read_progress(name, content)
        if kept.key != self._key:
            raise CheckpointError("it is of another solution")
        if kept.environment != self._environment:
            raise CheckpointError(f"it was trained by {kept.environment}; here is {self._environment}")
        self._fetch_snapshots(kept)
        self._snapshots = dict(kept.snapshots)
        self._valid = [name]
        return kept.progress, kept.seconds

    def is_due(self) -> bool:
        """Say whether so much time has passed."""
        return self._folder.is_due()

    def keep(self, progress: Progress) -> None:
        """Write the progress after all that led to it, and delete what it replaces; see `ProgressFolder`."""
        self._folder.keep(f"the progress at step {progress.state.step}", lambda: self._write(progress))

    def _write(self, progress: Progress) -> None:
        self._send_snapshots()
        kept = KeptProgress(progress, self._key, self._environment, self.seconds, self._snapshots)
        name, content = write_progress(kept)
        self._folder.write(name, content)
        self._valid = [*self._valid, name][-MOST_KEPT:]
        self._folder.remove_others(KIND, self._valid)

    def snapshot(self, epoch: int, weights: Weights) -> None:
        """Log the weights after an epoch, as a part of the checkpoint to come; if not now, with the next."""
        began = time.monotonic()
        path = write_snapshot(self._directory, epoch, weights)
        self._snapshots[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
        self._to_send.append(path)
        try:
            with self._run.in_a_hurry():
                self._send_snapshots()
        except Exception as error:  # MLflow lets through whatever its stores raise
            self._say(f"  the weights after epoch {epoch} could not be logged yet: {error}")
        self._spent_on_snapshots += time.monotonic() - began

    def _send_snapshots(self) -> None:
        while self._to_send:
            path = self._to_send[0]
            self._run.file(f"{CHECKPOINT}/{TRAJECTORY}/{path.name}", path.read_bytes())
            del self._to_send[0]

    def _fetch_snapshots(self, kept: KeptProgress) -> None:
        folder = self._directory / TRAJECTORY
        folder.mkdir(exist_ok=True)
        for name, digest in kept.snapshots.items():
            if Path(name).name != name:
                raise CheckpointError(f"it names {name!r}, which lies outside the trajectory")
            content = self._run.read(f"{CHECKPOINT}/{TRAJECTORY}/{name}")
            if hashlib.sha256(content).hexdigest() != digest:
                raise CheckpointError(f"the snapshot {name} is not what was written (its SHA-256 differs)")
            (folder / name).write_bytes(content)
