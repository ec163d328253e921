"""What a study is made with: one small frozen record per stage, checked when it is built.

`Setting` only bundles them; a stage is handed its own record and never the bundle. Their fields are the rows of
`lth.setting.parameter`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from lth.errors import InputError
from lth.setting.amount import Amount
from lth.setting.misspelt import check_known
from lth.setting.parameter import (
    BY_NAME,
    PARAMETERS,
    Result,
    StageName,
    default_of,
    of_stage,
)
from lth.setting.parameter import TENTH as TENTH
from lth.setting.parameter import Augmentation as Augmentation
from lth.setting.parameter import Compile as Compile
from lth.setting.parameter import DirectionNorm as DirectionNorm
from lth.setting.parameter import MatchedLoss as MatchedLoss
from lth.setting.parameter import Precision as Precision
from lth.setting.parameter import Rewind as Rewind
from lth.setting.parameter import ScheduleName as ScheduleName
from lth.setting.parameter import Scope as Scope
from lth.setting.parameter import Snapshots as Snapshots
from lth.setting.parameter import Switch as Switch
from lth.setting.parameter import Vectors as Vectors
from lth.setting.reader import Size, spell, text
from lth.setting.step import Step

AnyStage = TypeVar("AnyStage", bound="Stage")


class Stage:
    """Some parameters: all of a stage, or those alone that decide a result (`restricted`).

    No field has a default on its class, so a parameter that was not handed over can't be read.
    """

    stage: ClassVar[StageName]

    def __init_subclass__(cls, *, stage: StageName) -> None:
        cls.stage = stage

    def __post_init__(self) -> None:
        for parameter in of_stage(self.stage):
            parameter.check(getattr(self, parameter.name))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in vars(self).items())})"

    if not TYPE_CHECKING:  # else every misspelt name would be taken for a parameter

        def __getattr__(self, name: str) -> Any:
            if name not in BY_NAME:
                raise AttributeError(f"{type(self).__name__} has no parameter {name!r}")
            raise AttributeError(
                f"{name} is not declared to decide this result, and its key does not hold it; to read it, "
                f"add the result to the `decides` of {name} in lth/setting/parameter.py"
            )


def restricted(stage: AnyStage, *results: Result) -> AnyStage:
    """Return a stage whose parameters that decide none of the results can't be read.

    Args:
        stage: With every parameter.
        results: What it is read for.
    """
    shown: AnyStage = object.__new__(type(stage))
    for parameter in of_stage(stage.stage):
        if set(results) & set(parameter.decides):
            object.__setattr__(shown, parameter.name, getattr(stage, parameter.name))
    return shown


@dataclass(frozen=True, repr=False)
class DataSetting(Stage, stage="data"):
    """Which examples a network is trained on."""

    dataset: str
    train_examples: Amount = field(default_factory=default_of("train_examples"))
    augmentation: Augmentation = field(default_factory=default_of("augmentation"))
    image_size: Size = field(default_factory=default_of("image_size"))


@dataclass(frozen=True, repr=False)
class TrainingSetting(Stage, stage="training"):
    """How a network is trained: the optimiser, its schedule, and what is kept on the way."""

    epochs: int
    batch_size: int
    lr: float
    momentum: float
    weight_decay: float
    milestones: tuple[Step, ...]
    rewind_step: Step
    fine_tune_epochs: int
    fine_tune_lr: float | None = field(default_factory=default_of("fine_tune_lr"))
    precision: Precision = field(default_factory=default_of("precision"))
    compile: Compile = field(default_factory=default_of("compile"))
    epoch_examples: Amount = field(default_factory=default_of("epoch_examples"))
    trajectory: Snapshots = field(default_factory=default_of("trajectory"))
    loss: str = field(default_factory=default_of("loss"))
    label_smoothing: float = field(default_factory=default_of("label_smoothing"))
    metric: str = field(default_factory=default_of("metric"))
    optimizer: str = field(default_factory=default_of("optimizer"))
    nesterov: Switch = field(default_factory=default_of("nesterov"))
    betas: tuple[float, ...] = field(default_factory=default_of("betas"))
    schedule: ScheduleName = field(default_factory=default_of("schedule"))
    warmup: Step = field(default_factory=default_of("warmup"))
    grad_clip: float = field(default_factory=default_of("grad_clip"))
    sam_rho: float = field(default_factory=default_of("sam_rho"))

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.nesterov == "on" and (self.optimizer != "sgd" or self.momentum == 0):
            raise InputError(
                f"nesterov=on is of optimizer=sgd with momentum, not of optimizer={self.optimizer} "
                f"momentum={self.momentum:g}; leave it off, or set momentum=0.9"
            )
        if self.label_smoothing and self.loss != "cross_entropy":
            raise InputError(
                f"label_smoothing={self.label_smoothing:g} is of loss=cross_entropy, not of loss={self.loss}; "
                "leave it out"
            )


@dataclass(frozen=True, repr=False)
class PruningSetting(Stage, stage="pruning"):
    """How much goes at each level, and how many levels a study has after the dense one."""

    prune_fraction: float = field(default_factory=default_of("prune_fraction"))
    levels: int = field(default_factory=default_of("levels"))
    scope: Scope = field(default_factory=default_of("scope"))
    rewind: Rewind = field(default_factory=default_of("rewind"))
    prune_layers: tuple[str, ...] = field(default_factory=default_of("prune_layers"))


@dataclass(frozen=True, repr=False)
class AnalysisSetting(Stage, stage="analysis"):
    """How finely the geometry of a solution is measured."""

    k: int = field(default_factory=default_of("k"))
    basis_gib: float = field(default_factory=default_of("basis_gib"))
    second_k: float = field(default_factory=default_of("second_k"))
    trace_probes: int = field(default_factory=default_of("trace_probes"))
    density_probes: int = field(default_factory=default_of("density_probes"))
    density_steps: int = field(default_factory=default_of("density_steps"))
    hessian_examples: Amount = field(default_factory=default_of("hessian_examples"))
    directions: int = field(default_factory=default_of("directions"))
    direction_norm: DirectionNorm = field(default_factory=default_of("direction_norm"))
    cutoff_margin: float = field(default_factory=default_of("cutoff_margin"))
    points: int = field(default_factory=default_of("points"))
    grid: int = field(default_factory=default_of("grid"))
    plane: tuple[str, ...] = field(default_factory=default_of("plane"))
    every_level: tuple[str, ...] = field(default_factory=default_of("every_level"))
    methods: tuple[str, ...] = field(default_factory=default_of("methods"))
    own_method: str = field(default_factory=default_of("own_method"))
    matched_loss: MatchedLoss = field(default_factory=default_of("matched_loss"))
    vectors: Vectors = field(default_factory=default_of("vectors"))
    halvings: int = field(default_factory=default_of("halvings"))
    beyond: tuple[str, ...] = field(default_factory=default_of("beyond"))
    rho: tuple[float, ...] = field(default_factory=default_of("rho"))
    volume_directions: int = field(default_factory=default_of("volume_directions"))
    mass_draws: int = field(default_factory=default_of("mass_draws"))
    mass_window: float = field(default_factory=default_of("mass_window"))
    align_points: int = field(default_factory=default_of("align_points"))
    layers: tuple[str, ...] = field(default_factory=default_of("layers"))
    layer_k: int = field(default_factory=default_of("layer_k"))
    loss_margin: float = field(default_factory=default_of("loss_margin"))
    error_margin: float = field(default_factory=default_of("error_margin"))

    def __post_init__(self) -> None:
        super().__post_init__()
        if "own_method" in self.methods and self.own_method == "none":
            raise InputError(
                "methods=own_method, and own_method=none names no function; write "
                "own_method=package.module:function"
            )

    @property
    def all_methods(self) -> tuple[str, ...]:
        """The methods of a study, one of the user's own among them if it names one."""
        own = () if self.own_method == "none" or "own_method" in self.methods else ("own_method",)
        return (*self.methods, *own)

    @property
    def second_cut(self) -> int:
        """How many leading eigenvalues the second log_eig_product is of."""
        return max(1, round(self.second_k * self.k))


