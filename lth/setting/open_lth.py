"""The defaults of open_lth by their names, and its flags in our words.

open_lth has no default for how far to rewind or how many levels to prune: without `--rewinding_steps` it
rewinds to the start of training. Source: https://github.com/facebookresearch/open_lth.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from lth.errors import InputError
from lth.setting.amount import Amount
from lth.setting.reader import Size
from lth.setting.setting import AnalysisSetting, DataSetting, PruningSetting, Setting, TrainingSetting
from lth.setting.step import Step

_START = Step(0)
_SHARED = {"fine_tune_epochs": 40, "rewind_step": _START}
_CIFAR = TrainingSetting(
    epochs=160,
    batch_size=128,
    lr=0.1,
    momentum=0.9,
    weight_decay=1e-4,
    milestones=(Step.parse("50%"), Step.parse("75%")),  # epochs 80 and 120
    **_SHARED,  # type: ignore[arg-type]
)
_ANALYSIS = AnalysisSetting(k=100, hessian_examples=Amount(0.1))

OPEN_LTH_PRESETS: dict[str, Setting] = {
    "mnist_lenet_300_100": Setting(
        preset="mnist_lenet_300_100",
        network="mnist_lenet_300_100",
        data=DataSetting("mnist", augmentation="none"),
        training=TrainingSetting(
            epochs=40,
            batch_size=128,
            lr=0.1,
            momentum=0.0,
            weight_decay=0.0,
            milestones=(),
            **_SHARED,  # type: ignore[arg-type]
        ),
        pruning=PruningSetting(0.2, levels=10, prune_layers=("default", "-last")),
        analysis=_ANALYSIS,
    ),
    "cifar_resnet_20": Setting(
        preset="cifar_resnet_20",
        network="cifar_resnet_20",
        data=DataSetting("cifar10", augmentation="crop_flip"),
        training=_CIFAR,
        pruning=PruningSetting(0.2, levels=10),
        analysis=_ANALYSIS,
    ),
    "cifar_vgg_16": Setting(
        preset="cifar_vgg_16",
        network="cifar_vgg_16",
        data=DataSetting("cifar10", augmentation="crop_flip"),
        training=_CIFAR,
        pruning=PruningSetting(0.2, levels=10, prune_layers=("default", "-last")),
        analysis=_ANALYSIS,
    ),
    # Images are cut to their middle: open_lth crops a part of each at a random scale, which lth does not.
    "imagenet_resnet_50": Setting(
        preset="imagenet_resnet_50",
        network="imagenet_resnet_50",
        data=DataSetting("imagefolder", augmentation="crop_flip", image_size=Size((224, 224))),
        training=TrainingSetting(
            epochs=90,
            batch_size=1024,
            lr=0.4,
            momentum=0.9,
            weight_decay=1e-4,
            milestones=tuple(map(Step.parse, ("33%", "67%", "89%"))),  # epochs 30, 60 and 80
            warmup=Step.parse("6%"),  # 5 epochs
            **_SHARED,  # type: ignore[arg-type]
        ),
        pruning=PruningSetting(0.2, levels=10),
        analysis=AnalysisSetting(k=100, hessian_examples=Amount(5000)),
    ),
}

# Flags of open_lth whose value is one of ours as it stands, but for the letters of a step.
_SAME = {
    "lr": "lr",
    "momentum": "momentum",
    "weight_decay": "weight_decay",
    "batch_size": "batch_size",
    "milestone_steps": "milestones",
    "warmup_steps": "warmup",
    "rewinding_steps": "rewind_step",
    "pruning_fraction": "prune_fraction",
}
# Flags whose value has another word: by flag and value, what is ours.
_WORDS: Mapping[tuple[str, str], dict[str, str]] = {
    ("optimizer_name", "sgd"): {"optimizer": "sgd"},
    ("gamma", "0.1"): {},
    ("pruning_strategy", "sparse_global"): {"scope": "global"},
    ("pruning_strategy", "sparse_layerwise"): {"scope": "layer"},
    ("pruning_layers_to_ignore", "fc.weight"): {"prune_layers": "default,-last"},
    ("dataset_name", "imagenet"): {"dataset": "imagefolder", "image_size": "224"},
    ("dataset_name", "mnist"): {"dataset": "mnist"},
    ("dataset_name", "cifar10"): {"dataset": "cifar10"},
    ("do_not_augment", "True"): {"augmentation": "none"},
    ("model_init", "kaiming_normal"): {},
    ("batchnorm_init", "uniform"): {},
}
_IGNORED = {"model_name", "data_order_seed"}  # the network is read off its weights; orders are ours
_STEP = re.compile(r"(\d+)it")


def ours(flags: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Return our parameters for flags of open_lth, and the flags that lth has no parameter for.

    Example:
        >>> ours({"lr": "0.1", "rewinding_steps": "1000it", "training_steps": "9ep", "gamma": "0.2"})
        ({'lr': '0.1', 'rewind_step': '1000', 'epochs': '9'}, ['gamma=0.2'])
    """
    found: dict[str, str] = {}
    unknown: list[str] = []
    for flag, value in flags.items():
        if flag in _SAME:
            found[_SAME[flag]] = _STEP.sub(r"\1", value)
        elif flag == "nesterov_momentum":
            found |= {"momentum": value, "nesterov": "on"}
        elif flag == "training_steps" and re.fullmatch(r"\d+ep", value):
            found["epochs"] = value.removesuffix("ep")
        elif (flag, value) in _WORDS:
            found |= _WORDS[flag, value]
        elif flag not in _IGNORED:
            unknown.append(f"{flag}={value}")
    return found, unknown


def preset_for(network: str) -> str:
    """Return the preset of a network of open_lth's, which is that of its family.

    Raises:
        ValueError: If it is none of its families.
    """
    for preset in OPEN_LTH_PRESETS:
        if network.startswith("_".join([*preset.split("_")[:2], ""])):
            return preset
    raise InputError(f"open_lth has no network {network!r}; it has {', '.join(OPEN_LTH_PRESETS)}")
