"""A level that open_lth trained, imported and measured: how far it went, and how curved it is there.

    python examples/from_open_lth.py open_lth_data/lottery_…/replicate_1/level_3/main

Its images are MNIST's here where they are in `data/`, else noise of the same size.
"""

from __future__ import annotations

import copy
import sys
from pathlib import Path

import torch
from torch import Tensor

import lth
from lth.data import load_images
from lth.measure.curvature import Spectrum
from lth.measure.distance import Distances
from lth.solution.solution import Solution


def examples(solution: Solution, count: int) -> tuple[Tensor, Tensor]:
    """Return raw images with their labels, (count, channels, height, width)."""
    if Path("data", solution.setting.data.dataset.upper()).is_dir():
        data = load_images(solution.setting.data.dataset)
        assert isinstance(data.train_images, Tensor)
        return data.train_images[:count], data.train_labels[:count]
    drawn = torch.Generator().manual_seed(0)
    images = torch.randint(256, (count, *solution.spec.shapes[0]), generator=drawn, dtype=torch.uint8)
    return images, torch.randint(solution.spec.num_classes, (count,), generator=drawn)


def measured(folder: str | Path, count: int = 64, k: int = 3) -> tuple[Solution, Distances, Spectrum]:
    """Return the solution in a folder of open_lth, how far it went in training, and the curvature there."""
    solution = lth.load_open_lth(folder)
    images, labels = examples(solution, count)
    end = solution.network
    start = copy.deepcopy(end)
    solution.initial.load_into(start)
    found = lth.spectrum(end, (solution.normalise(images), labels), k=k, mask=solution.mask)
    return solution, lth.distances({"start": start, "end": end}), found


if __name__ == "__main__":
    level, went, spectrum = measured(sys.argv[1])
    print(level, float(went.euclidean[0, 1]), spectrum.eigenvalues)  # noqa: T201
    assert spectrum.eigenvalues[0] >= spectrum.eigenvalues[-1]
