"""Iterative magnitude pruning with rewinding, its baselines, and the geometry of the solutions.

One import is enough: after `import lth` the rooms are at hand as `lth.measure`, `lth.network` and so on. Each
is loaded when it is first asked for, so that importing lth loads neither torch nor MLflow.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, overload

from lth.errors import InputError
from lth.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pandas import DataFrame

    from lth import data, evidence, measure, network, plan, report, setting, solution, study, training
    from lth.measure.library import (
        align,
        cka,
        density,
        distances,
        functions,
        hessian,
        layer_spectra,
        line,
        mass,
        radii,
        spectrum,
        surface,
        symmetries,
        trace,
        volume,
    )
    from lth.plan.place import Kind
    from lth.solution.solution import Solution
    from lth.study.replication import Replication
    from lth.study.study import Study

_MEASURES = (
    "align",
    "cka",
    "density",
    "distances",
    "functions",
    "hessian",
    "layer_spectra",
    "line",
    "mass",
    "radii",
    "sharpness",
    "spectrum",
    "surface",
    "symmetries",
    "trace",
    "volume",
)
_ROOMS = (
    "data",
    "evidence",
    "measure",
    "network",
    "plan",
    "report",
    "setting",
    "solution",
    "study",
    "training",
)

__all__ = [
    "__version__",
    "align",
    "cka",
    "data",
    "density",
    "distances",
    "evidence",
    "functions",
    "hessian",
    "layer_spectra",
    "line",
    "load_open_lth",
    "load_solution",
    "mass",
    "measure",
    "network",
    "open_study",
    "plan",
    "radii",
    "report",
    "results",
    "setting",
    "sharpness",
    "solution",
    "spectrum",
    "study",
    "surface",
    "symmetries",
    "trace",
    "training",
    "volume",
]


if not TYPE_CHECKING:  # else every misspelt name would pass for a room

    def __getattr__(name: str) -> ModuleType | Callable[..., object]:
        """Load the room `name`, or the room of a measure (PEP 562)."""
        if name in _ROOMS:
            return import_module(f"lth.{name}")
        if name in _MEASURES:
            return getattr(import_module("lth.measure.library"), name)
        raise AttributeError(f"module 'lth' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_ROOMS, *_MEASURES})


@overload
def open_study(
    preset: str | None = None, *, seeds: None = None, say: Callable[[str], None] = print, **given: object
) -> Study: ...


@overload
def open_study(
    preset: str | None = None,
    *,
    seeds: str | Sequence[int],
    say: Callable[[str], None] = print,
    **given: object,
) -> Replication: ...


def open_study(
    preset: str | None = None,
    *,
    seeds: str | Sequence[int] | None = None,
    say: Callable[[str], None] = print,
    **given: object,
) -> Study | Replication:
    """Open a study on the tracking store that MLflow is configured for, to train, measure and report.

    `study = lth.open_study("digits", levels=2)`, then `study.complete()`, `study.rows()`, `study.evidence()`,
    or one task at a time: `study.solution(Place.imp(1))`, `study.analysis(1)`. What the commands do with the
    same parameters has the same keys: each finds what the other has finished.

    Nothing is trained before it is asked for. No signal handler is installed: an interruption is Python's own
    KeyboardInterrupt, and what was finished, and the progress of the rest, is kept. What MLflow reads of the
    environment about its requests and progress bars is set where it is not set yet, as in the commands.

    Args:
        preset: `digits`, `resnet20-cifar10`, `vgg16-cifar10`, `resnet20-fashion-mnist`, or one of open_lth's,
            such as `cifar_resnet_20`; by default that of `from_run`, else `digits`.
        seeds: Several, as `[0, 1, 2]`, for the same study under each of them, and reports over all.
        say: Gets each line that a command would print.
        **given: Any parameter of the setting, as `epochs=20` or `rewind_step="2ep"`, and:
            data_dir: Where the data set's files are; by default they are downloaded into `./data`.
            device: `auto`, `cpu`, `cuda` or `cuda:N`, or several for curvature, as `"cuda:0,cuda:1"`.
            from_run: The run of a level to go on from, instead of this study's own.
            keep_every: Seconds between two times that a task keeps its progress, at the least.
            patience: Seconds to wait for a tracking store that does not answer.
            unsent: Folder for finished results that can't be logged; by default `lth-unsent`.

    Raises:
        InputError: If a parameter is unknown, unreadable or out of range, or they do not fit together.
    """
    from lth.study import open as opening  # here: importing lth must import neither mlflow nor torch

    return opening.open_study(preset, seeds=seeds, say=say, **given)


def load_solution(
    run_id: str | None = None,
    *,
    level: int | None = None,
    kind: str = "imp",
    preset: str = "digits",
    seed: int = 0,
    changes: str = "",
    experiment: str | None = None,
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
        experiment: The MLflow experiment that it is in; by default what the environment says, else `lth`.

    Nothing is made: where there is no tracking store or experiment, that is said.

    Raises:
        ValueError: If there is no such store, experiment or solution, or several (on different data) fit.
        CheckpointError: If its checkpoint is damaged.
    """
    from lth.study.record.load import load_by_place, load_by_run  # here: importing lth must not import mlflow

    if run_id is not None:
        return load_by_run(run_id)
    if level is None:
        raise InputError("name a run_id, or a level (0 is the dense network)")
    return load_by_place(
        level=level, kind=kind, preset=preset, seed=seed, changes=changes, experiment=experiment
    )


def load_open_lth(folder: str | Path, *, level: int | None = None, kind: Kind = "imp") -> Solution:
    """Return the solution in a folder that open_lth left of a level: `mask.pth`, its models and its `logger`.

    `solution = lth.load_open_lth("open_lth_data/lottery_…/replicate_1/level_3/main")`, then
    `lth.spectrum(solution.network, (solution.normalise(images), labels), mask=solution.mask)`. Images are of
    pixels from 0 to 255, as lth's data sets have them. Nothing in the folder is run.

    Args:
        folder: Of a level, or the one above it.
        level: By default what the folder's name says.
        kind: Which of our baselines a branch is, such as `random_init` for randomly_reinitialize.

    Raises:
        InputError: If a file is missing or damaged, or is not of a network of open_lth's.
    """
    from lth.solution.open_lth import read_open_lth  # here: importing lth must not import torch

    return read_open_lth(Path(folder), level, kind)


def results(experiment: str | None = None, **where: object) -> DataFrame:
    """Return every finished solution of an experiment as a pandas DataFrame, a row a solution.

    `lth.results()`, `lth.results(preset="digits", seed=[0, 1, 2], kind="imp")`, `lth.results(lr=0.05)`. Columns
    are its place (preset, changes, seed, solution, kind, level), each parameter in which the rows differ, and
    all that is known of it, such as `test_accuracy`, `log_eig_product`, `radius_mean` and `barrier_loss`:
    docs/results.md lists them. What was not measured is NaN. One search finds them all; no data set is read.

    Args:
        experiment: The MLflow experiment; by default what the environment says, else `lth`.
        **where: A parameter and its value, or several values, of those solutions that are wanted.

    Raises:
        InputError: If there is no such store or experiment, or a name is no parameter.
    """
    from lth.study.query import results as found  # here: importing lth must not import mlflow

    return found(experiment, **where)
