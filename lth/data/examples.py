"""Examples ready for a network: drawn from a data set, on the device, normalised when they are read."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lth.brief import brief
from lth.data.images import ImageData
from lth.randomness import generator
from lth.setting.amount import Amount


@dataclass(frozen=True)
class Examples:
    """Images and labels on one device, with the normalisation that every read applies."""

    images: Tensor  # (n, channels, height, width), raw
    labels: Tensor  # (n,), int64
    mean: Tensor  # (channels, 1, 1), float32
    std: Tensor  # (channels, 1, 1), float32

    __repr__ = brief

    def __len__(self) -> int:
        return len(self.labels)

    def normalise(self, images: Tensor) -> Tensor:
        """Return `(images - mean) / std` in float32."""
        return (images.float() - self.mean) / self.std

    def to(self, device: torch.device) -> Examples:
        """Return the examples on `device`."""
        moved = (tensor.to(device) for tensor in (self.images, self.labels, self.mean, self.std))
        return Examples(*moved)

    def take(self, index: Tensor) -> Examples:
        """Return the examples at `index`, (k,), in that order."""
        index = index.to(self.labels.device)
        return Examples(self.images[index], self.labels[index], self.mean, self.std)


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


def prepare(data: ImageData, amount: Amount, seed: int, device: torch.device) -> TrainingData:
    """Draw the training examples and move both splits to `device`.

    Mean and standard deviation per channel are those of the full training split, so that a subset is
    normalised like the whole.

    Raises:
        ValueError: If more examples are asked for than there are.
    """
    positions = sample(len(data.train_labels), amount, seed, "train_examples")
    mean, std = _channel_statistics(data.train_images)
    mean, std = mean.to(device), std.to(device)
    return TrainingData(
        Examples(data.train_images[positions].to(device), data.train_labels[positions].to(device), mean, std),
        Examples(data.test_images.to(device), data.test_labels.to(device), mean, std),
        positions,
    )


def _channel_statistics(images: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation per channel, (channels, 1, 1), summed in float64 by channel."""
    mean, std = [], []
    for channel in images.unbind(1):
        values = channel.double()
        mean.append(values.mean())
        std.append(values.std(correction=0))
    spread = torch.stack(std)
    spread = torch.where(spread > 0, spread, 1.0)  # a constant channel carries nothing to scale
    shape = (-1, 1, 1)
    return torch.stack(mean).reshape(shape).float(), spread.reshape(shape).float()
