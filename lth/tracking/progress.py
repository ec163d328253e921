"""A training's progress among the artifacts of its run, for the same command to go on from."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from pathlib import Path

from mlflow.exceptions import MlflowException

from lth.checkpoint import TRAJECTORY, CheckpointError, write_snapshot
from lth.resume import KeptProgress, read_progress, step_of, write_progress
from lth.tracking.run import LostRunError, RunLog
from lth.tracking.store import CHECKPOINT
from lth.train import Progress
from lth.weights import Weights

PROGRESS = "progress"  # the artifact folder
_MOST_KEPT = 2  # the one before is whole if the latest was not written to its end
_SHARE = 0.01  # of the time that keeping may take


def clear_progress(run: RunLog) -> None:
    """Delete what a run kept, when it is finished."""
    if run.files(PROGRESS):
        run.remove(PROGRESS)


class ProgressKeeper:
    """Keeps the progress of one training among the artifacts of its run, and its snapshots as they come.

    Args:
        run: The training's.
        directory: Where the checkpoint is being built.
        key: Of the solution.
        environment: What decides its bits besides.
        every: Seconds between two times; more, where keeping takes more than a hundredth of that.
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
        self._directory = directory
        self._every = every
        self._pause = every
        self._began = self._last = time.monotonic()
        self._key = key
        self._environment = environment
        self._say = say
        self._valid: list[str] = []  # names of the files to go on from, the latest last
        self._seconds_before = 0.0
        self.spent = 0.0  # seconds on keeping, in this process
        self._snapshots: dict[str, str] = {}  # their SHA-256 by file name

    @property
    def seconds(self) -> float:
        """How long the training has taken, in this process and those before it."""
        return self._seconds_before + time.monotonic() - self._began

    def find(self) -> Progress | None:
        """Return the latest progress that the run holds, if it can be gone on from, with its snapshots."""
        for name in sorted(self._names(), reverse=True):
            try:
                kept = read_progress(name, self._run.read(f"{PROGRESS}/{name}"))
                if kept.key != self._key:
                    raise CheckpointError("it is of another solution")
                if kept.environment != self._environment:
                    raise CheckpointError(f"it was trained by {kept.environment}; here is {self._environment}")
                self._fetch_snapshots(kept)
            except (CheckpointError, MlflowException, OSError) as error:
                self._say(f"  can't go on from {name}: {error}")
                continue
            self._seconds_before = kept.seconds
            self._snapshots = dict(kept.snapshots)
            self._valid = [name]
            return kept.progress
        return None

    def is_due(self) -> bool:
        """Say whether so much time has passed."""
        return time.monotonic() - self._last >= self._pause

    def keep(self, progress: Progress) -> None:
        """Write the progress after all that led to it, and delete what it replaces.

        A store that does not take it now is asked again later: the training does not end for it.

        Raises:
            LostRunError: If another process has taken the run over.
        """
        began = time.monotonic()
        try:
            self._run.check_owner()
            self._run.flush()
            kept = KeptProgress(progress, self._key, self._environment, self.seconds, self._snapshots)
            name, content = write_progress(kept)
            self._run.file(f"{PROGRESS}/{name}", content)
            self._valid = [*self._valid, name][-_MOST_KEPT:]
            for other in set(self._names()) - set(self._valid):  # also what could not be gone on from
                self._run.remove(f"{PROGRESS}/{other}")
        except LostRunError:
            raise
        except Exception as error:  # MLflow lets through whatever its stores raise
            self._say(f"  the progress at step {progress.state.step} could not be kept: {error}")
        self._last = time.monotonic()
        self.spent += self._last - began
        self._pause = max(self._every, (self._last - began) / _SHARE)

    def snapshot(self, epoch: int, weights: Weights) -> None:
        """Log the weights after an epoch, as a part of the checkpoint to come."""
        began = time.monotonic()
        path = write_snapshot(self._directory, epoch, weights)
        content = path.read_bytes()
        self._run.file(f"{CHECKPOINT}/{TRAJECTORY}/{path.name}", content)
        self._snapshots[path.name] = hashlib.sha256(content).hexdigest()
        self.spent += time.monotonic() - began

    def _names(self) -> list[str]:
        return [name for name in self._run.files(PROGRESS) if step_of(name) is not None]

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
