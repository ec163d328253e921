"""What `benchmarks.gpu` trains and measures: ResNet-20 on images of CIFAR-10's size."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import click
import torch
from torch import nn

from lth.data import ImageData, TrainingData, load_images, prepare
from lth.network import Mask, Weights, build_network
from lth.setting.amount import ALL
from lth.setting.network import NetworkSpec
from lth.training.schedule import Schedule
from lth.training.train import TrainingState

T = TypeVar("T")
_TRAIN, _TEST = 50_000, 10_000


class OutOfTimeError(BaseException):
    """A part took longer than it may: no failure of the check that it came in."""


@contextmanager
def check(found: dict[str, Any], name: str) -> Iterator[None]:
    """Note and say that what is done within fails, and go on."""
    try:
        yield
    except Exception as error:
        found.setdefault("failed_checks", {})[name] = traceback.format_exc()
        say(name, f"FAILED: {type(error).__name__}: {error}"[:200])


def say(what: str, value: object) -> None:
    """Print one line of a result."""
    click.echo(f"  {what:<52} {value}")


def timed(work: Callable[[], T]) -> tuple[T, float]:
    """Return what the work returns, and the seconds until the card had done it."""
    torch.cuda.synchronize()
    began = time.perf_counter()
    result = work()
    torch.cuda.synchronize()
    return result, time.perf_counter() - began


def rate(work: Callable[[], object], seconds: float = 1.5) -> float:
    """Return how often a second the work is done, after it was done once."""
    work()
    torch.cuda.synchronize()
    began, count = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        work()
        torch.cuda.synchronize()
        count += 1
    return count / (time.perf_counter() - began)


@dataclass(frozen=True)
class Problem:
    """One network at level 2 of a study, as dense as that, on one device."""

    device: torch.device
    folder: Path | None  # of the images; None: noise
    epochs: int  # of the level's trainings

    spec = NetworkSpec("resnet20", (3, 32, 32), 10)

    @cached_property
    def images(self) -> ImageData:
        """The whole data set."""
        if self.folder is not None:
            loaded = load_images("imagefolder", self.folder)
            assert isinstance(loaded, ImageData)
            return loaded
        stream = torch.Generator().manual_seed(0)
        return ImageData("noise", *_noise(_TRAIN, stream), *_noise(_TEST, stream))

    @cached_property
    def data(self) -> TrainingData:
        """The same on the device."""
        return prepare(self.images, ALL, 0, self.device)

    @property
    def network(self) -> nn.Module:
        """The network, at its initialisation."""
        return build_network(self.spec, 0)

    @property
    def mask(self) -> Mask:
        """A drawn mask as dense as that of level 2."""
        dense = Mask.dense(self.network)
        stream = torch.Generator().manual_seed(1)
        return dense.with_flat(torch.rand(dense.num_prunable, generator=stream) < 0.8**2)

    @property
    def start(self) -> TrainingState:
        """The start of a training under the mask."""
        return TrainingState(Weights.of(self.network), {}, 0).masked(self.mask)

    def schedule(self, epochs: int, batch_size: int = 128) -> Schedule:
        """Return so many epochs as a study trains."""
        an_epoch = -(-len(self.data.train) // batch_size)
        return Schedule(batch_size, an_epoch, epochs * an_epoch, 0.1, 0.9, 1e-4, milestones=())


def _noise(count: int, stream: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Return images, in which the class shows as a brighter row, and their classes."""
    labels = torch.arange(count) % 10
    pixels = torch.randint(0, 200, (count, 3, 32, 32), generator=stream, dtype=torch.uint8)
    pixels[torch.arange(count), :, 3 * labels + 1] += 50
    return pixels, labels
