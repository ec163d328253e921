"""Data sets and networks that users might name, and that lth refuses, or must cope with."""

from dataclasses import replace
from pathlib import Path

import tiny_problem
import torch
from torch import Tensor, nn

from lth.data import ImageData

GOOD = tiny_problem.images(None)


def missing_class(_data_dir: Path | None) -> ImageData:
    keep = GOOD.train_labels != 1
    return replace(GOOD, train_images=GOOD.train_images[keep], train_labels=GOOD.train_labels[keep])


def unknown_test_class(_data_dir: Path | None) -> ImageData:
    return replace(GOOD, test_labels=GOOD.test_labels + 1)


def flat_images(_data_dir: Path | None) -> ImageData:
    return replace(GOOD, train_images=GOOD.train_images.flatten(1))


def double_images(_data_dir: Path | None) -> ImageData:
    return replace(GOOD, train_images=GOOD.train_images.double())


def nan_images(_data_dir: Path | None) -> ImageData:
    images = GOOD.train_images.float()
    images[3, 0, 0, 0] = torch.nan
    return replace(GOOD, train_images=images, test_images=GOOD.test_images.float())


def float_labels(_data_dir: Path | None) -> ImageData:
    return replace(GOOD, train_labels=GOOD.train_labels.float())


def negative_labels(_data_dir: Path | None) -> ImageData:
    return replace(GOOD, train_labels=GOOD.train_labels - 1)


def fewer_labels(_data_dir: Path | None) -> ImageData:
    return replace(GOOD, train_labels=GOOD.train_labels[:-1])


def no_test_split(_data_dir: Path | None) -> ImageData:
    return replace(GOOD, test_images=GOOD.test_images[:0], test_labels=GOOD.test_labels[:0])


def larger_test_images(_data_dir: Path | None) -> ImageData:
    return replace(GOOD, test_images=torch.zeros(24, 1, 7, 7, dtype=torch.uint8))


def one_class(_data_dir: Path | None) -> ImageData:
    return replace(GOOD, train_labels=GOOD.train_labels * 0, test_labels=GOOD.test_labels * 0)


def no_images(_data_dir: Path | None) -> str:
    return "images"


def failing_images(_data_dir: Path | None) -> ImageData:
    raise RuntimeError("the archive is broken")


def nothing_to_prune(_shape: tuple[int, ...], num_classes: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.AdaptiveAvgPool1d(num_classes), nn.BatchNorm1d(num_classes))


def wrong_number_of_outputs(shape: tuple[int, int, int], num_classes: int) -> nn.Module:
    return tiny_problem.network(shape, num_classes + 1)


def wrong_channels(shape: tuple[int, int, int], num_classes: int) -> nn.Module:
    return tiny_problem.network((shape[0] + 1, *shape[1:]), num_classes)


def no_module(_shape: tuple[int, ...], _num_classes: int) -> str:
    return "network"


def failing_network(_shape: tuple[int, ...], _num_classes: int) -> nn.Module:
    raise KeyError("width")


def without_arguments() -> nn.Module:
    return nn.Linear(1, 1)


class _NotFinite(nn.Module):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        return self.network(x) / 0  # type: ignore[no-any-return]


def infinite_outputs(shape: tuple[int, int, int], num_classes: int) -> nn.Module:
    return _NotFinite(tiny_problem.network(shape, num_classes))


def half_precision(shape: tuple[int, int, int], num_classes: int) -> nn.Module:
    return tiny_problem.network(shape, num_classes).double()


class _Breaking(nn.Module):
    """Returns NaN from its seventh training step on."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("steps", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.network(x)
        if not self.training:
            return logits
        self.steps += 1
        return torch.where(self.steps > 6, torch.nan, logits)


def breaking_network(shape: tuple[int, int, int], num_classes: int) -> nn.Module:
    return _Breaking(tiny_problem.network(shape, num_classes))


# What is odd, and works.


def fewer_images(_data_dir: Path | None) -> ImageData:
    return replace(GOOD, train_images=GOOD.train_images[:-3], train_labels=GOOD.train_labels[:-3])


class _Shared(nn.Module):
    """Uses one linear layer twice, under two names."""

    def __init__(self, size: int, num_classes: int) -> None:
        super().__init__()
        self.first = nn.Linear(size, size)
        self.second = self.first
        self.last = nn.Linear(size, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.second(torch.relu(self.first(x.flatten(1)))))
        return self.last(x)  # type: ignore[no-any-return]


def shared_weights(shape: tuple[int, int, int], num_classes: int) -> nn.Module:
    return _Shared(shape[0] * shape[1] * shape[2], num_classes)


def lazy_layers(_shape: tuple[int, ...], num_classes: int) -> nn.Module:
    return nn.Sequential(
        nn.LazyConv2d(4, 3, stride=2), nn.LazyBatchNorm2d(), nn.ReLU(), nn.Flatten(), nn.LazyLinear(num_classes)
    )


def without_batchnorm(shape: tuple[int, int, int], num_classes: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(shape[0], 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, num_classes))


def with_dropout(shape: tuple[int, int, int], num_classes: int) -> nn.Module:
    return nn.Sequential(tiny_problem.network(shape, 8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, num_classes))
