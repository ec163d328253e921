"""Keeps the progress of a training after every step."""

from __future__ import annotations

from lth.solution.progress_file import KeptProgress, read_progress, write_progress
from lth.training.train import Progress


class Keeper:
    """Keeps the progress after every step, as a file would."""

    def __init__(self) -> None:
        self.kept: list[Progress] = []

    def is_due(self) -> bool:
        return True

    def keep(self, progress: Progress) -> None:
        written = write_progress(KeptProgress(progress, "key", "environment", 0.0, {}))
        self.kept.append(read_progress(*written).progress)
