"""The named settings a study starts from; every field can be overridden."""

from __future__ import annotations

from collections.abc import Mapping

from lth.errors import InputError
from lth.setting.amount import ALL, Amount
from lth.setting.choice import value_meant
from lth.setting.open_lth import OPEN_LTH_PRESETS
from lth.setting.parameter import Result
from lth.setting.setting import (
    AnalysisSetting,
    DataSetting,
    PruningSetting,
    Setting,
    TrainingSetting,
    spelled,
    with_overrides,
)
from lth.setting.step import Step

DEFAULT_PRESET = "digits"

# The schedule of docs/protocol.md, section 2, which the field uses for CIFAR networks.
_CIFAR_TRAINING = TrainingSetting(
    epochs=160,
    batch_size=128,
    lr=0.1,
    momentum=0.9,
    weight_decay=1e-4,
    milestones=(Step.parse("50%"), Step.parse("75%")),
    rewind_step=Step(1000),  # of the paper, whatever the training's length
    fine_tune_epochs=40,
)

PRESETS: dict[str, Setting] = {
    # Small enough for three seeds of the study to take minutes on two cores, and trained to a loss near zero.
    "digits": Setting(
        preset="digits",
        network="resnet8-w8",
        data=DataSetting("digits", augmentation="crop"),
        training=TrainingSetting(
            epochs=30,
            batch_size=64,
            lr=0.1,
            momentum=0.9,
            weight_decay=1e-4,
            milestones=(Step.parse("50%"), Step.parse("77%")),  # epochs 15 and 23
            rewind_step=Step.parse("7%"),  # epoch 2
            fine_tune_epochs=8,
            precision="fp32",  # with 8 channels bf16 is no faster
            epoch_examples=ALL,
        ),
        pruning=PruningSetting(0.2, levels=4),
        analysis=AnalysisSetting(k=20, hessian_examples=Amount(0.1), directions=12, points=21, grid=21),
    ),
    # Embedded as the digits are, and all that these are not: tokens, attention, AdamW and warm-up.
    "topics": Setting(
        preset="topics",
        network="transformer2-w32",
        data=DataSetting("topics", train_examples=Amount(2048)),
        training=TrainingSetting(
            epochs=20,
            batch_size=64,
            lr=0.003,
            momentum=0.9,
            weight_decay=0.1,
            milestones=(),
            rewind_step=Step.parse("10%"),  # epoch 2, where the warm-up ends
            fine_tune_epochs=5,
            precision="fp32",
            epoch_examples=Amount(512),
            optimizer="adamw",
            schedule="cosine",
            warmup=Step.parse("10%"),
            grad_clip=1.0,
        ),
        pruning=PruningSetting(0.2, levels=3),
        analysis=AnalysisSetting(k=10, hessian_examples=Amount(64), directions=8, points=15, grid=15),
    ),
    "resnet20-cifar10": Setting(
        preset="resnet20-cifar10",
        network="resnet20",
        data=DataSetting("cifar10", augmentation="crop_flip"),
        training=_CIFAR_TRAINING,
        pruning=PruningSetting(0.2, levels=10),
        analysis=AnalysisSetting(k=100, hessian_examples=Amount(0.1)),
    ),
    "vgg16-cifar10": Setting(
        preset="vgg16-cifar10",
        network="vgg16",
        data=DataSetting("cifar10", augmentation="crop_flip"),
        training=_CIFAR_TRAINING,
        pruning=PruningSetting(0.2, levels=13),
        analysis=AnalysisSetting(k=100, hessian_examples=Amount(0.05)),
    ),
    "resnet20-fashion-mnist": Setting(
        preset="resnet20-fashion-mnist",
        network="resnet20",
        data=DataSetting("fashion-mnist", augmentation="crop_flip"),
        training=_CIFAR_TRAINING,
        pruning=PruningSetting(0.2, levels=10),
        analysis=AnalysisSetting(k=100, hessian_examples=Amount(0.1)),
    ),
    **OPEN_LTH_PRESETS,
}


def resolve(preset: str, overrides: Mapping[str, object]) -> Setting:
    """Return the setting of `preset` with `overrides` applied.

    Raises:
        ValueError: If the preset or a parameter is unknown, or a value is unreadable or out of range.
    """
    if preset not in PRESETS:
        close = value_meant(preset, PRESETS)
        hint = f"did you mean {close}?" if close is not None else f"choose one of {', '.join(PRESETS)}"
        raise InputError(f"preset={preset!r} is unknown; {hint}")
    return with_overrides(PRESETS[preset], overrides)


def standard_of(setting: Setting) -> dict[str, str]:
    """Return the parameters of a setting's preset, its shares of the training those of the setting's."""
    standard = PRESETS[setting.preset]
    as_long = with_overrides(standard, {"epochs": setting.training.epochs})
    return {**spelled(as_long), "epochs": str(standard.training.epochs)}


def changes_from_preset(setting: Setting) -> str:
    """Return the training parameters in which `setting` departs from its preset, as `name=value …`.

    Empty where it departs in none. The seed and what only measures are left out.
    """
    standard = standard_of(setting)
    changed = {name: value for name, value in spelled(setting, *_WEIGHTS).items() if value != standard[name]}
    return " ".join(f"{name}={value}" for name, value in sorted(changed.items()) if name != "seed")


def title_of(setting: Setting) -> str:
    """Return what a study is called: its preset, or network and data where they are others than its preset's.

    Example:
        >>> title_of(resolve("digits", {"lr": "0.2"}))
        'digits · lr=0.2'
        >>> title_of(resolve("digits", {"lr": "0.2", "network": "mine.zoo:net"}))
        'zoo:net on digits · lr=0.2'
    """
    standard, changes = PRESETS[setting.preset], changes_from_preset(setting)
    network, dataset = (name.rpartition(".")[2] for name in (setting.network, setting.data.dataset))
    if (setting.network, setting.data.dataset) == (standard.network, standard.data.dataset):
        return " · ".join(filter(None, (setting.preset, changes)))
    others = [each for each in changes.split() if not each.startswith(("network=", "dataset="))]
    return " · ".join(filter(None, (f"{network} on {dataset}", " ".join(others))))


_WEIGHTS: tuple[Result, ...] = ("problem", "solutions", "sparse", "fine_tune")