@dataclass(frozen=True, repr=False)
class Setting(Stage, stage="setting"):
    """Everything a user chooses about a study, except where it runs."""

    preset: str
    network: str
    data: DataSetting
    training: TrainingSetting
    pruning: PruningSetting
    analysis: AnalysisSetting
    seed: int = field(default_factory=default_of("seed"))

    def flat(self) -> dict[str, str]:
        """Return every parameter by the name and in the spelling a user typed or would type it."""
        written = {row.name: spell(getattr(_record(self, row.stage), row.name)) for row in PARAMETERS}
        return {"preset": self.preset, **written}

    def in_force(self) -> dict[str, str]:
        """Return the same with the epochs that shares of the training mean; see `spelled`."""
        return {"preset": self.preset, **spelled(self)}

    def deciding(self, *results: Result) -> Setting:
        """Return a setting whose parameters that decide none of the results can't be read."""
        shown = restricted(self, *results)
        for stage in (self.data, self.training, self.pruning, self.analysis):
            object.__setattr__(shown, stage.stage, restricted(stage, *results))
        return shown


def spelled(setting: Setting, *results: Result) -> dict[str, str]:
    """Return the parameters in the spelling a user would type them, in the order of the table.

    A share of the training that means the end of an epoch is spelled as that: `77%` of 30 epochs is `23ep`.

    Args:
        setting: With every parameter.
        results: Keeps those alone that decide one of them; without, all are returned.
    """
    return {
        parameter.name: spell(_meant(getattr(_record(setting, parameter.stage), parameter.name), setting))
        for parameter in PARAMETERS
        if not results or set(results) & set(parameter.decides)
    }


