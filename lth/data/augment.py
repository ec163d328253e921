"""Random crops and flips of a whole batch at once, on the device; a function of (seed, epoch)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from lth.data import Examples
from lth.data.room import has_room
from lth.errors import InputError
from lth.randomness import generator
from lth.setting.setting import Augmentation


@dataclass(frozen=True)
class EpochAugmentation:
    """What happens to every example in one epoch; all tensors are (n,), on the device."""

    row: Tensor
    column: Tensor
    flipped: Tensor | None


class Augmenter:
    """Crop out of a zero border of an eighth of the side (4 pixels of 32), and flip half of the images.

    The border is added to the raw pixels before normalisation, as torchvision's RandomCrop does.
    """

    def __init__(self, examples: Examples, augmentation: Augmentation, seed: int) -> None:
        self._examples = examples
        self._seed = seed
        self._crops = augmentation in ("crop", "crop_flip")
        self._flips = augmentation == "crop_flip"
        self._border = 0
        self._windows: Tensor | None = None
        if self._crops:
            images = examples.images
            assert isinstance(images, Tensor)  # `check_augmentation`
            self._border = max(1, min(images.shape[-2:]) // 8)
            if images.device.type != "cpu" and has_room(images.device, 2 * images.nbytes):
                self._windows = self._windows_of(images)  # once for all: a GPU waits for launches

    def _windows_of(self, images: Tensor) -> Tensor:
        """Return all crops, (n, channels, 2·border+1, 2·border+1, height, width), views of a bordered copy."""
        height, width = images.shape[-2:]
        return pad(images, [self._border] * 4).unfold(2, height, 1).unfold(3, width, 1)

    def epoch(self, epoch: int) -> EpochAugmentation:
        """Return the draws of `epoch`, the same whenever they are asked for."""
        count, device = len(self._examples), self._examples.labels.device
        stream = generator(self._seed, "augment", epoch)
        row, column = torch.randint(2 * self._border + 1, (2, count), generator=stream).to(device)
        flipped = torch.rand(count, generator=stream).to(device) < 0.5
        return EpochAugmentation(row, column, flipped if self._flips else None)

    def batch(self, index: Tensor, draws: EpochAugmentation) -> tuple[Any, Tensor]:
        """Return the augmented, normalised inputs and the labels at `index`, (b, …)."""
        if self._windows is not None:
            images = self._windows[index, :, draws.row[index], draws.column[index]]
        elif self._crops:
            windows = self._windows_of(self._examples.at(index))
            place = torch.arange(len(index), device=windows.device)
            images = windows[place, :, draws.row[index], draws.column[index]]
        else:
            images = self._examples.at(index)
        if draws.flipped is not None:
            images = torch.where(draws.flipped[index, None, None, None], images.flip(-1), images)
        return self._examples.normalise(images), self._examples.labels[index]


def check_augmentation(examples: Examples, augmentation: Augmentation) -> None:
    """Check that examples are such as can be cropped and flipped.

    Raises:
        ValueError: If they are no images.
    """
    if augmentation != "none" and not (isinstance(examples.images, Tensor) and examples.images.ndim == 4):
        raise InputError(f"augmentation={augmentation} is of images, and these are none; set augmentation=none")
