"""A problem small enough to study in seconds, reached by name as a user's own would be."""

from pathlib import Path

import torch
from torch import Tensor, nn

from lth.data import ImageData
from lth.setting.preset import resolve
from lth.solution.problem import Problem, set_up
from lth.study.study import Study
from lth.tracking.store import Store

PARAMETERS = {
    "dataset": "tiny_problem:images",
    "network": "tiny_problem:network",
    "epochs": "3",
    "batch_size": "16",
    "milestones": "2ep",
    "rewind_step": "2",
    "fine_tune_epochs": "1",
    "levels": "2",
    "k": "3",
    "hessian_examples": "16",
    "directions": "2",
    "points": "3",
    "grid": "3",
}
OPTIONS = [f"--{name}={value}" for name, value in PARAMETERS.items()]


def images(_data_dir: Path | None) -> ImageData:
    """Return 48 training and 24 test images of three classes that a small network can tell apart."""
    stream = torch.Generator().manual_seed(0)

    def split(count: int) -> tuple[Tensor, Tensor]:
        labels = torch.arange(count) % 3
        pixels = torch.randint(0, 120, (count, 1, 6, 6), generator=stream)
        pixels[torch.arange(count), 0, 2 * labels] += 100
        return pixels.to(torch.uint8), labels

    return ImageData("tiny", *split(48), *split(24))


def network(input_shape: tuple[int, int, int], num_classes: int) -> nn.Module:
    """Return a convolution with BatchNorm and a linear layer: 48 prunable weights for three classes."""
    return nn.Sequential(
        nn.Conv2d(input_shape[0], 4, 3, stride=2, bias=False),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(4, num_classes),
    )


class _Branching(nn.Module):
    """Depends on its data in a way that can't be exported."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.network(x)
        return logits if logits.sum().item() > 0 else logits * 1.0


class _PartlyUnused(nn.Module):
    """Flattens by `view`, and has a frozen and an unused layer."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.frozen = nn.Conv2d(1, 1, 3, stride=2, bias=False).requires_grad_(False)
        self.fc = nn.Linear(4, num_classes)
        self.unused = nn.Linear(47, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.frozen(x).view(x.size(0), -1))  # type: ignore[no-any-return]


def branching_network(input_shape: tuple[int, int, int], num_classes: int) -> nn.Module:
    """Return a network that torch.export can't trace."""
    return _Branching(network(input_shape, num_classes))


def partly_unused_network(_input_shape: tuple[int, int, int], num_classes: int) -> nn.Module:
    """Return a network with 68 prunable weights, of which 9 are frozen and 47 unused."""
    return _PartlyUnused(num_classes)


def make_problem(**overrides: str) -> Problem:
    """Return the tiny problem made concrete, with some parameters changed."""
    setting = resolve("digits", {**PARAMETERS, **overrides})
    return set_up(setting, images(None), torch.device("cpu"))


def make_study(said: list[str] | None = None, **overrides: str) -> Study:
    """Return a study of the tiny problem on the present tracking store; what it says goes into `said`."""
    return Study(make_problem(**overrides), Store(), say=(said if said is not None else []).append)
