"""The network that a trial is of, and the few images that it is tried on."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import nn

from lth.data import TrainingData
from lth.solution.problem import Problem

_BATCH, _LAST_BATCH = 4, 2  # images of the two steps that are tried


@dataclass(frozen=True)
class Subject:
    """The network of a problem, in what all parts of its trial need."""

    problem: Problem

    @property
    def name(self) -> str:
        """The function `package.module:function` that builds it."""
        return self.problem.keys.spec.name

    @property
    def whose(self) -> str:
        """What a message about it begins with."""
        return f"network={self.name}"

    @property
    def device(self) -> torch.device:
        """Where it is trained, and measured first of all."""
        return self.problem.devices[0]

    @property
    def batch(self) -> int:
        """How many images the first step takes."""
        return min(_BATCH, self.problem.schedule.batch_size, len(self.problem.data.train))

    @cached_property
    def few(self) -> TrainingData:
        """As many images as two steps take, the second with fewer, and as many to test."""
        data = self.problem.data
        count = min(len(data.train), self.batch + min(self.batch, _LAST_BATCH))
        if count % self.batch == 1:
            count -= 1  # BatchNorm can't normalise one image, and no training leaves one
        train, test = (
            examples.take(torch.arange(min(count, len(examples)))) for examples in (data.train, data.test)
        )
        return TrainingData(train, test, data.positions[:count])

    def copy(self) -> nn.Module:
        """Return a copy of it where it is trained."""
        return copy.deepcopy(self.problem.network).to(self.device)

    def in_format(self) -> torch.autocast:
        """Compute in the format of its trainings."""
        bf16 = self.problem.keys.computing.precision == "bf16"
        return torch.autocast(self.device.type, torch.bfloat16, enabled=bf16)
