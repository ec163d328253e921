"""Examples ready for a network: drawn from a data set, on the device, normalised when they are read."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lth.brief import brief
from lth.data.images import ImageData
from lth.data.normalisation import Normalisation, Statistics, moved, normalised
from lth.data.room import has_room
from lth.data.tensors import TensorData
from lth.inputs import Inputs, each, mapped, taken
from lth.randomness import generator
from lth.setting.amount import Amount

_COUNTED = 1024  # examples whose bytes are counted at once


@dataclass(frozen=True)
class Examples:
    """Inputs and targets on one device, with the normalisation that every read applies.

    Of images, inputs are one tensor (n, channels, height, width); of other data one of any shape, or several in
    a tuple or by name, and `mean` and `std` have the same structure. Where they are None an input is read as it
    is, as tokens are.
    """

    images: Inputs  # raw
    labels: Tensor  # (n,), int64; or other targets, (n, ...)
    mean: Statistics  # of each channel, to broadcast against an example, float32
    std: Statistics

    __repr__ = brief

    def __len__(self) -> int:
        return len(self.labels)

    def normalise(self, images: Inputs) -> Any:
        """Return `(images - mean) / std` in float32, and what has no mean as it is."""
        images = moved(images, self.labels.device)
        if isinstance(images, Tensor):
            return normalised(images, self.mean, self.std)
        return mapped(normalised, images, self.mean, self.std)

    def at(self, index: Tensor) -> Any:
        """Return the raw inputs at `index`, (k,), on the device."""
        return moved(taken(self.images, index), self.labels.device)

    @property
    def held_on(self) -> torch.device:
        """Where the raw inputs are: on the device, or on the host if it has no room for them."""
        return next(tensor.device for _, tensor in each(self.images))

    @property
    def normalisation(self) -> Normalisation:
        """What `normalise` does, on the CPU."""
        return Normalisation(self.mean, self.std).to(torch.device("cpu"))

    def to(self, device: torch.device) -> Examples:
        """Return the examples on `device`; raw inputs that a GPU has no room for stay, and move when read."""
        size = sum(tensor.nbytes for _, tensor in each(self.images))
        stays = self.held_on != device and not has_room(device, size)
        inputs = self.images if stays else moved(self.images, device)
        return Examples(inputs, self.labels.to(device), moved(self.mean, device), moved(self.std, device))

    def take(self, index: Tensor) -> Examples:
        """Return the examples at `index`, (k,), in that order; of neighbours nothing is copied."""
        where = _as_range(index)
        if isinstance(where, Tensor):
            where = where.to(self.labels.device)
        return Examples(taken(self.images, where), self.labels[where], self.mean, self.std)


@dataclass(frozen=True)
class TrainingData:
    """What a network is trained on and tested with."""

    train: Examples
    test: Examples
    positions: Tensor  # (len(train),), int64: positions in the full training split, ascending

    __repr__ = brief


def sample(total: int, amount: Amount, seed: int, purpose: str) -> Tensor:
    """Return `amount` of the positions 0…total-1, ascending, sampled without replacement.

    Raises:
        ValueError: If more are asked for than there are.
    """
    count = amount.of(total)
    if count == total:
        return torch.arange(total)
    return torch.randperm(total, generator=generator(seed, "draw", purpose))[:count].sort().values


def prepare(data: ImageData | TensorData, amount: Amount, seed: int, device: torch.device) -> TrainingData:
    """Draw the training examples and move both splits to `device`.

    Mean and standard deviation per channel are those of the full training split, so that a subset is
    normalised like the whole.

    Raises:
        ValueError: If more examples are asked for than there are.
    """
    positions = sample(len(data.train_labels), amount, seed, "train_examples")
    mean, std = _statistics(data)
    train = Examples(data.train_images, data.train_labels, mean, std).take(positions)
    return TrainingData(
        train.to(device), Examples(data.test_images, data.test_labels, mean, std).to(device), positions
    )


def _as_range(index: Tensor) -> Tensor | slice:
    """Return ascending neighbours as a slice; on a GPU nothing waits to see whether they are."""
    if index.device.type != "cpu" or len(index) == 0:
        return index
    first, last = int(index[0]), int(index[-1])
    is_range = first >= 0 and last - first == len(index) - 1 and bool((index.diff() == 1).all())
    return slice(first, last + 1) if is_range else index


def _statistics(data: ImageData | TensorData) -> tuple[Any, Any]:
    """Return mean and standard deviation of every input, None of those that are read as they are."""
    if isinstance(data, ImageData):
        return _channel_statistics(data.train_images)
    found = {
        name: _channel_statistics(tensor) if data.is_normalised(tensor) else (None, None)
        for name, tensor in each(data.train_images)
    }
    if isinstance(data.train_images, Tensor):
        return found[""]
    if isinstance(data.train_images, Mapping):
        return {name: mean for name, (mean, _) in found.items()}, {
            name: std for name, (_, std) in found.items()
        }
    return tuple(mean for mean, _ in found.values()), tuple(std for _, std in found.values())


def _channel_statistics(images: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation per channel, to broadcast, each rounded once from float64."""
    found = [
        _of_bytes(channel) if channel.dtype == torch.uint8 else _of(channel) for channel in images.unbind(1)
    ]
    mean, spread = (torch.tensor(numbers, dtype=torch.float64) for numbers in zip(*found, strict=True))
    spread = torch.where(spread > 0, spread, 1.0)  # a constant channel carries nothing to scale
    shape = (-1, *[1] * (images.ndim - 2))
    return mean.reshape(shape).float(), spread.reshape(shape).float()


def _of(channel: Tensor) -> tuple[float, float]:
    values = channel.double()
    return float(values.mean()), float(values.std(correction=0))


def _of_bytes(channel: Tensor) -> tuple[float, float]:
    """Return both of whole numbers, exact before they are rounded, and so the same in any parts."""
    counts = torch.zeros(256, dtype=torch.int64)
    for part in torch.split(channel, _COUNTED):
        counts += part.flatten().bincount(minlength=256)
    number = [int(count) for count in counts]
    total = sum(number)
    first = sum(value * count for value, count in enumerate(number))
    second = sum(value * value * count for value, count in enumerate(number))
    return first / total, math.sqrt((total * second - first * first) / (total * total))
