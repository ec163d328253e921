"""What a training beside a study's looks like as an MLflow run: its checkpoint, and no model or picture."""

from __future__ import annotations

from pathlib import Path

from lth.plan.place import Beside, Copy, DenseState
from lth.solution.solution import Solution
from lth.study.record.load import CHECKPOINT
from lth.tracking.run import RunLog


def beside_tags(place: Beside) -> dict[str, str]:
    """Return what finds a state or a copy among the runs of a study."""
    step = {"step": str(place.step)} if isinstance(place, Copy | DenseState) else {}
    return {**step, **({"copy": str(place.number)} if isinstance(place, Copy) else {})}


def log_beside(run: RunLog, place: Beside, solution: Solution, directory: Path, seconds: float) -> None:
    """Log the checkpoint that was written to `directory`, where it belongs, and what it cost."""
    numbers = {"density": solution.density, "level": place.level, "step": place.step}
    run.metrics({**numbers, "time/training_seconds": seconds})
    run.directory(directory, CHECKPOINT)
    run.note(f"**{place.name}**: {_what(place)}; {solution.density:.1%} of the prunable weights kept.")


def _what(place: Beside) -> str:
    if isinstance(place, Copy):
        return f"trained from step {place.step} to the end under SGD noise of its own"
    if isinstance(place, DenseState):
        return f"what the dense training goes on from after step {place.step}: the checkpoint's rewind point"
    return "what the mask is permuted to, and from whose rewind point it is trained again"
