"""Examples ready for a network: drawn from a data set, on the device, normalised when they are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lth.brief import brief
from lth.data.images import ImageData
from lth.data.normalisation import Normalisation, Statistics, moved, normalised
from lth.data.tensors import TensorData
from lth.inputs import Inputs, each, mapped, taken
from lth.randomness import generator
from lth.setting.amount import Amount


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
        if isinstance(images, Tensor):
            return normalised(images, self.mean, self.std)
        return mapped(normalised, images, self.mean, self.std)

    @property
    def normalisation(self) -> Normalisation:
        """What `normalise` does, on the CPU."""
        return Normalisation(self.mean, self.std).to(torch.device("cpu"))

    def to(self, device: torch.device) -> Examples:
        """Return the examples on `device`."""
        inputs, mean, std = (moved(each, device) for each in (self.images, self.mean, self.std))
        return Examples(inputs, self.labels.to(device), mean, std)

    def take(self, index: Tensor) -> Examples:
        """Return the examples at `index`, (k,), in that order."""
        index = index.to(self.labels.device)
        return Examples(taken(self.images, index), self.labels[index], self.mean, self.std)


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
    train = Examples(taken(data.train_images, positions), data.train_labels[positions], mean, std)
    return TrainingData(
        train.to(device), Examples(data.test_images, data.test_labels, mean, std).to(device), positions
    )


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
    """Return mean and standard deviation per channel, to broadcast, summed in float64 by channel."""
    mean, std = [], []
    for channel in images.unbind(1):
        values = channel.double()
        mean.append(values.mean())
        std.append(values.std(correction=0))
    spread = torch.stack(std)
    spread = torch.where(spread > 0, spread, 1.0)  # a constant channel carries nothing to scale
    shape = (-1, *[1] * (images.ndim - 2))
    return torch.stack(mean).reshape(shape).float(), spread.reshape(shape).float()
