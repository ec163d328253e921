"""Random crops and flips of a whole batch at once, on the device; a function of (seed, epoch)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from lth.data import Examples
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
        height, width = examples.images.shape[-2:]
        self._border = max(1, min(height, width) // 8) if self._crops else 0
        if self._crops:
            padded = pad(examples.images, [self._border] * 4)
            # (n, channels, 2·border+1, 2·border+1, height, width): every crop as a view, nothing copied
            self._windows = padded.unfold(2, height, 1).unfold(3, width, 1)

    def epoch(self, epoch: int) -> EpochAugmentation:
        """Return the draws of `epoch`, the same whenever they are asked for."""
        count, device = len(self._examples), self._examples.labels.device
        stream = generator(self._seed, "augment", epoch)
        row, column = torch.randint(2 * self._border + 1, (2, count), generator=stream).to(device)
        flipped = torch.rand(count, generator=stream).to(device) < 0.5
        return EpochAugmentation(row, column, flipped if self._flips else None)

    def batch(self, index: Tensor, draws: EpochAugmentation) -> tuple[Tensor, Tensor]:
        """Return the augmented, normalised inputs (b, channels, height, width) and labels (b,) at `index`."""
        if self._crops:
            images = self._windows[index, :, draws.row[index], draws.column[index]]
        else:
            images = self._examples.images[index]
        if draws.flipped is not None:
            images = torch.where(draws.flipped[index, None, None, None], images.flip(-1), images)
        return self._examples.normalise(images), self._examples.labels[index]
