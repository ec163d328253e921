"""Iterative magnitude pruning with rewinding, its baselines, and the geometry of the solutions.

One import is enough: after `import lth` the rooms are at hand as `lth.measure`, `lth.network` and so on. Each
is loaded when it is first asked for, so that importing lth loads neither torch nor MLflow.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

from lth.errors import InputError

if TYPE_CHECKING:
    from lth import data, evidence, measure, network, plan, report, setting, solution, training
    from lth.solution.solution import Solution

__all__ = [
    "data",
    "evidence",
    "load_solution",
    "measure",
    "network",
    "plan",
    "report",
    "setting",
    "solution",
    "training",
]

_ROOMS = ("data", "evidence", "measure", "network", "plan", "report", "setting", "solution", "training")


if not TYPE_CHECKING:  # else every misspelt name would pass for a room

    def __getattr__(name: str) -> ModuleType:
        """Load the room `name` (PEP 562)."""
        if name in _ROOMS:
            return import_module(f"lth.{name}")
        raise AttributeError(f"module 'lth' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_ROOMS})


def load_solution(
    run_id: str | None = None,
    *,
    level: int | None = None,
    kind: str = "imp",
    preset: str = "digits",
    seed: int = 0,
    changes: str = "",
) -> Solution:
    """Return a tracked solution, verified: by its run, or by its place in a study.

    `lth.load_solution("4f0c…")`, `lth.load_solution(level=3)`, `lth.load_solution(level=5, kind="one_shot")`.

    Args:
        run_id: Of a run of train_dense, imp_level or baseline; the other arguments are then ignored.
        level: 0 is the dense network.
        kind: `imp` or a baseline.
        preset: The preset it was trained with.
        seed: Its seed.
        changes: The training parameters that differed from the preset, as the run's tag `changes` spells
            them, such as `"epochs=2 lr=0.05"`.

    Raises:
        ValueError: If there is no such solution, or several (on different data) fit.
        CheckpointError: If its checkpoint is damaged.
    """
    from lth.study.record.load import load_by_place, load_by_run  # here: importing lth must not import mlflow

    if run_id is not None:
        return load_by_run(run_id)
    if level is None:
        raise InputError("name a run_id, or a level (0 is the dense network)")
    return load_by_place(level=level, kind=kind, preset=preset, seed=seed, changes=changes)
