"""What a study is made with: one small frozen record per stage, checked when it is built.

`Setting` only bundles them; a stage is handed its own record and never the bundle.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from lth.errors import InputError
from lth.setting.amount import ALL, Amount
from lth.setting.numeral import parse_number, parse_whole
from lth.setting.step import Step

Augmentation = Literal["none", "crop", "crop_flip"]
Precision = Literal["auto", "fp32", "bf16"]
Compile = Literal["auto", "on", "off"]
Snapshots = Literal["none", "log", "every"]
DirectionNorm = Literal["plain", "filter"]


def _require(claim: bool, name: str, value: object, expected: str) -> None:
    if not claim:
        raise InputError(f"{name}={value} is out of range; expected {expected}")


def _require_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise InputError(f"{name}={value!r} is unknown; choose one of {', '.join(choices)}")


_MOST_EPOCHS = 1_000_000
_EPOCHS = f"a whole number from 1 to {_MOST_EPOCHS}"
_LARGEST = 3.4e38  # of float32, in which networks are trained

TENTH = Amount(0.1)  # of the training set; docs/protocol.md, section 2


@dataclass(frozen=True)
class DataSetting:
    """Which examples a network is trained on."""

    dataset: str
    train_examples: Amount = ALL
    augmentation: Augmentation = "none"

    def __post_init__(self) -> None:
        _require_choice("augmentation", self.augmentation, get_args(Augmentation))


@dataclass(frozen=True)
class TrainingSetting:
    """One schedule of SGD with momentum (lr divided by ten at every milestone)."""

    epochs: int
    batch_size: int
    lr: float
    momentum: float
    weight_decay: float
    milestones: tuple[Step, ...]
    rewind_step: Step
    fine_tune_epochs: int
    fine_tune_lr: float | None = None  # None: the last learning rate of the schedule
    precision: Precision = "auto"
    compile: Compile = "auto"
    epoch_examples: Amount = TENTH  # whose loss is recorded after every epoch but the last, which takes all
    trajectory: Snapshots = "log"

    def __post_init__(self) -> None:
        _require(1 <= self.epochs <= _MOST_EPOCHS, "epochs", self.epochs, _EPOCHS)
        _require(self.batch_size >= 2, "batch_size", self.batch_size, "at least 2 (BatchNorm)")
        _require(0 < self.lr < _LARGEST, "lr", self.lr, f"a positive number below {_LARGEST:g}")
        _require(0 <= self.momentum < 1, "momentum", self.momentum, "a number in [0, 1)")
        decays = 0 <= self.weight_decay < _LARGEST
        _require(decays, "weight_decay", self.weight_decay, f"zero or more, below {_LARGEST:g}")
        tuned = 1 <= self.fine_tune_epochs <= _MOST_EPOCHS
        _require(tuned, "fine_tune_epochs", self.fine_tune_epochs, _EPOCHS)
        if self.fine_tune_lr is not None:
            _require(0 < self.fine_tune_lr < _LARGEST, "fine_tune_lr", self.fine_tune_lr, "positive")
        _require_choice("precision", self.precision, get_args(Precision))
        _require_choice("compile", self.compile, get_args(Compile))
        _require_choice("trajectory", self.trajectory, get_args(Snapshots))


@dataclass(frozen=True)
class PruningSetting:
    """How much goes at each level, and how many levels a study has after the dense one."""

    prune_fraction: float = 0.2
    levels: int = 10

    def __post_init__(self) -> None:
        _require(0 < self.prune_fraction < 1, "prune_fraction", self.prune_fraction, "a number in (0, 1)")
        _require(1 <= self.levels <= 100, "levels", self.levels, "a whole number from 1 to 100")


@dataclass(frozen=True)
class AnalysisSetting:
    """How finely the geometry of a solution is measured."""

    k: int = 100  # leading eigenvalues
    second_k: float = 0.5  # of k: another cut, to see whether the trend depends on it
    trace_probes: int = 20  # random vectors
    density_probes: int = 10  # random vectors of the spectral density
    density_steps: int = 80  # of Lanczos' recurrence from each
    hessian_examples: Amount = TENTH
    directions: int = 50
    direction_norm: DirectionNorm = "filter"
    cutoff_margin: float = 0.1  # nats above the worse of two compared solutions
    points: int = 31  # on a straight line
    grid: int = 25  # a side of the surface
    plane: tuple[str, ...] = ("0", "last", "random_init")  # solutions that span the surface
    every_level: tuple[str, ...] = ()  # baselines to train and measure at all levels, not the last alone
    loss_margin: float = 0.01  # nats: a barrier below it counts as none
    error_margin: float = 0.02  # share of test examples: the same for the error

    def __post_init__(self) -> None:
        _require(self.k >= 1, "k", self.k, "at least 1")
        _require(self.trace_probes >= 2, "trace_probes", self.trace_probes, "at least 2 (a standard error)")
        _require(
            self.density_probes >= 2, "density_probes", self.density_probes, "at least 2 (a standard error)"
        )
        _require(self.density_steps >= 1, "density_steps", self.density_steps, "at least 1")
        _require(self.directions >= 2, "directions", self.directions, "at least 2")
        _require_choice("direction_norm", self.direction_norm, get_args(DirectionNorm))
        _require(0 < self.cutoff_margin < math.inf, "cutoff_margin", self.cutoff_margin, "positive")
        _require(self.points >= 3, "points", self.points, "at least 3")
        _require(self.grid >= 3, "grid", self.grid, "at least 3")
        spanning = ",".join(self.plane)
        three = len(self.plane) == len(set(self.plane)) == 3
        _require(three, "plane", spanning, "three solutions, such as 0,last,one_shot")
        _require(0 < self.loss_margin < math.inf, "loss_margin", self.loss_margin, "positive")
        _require(0 < self.error_margin < 1, "error_margin", self.error_margin, "a number in (0, 1)")
        _require(0 < self.second_k < 1, "second_k", self.second_k, "a share of k, in (0, 1)")

    @property
    def second_cut(self) -> int:
        """How many leading eigenvalues the second log_eig_product is of."""
        return max(1, round(self.second_k * self.k))


@dataclass(frozen=True)
class Setting:
    """Everything a user chooses about a study, except where it runs."""

    preset: str
    network: str
    data: DataSetting
    training: TrainingSetting
    pruning: PruningSetting
    analysis: AnalysisSetting
    seed: int = 0

    def __post_init__(self) -> None:
        _require(0 <= self.seed < 2**31, "seed", self.seed, "a whole number from 0 to 2147483647")

    def flat(self) -> dict[str, str]:
        """Return every parameter by the name and in the spelling a user would type it."""
        stages = (self.data, self.training, self.pruning, self.analysis)
        fields = {name: text for stage in stages for name, text in spelled(stage).items()}
        return {"preset": self.preset, "seed": str(self.seed), "network": self.network, **fields}


def spelled(stage: DataSetting | TrainingSetting | PruningSetting | AnalysisSetting) -> dict[str, str]:
    """Return the fields of one stage in the spelling a user would type them."""
    return {name: _spell(value) for name, value in vars(stage).items()}


def setting_from_flat(content: Mapping[str, object]) -> Setting:
    """Return the setting that `Setting.flat` wrote, in this version or an earlier one.

    How a solution is measured does not make it another: what an earlier version did not know of measuring
    takes its default.

    Raises:
        ValueError: If a field is missing, unknown or out of range.
    """
    measuring = {name for name, (stage, _) in _FIELDS.items() if stage == "analysis"}
    known = {"preset", *_FIELDS}
    content = {**_BEFORE, **content}
    if odd := sorted((known - measuring - content.keys()) | (content.keys() - known)):
        raise InputError(f"not a setting of this version of lth: {', '.join(odd)} missing or unknown")
    stages: dict[str, dict[str, Any]] = {}
    for name, (stage, read) in _FIELDS.items():
        if name in content:
            stages.setdefault(stage, {})[name] = _read(name, read, content[name])
    return Setting(
        preset=_text(content["preset"]),
        data=DataSetting(**stages["data"]),
        training=TrainingSetting(**stages["training"]),
        pruning=PruningSetting(**stages["pruning"]),
        analysis=AnalysisSetting(**stages.get("analysis", {})),
        **stages["setting"],
    )


# What versions did that had no such parameter of training.
_BEFORE = {"compile": "off", "epoch_examples": "all"}


def with_overrides(setting: Setting, overrides: Mapping[str, object]) -> Setting:
    """Return `setting` with the named fields replaced; values may be text, as typed on a command line.

    Raises:
        ValueError: If a name is unknown, or a value can't be read or is out of range.
    """
    changes: dict[str, dict[str, Any]] = {}
    for name, written in overrides.items():
        if name not in _FIELDS:
            raise InputError(f"{name!r} is not a parameter; known are {', '.join(_FIELDS)}")
        stage, read = _FIELDS[name]
        changes.setdefault(stage, {})[name] = _read(name, read, written)
    top = changes.pop("setting", {})
    stages = {stage: replace(getattr(setting, stage), **fields) for stage, fields in changes.items()}
    return replace(setting, **top, **stages)


def _read(name: str, read: Callable[[object], object], written: object) -> object:
    try:
        return read(written)
    except ValueError as error:
        raise InputError(f"{name}={written!r}: {error}") from error


def _whole(written: object) -> int:
    return parse_whole(str(written))


def _number(written: object) -> float:
    number = parse_number(str(written))
    if not math.isfinite(number):
        raise InputError("expected a finite number")
    return number


def _last_or_number(written: object) -> float | None:
    return None if written is None or str(written).strip() == "last" else _number(written)


def _text(written: object) -> str:
    text = str(written).strip()
    if not text or not text.isprintable():
        raise InputError("expected a name")
    return text


def _step(written: object) -> Step:
    return Step.parse(str(written))


def _steps(written: object) -> tuple[Step, ...]:
    return tuple(map(Step.parse, _listed(written)))


def _names(written: object) -> tuple[str, ...]:
    return tuple(map(_text, _listed(written)))


def _listed(written: object) -> list[str]:
    """Return the parts of a list; `none` is the empty one."""
    if isinstance(written, tuple | list):
        return list(map(str, written))
    if not str(written).strip():
        raise InputError("expected a list such as a,b, or none")
    return [] if str(written).strip() == "none" else str(written).split(",")


def _amount(written: object) -> Amount:
    return Amount.parse(str(written))


_FIELDS: dict[str, tuple[str, Callable[[object], object]]] = {
    "seed": ("setting", _whole),
    "network": ("setting", _text),
    "dataset": ("data", _text),
    "train_examples": ("data", _amount),
    "augmentation": ("data", _text),
    "epochs": ("training", _whole),
    "batch_size": ("training", _whole),
    "lr": ("training", _number),
    "momentum": ("training", _number),
    "weight_decay": ("training", _number),
    "milestones": ("training", _steps),
    "rewind_step": ("training", _step),
    "fine_tune_epochs": ("training", _whole),
    "fine_tune_lr": ("training", _last_or_number),
    "precision": ("training", _text),
    "compile": ("training", _text),
    "epoch_examples": ("training", _amount),
    "trajectory": ("training", _text),
    "prune_fraction": ("pruning", _number),
    "levels": ("pruning", _whole),
    "k": ("analysis", _whole),
    "second_k": ("analysis", _number),
    "trace_probes": ("analysis", _whole),
    "density_probes": ("analysis", _whole),
    "density_steps": ("analysis", _whole),
    "hessian_examples": ("analysis", _amount),
    "directions": ("analysis", _whole),
    "direction_norm": ("analysis", _text),
    "cutoff_margin": ("analysis", _number),
    "points": ("analysis", _whole),
    "grid": ("analysis", _whole),
    "plane": ("analysis", _names),
    "every_level": ("analysis", _names),
    "loss_margin": ("analysis", _number),
    "error_margin": ("analysis", _number),
}


def _spell(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(map(str, value)) or "none"
    return "last" if value is None else str(value)
