"""What every contender of `benchmarks.training` trains, and what it reports."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from lth.data import ImageData
from lth.network import build_network
from lth.network.mask import Mask
from lth.setting.network import NetworkSpec

SPEC = NetworkSpec("resnet20", (3, 32, 32), 10)
_MASK = "mask/"
_STATE = "state/"


@dataclass(frozen=True)
class TrainingSetup:
    """One epoch of masked SGD; images, initial state and mask are in the file `tensors`."""

    tensors: Path
    open_lth: Path | None
    batch_size: int = 128
    lr: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 1e-4
    density: float = 0.8**2  # level 2


@dataclass(frozen=True)
class Problem:
    """The content of `TrainingSetup.tensors`."""

    images: ImageData
    state: dict[str, Tensor]  # of ResNet-20, pruned weights zero; open_lth's names are the same as ours
    mask: dict[str, Tensor]  # bool, by the name of the weight


@dataclass(frozen=True)
class Lap:
    """Seconds that one epoch took, and what was evaluated at its end."""

    steps: float  # everything that is not one of the following
    evaluate_test: float
    evaluate_train: float | None  # of all training images; None: this program does not
    evaluate_some: float | None  # of a tenth of them
    save: float  # of checkpoints
    test_loss: float
    test_accuracy: float


def save_problem(setup: TrainingSetup, images: ImageData) -> None:
    """Draw initial state and mask, and write them with the images to `setup.tensors`."""
    network = build_network(SPEC, 0)
    stream = torch.Generator().manual_seed(0)
    flat = Mask.dense(network).flat()
    kept = torch.randperm(len(flat), generator=stream)[: round(setup.density * len(flat))]
    mask = Mask.dense(network).with_flat(torch.zeros_like(flat).index_fill(0, kept, True))
    state = {name: mask.apply_to(name, tensor) for name, tensor in network.state_dict().items()}
    content = {
        "train_images": images.train_images,
        "train_labels": images.train_labels,
        "test_images": images.test_images,
        "test_labels": images.test_labels,
        **{_STATE + name: tensor for name, tensor in state.items()},
        **{_MASK + name: tensor for name, tensor in mask.keep.items()},
    }
    save_file({name: tensor.contiguous() for name, tensor in content.items()}, setup.tensors)


def load_problem(setup: TrainingSetup) -> Problem:
    """Return what `save_problem` wrote."""
    content = load_file(setup.tensors)
    images = ImageData(
        "cifar10",
        content["train_images"],
        content["train_labels"],
        content["test_images"],
        content["test_labels"],
    )
    return Problem(images, _below(content, _STATE), _below(content, _MASK))


def _below(content: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in content.items() if name.startswith(prefix)}