def _meant(value: object, setting: Setting) -> object:
    """Return a value whose shares of the training are the epochs that they mean."""
    if isinstance(value, tuple) and not isinstance(value, Size):
        return tuple(_meant(each, setting) for each in value)
    return value.of(setting.training.epochs) if isinstance(value, Step) else value


def _record(setting: Setting, stage: StageName) -> Stage:
    records: dict[StageName, Stage] = {
        "setting": setting,
        "data": setting.data,
        "training": setting.training,
        "pruning": setting.pruning,
        "analysis": setting.analysis,
    }
    return records[stage]


def setting_from_flat(content: Mapping[str, object]) -> Setting:
    """Return the setting that `Setting.flat` wrote, in this version or an earlier one.

    How a solution is measured does not make it another: what an earlier version did not know of measuring
    takes its default; what it did not know of training is what it did.

    Raises:
        ValueError: If a field is missing, unknown or out of range.
    """
    needed = {row.name for row in PARAMETERS if row.stage != "analysis" and row.before is None}
    missing = {"preset", *needed} - content.keys()
    if odd := sorted(missing | (content.keys() - {"preset", *BY_NAME})):
        raise InputError(f"not a setting of this version of lth: {', '.join(odd)} missing or unknown")
    before = {row.name: row.before for row in PARAMETERS if row.before is not None}
    stages = _by_stage({**before, **{name: content[name] for name in BY_NAME if name in content}})
    return Setting(
        preset=text(content["preset"]),
        data=DataSetting(**stages["data"]),
        training=TrainingSetting(**stages["training"]),
        pruning=PruningSetting(**stages["pruning"]),
        analysis=AnalysisSetting(**stages.get("analysis", {})),
        **stages["setting"],
    )


def with_overrides(setting: Setting, overrides: Mapping[str, object]) -> Setting:
    """Return `setting` with the named fields replaced; values may be text, as typed on a command line.

    Raises:
        ValueError: If a name is unknown, or a value can't be read or is out of range.
    """
    check_known(overrides, BY_NAME)
    changes = _by_stage(overrides)
    top = changes.pop("setting", {})
    stages = {stage: replace(getattr(setting, stage), **fields) for stage, fields in changes.items()}
    return replace(setting, **top, **stages)


def _by_stage(written: Mapping[str, object]) -> dict[StageName, dict[str, Any]]:
    """Return the values that are written, by stage and name."""
    stages: dict[StageName, dict[str, Any]] = {}
    for name, value in written.items():
        stages.setdefault(BY_NAME[name].stage, {})[name] = BY_NAME[name].parse(value)
    return stages
