"""An even sample of a data set, in memory."""

from __future__ import annotations

from pathlib import Path

import click
import torch
from torch import Tensor

from lth.data import ImageData, load_images


def sample(dataset: str, directory: Path | None, train: int, test: int) -> ImageData:
    """Return `train` and `test` images of a data set, spread evenly over it, so that all classes occur.

    Raises:
        click.ClickException: If there are fewer, or they are not 32 × 32 in colour with ten classes.
    """
    try:
        whole = load_images(dataset, directory)
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    if whole.input_shape != (3, 32, 32) or whole.num_classes != 10:
        raise click.ClickException(
            f"{whole.name} has images {whole.input_shape} in {whole.num_classes} classes; take CIFAR-10"
        )
    train_index, test_index = _spread(len(whole.train_labels), train), _spread(len(whole.test_labels), test)
    assert isinstance(whole, ImageData)  # of named inputs there are none in three channels
    return ImageData(
        whole.name,
        whole.train_images[train_index],
        whole.train_labels[train_index],
        whole.test_images[test_index],
        whole.test_labels[test_index],
    )


def _spread(total: int, count: int) -> Tensor:
    if not 0 < count <= total:
        raise click.ClickException(f"{count} images were asked for, of {total}")
    return torch.arange(count) * total // count
