"""The learning rate at every SGD step, with epochs resolved to iterations."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from lth.errors import InputError
from lth.setting.setting import TrainingSetting

_DECAY = 0.1


@dataclass(frozen=True)
class Schedule:
    """SGD with momentum whose learning rate is divided by ten at each milestone."""

    batch_size: int
    iterations_per_epoch: int
    num_iterations: int
    lr: float
    momentum: float
    weight_decay: float
    milestones: tuple[int, ...]  # in iterations

    @property
    def num_epochs(self) -> int:
        """Number of epochs, the last one counted whole."""
        return math.ceil(self.num_iterations / self.iterations_per_epoch)

    def lr_at(self, step: int) -> float:
        """Return `lr · 10^-(number of milestones at or before step)`."""
        return self.lr * _DECAY ** sum(milestone <= step for milestone in self.milestones)

    def constant(self, lr: float, epochs: int) -> Schedule:
        """Return this schedule with one learning rate over `epochs` epochs."""
        return replace(self, lr=lr, num_iterations=epochs * self.iterations_per_epoch, milestones=())


def resolve_schedule(training: TrainingSetting, num_examples: int) -> Schedule:
    """Return the schedule of `training` on `num_examples` examples.

    Raises:
        ValueError: If a milestone or the rewind step lies beyond the end.
    """
    iterations_per_epoch = math.ceil(num_examples / training.batch_size)
    schedule = Schedule(
        batch_size=training.batch_size,
        iterations_per_epoch=iterations_per_epoch,
        num_iterations=training.epochs * iterations_per_epoch,
        lr=training.lr,
        momentum=training.momentum,
        weight_decay=training.weight_decay,
        milestones=tuple(step.iterations(iterations_per_epoch) for step in training.milestones),
    )
    end = schedule.num_iterations
    for milestone, written in zip(schedule.milestones, training.milestones, strict=True):
        if milestone >= end:
            raise InputError(
                f"milestone {written} is step {milestone}, but training ends at step {end} "
                f"({training.epochs} epochs of {iterations_per_epoch}); set milestones within it, or `none`"
            )
    if list(schedule.milestones) != sorted(set(schedule.milestones)):
        raise InputError(
            f"milestones={','.join(map(str, training.milestones))} do not rise; write them in order"
        )
    if rewind_iteration(training, schedule) >= end:
        raise InputError(
            f"rewind_step={training.rewind_step} is step {rewind_iteration(training, schedule)}, but training "
            f"ends at step {end}; rewind to one from 0 to {end - 1}, such as rewind_step={end // 2}"
        )
    return schedule


def rewind_iteration(training: TrainingSetting, schedule: Schedule) -> int:
    """Return the rewind point k in iterations."""
    return training.rewind_step.iterations(schedule.iterations_per_epoch)


def fine_tune_schedule(training: TrainingSetting, schedule: Schedule) -> Schedule:
    """Return the constant schedule of fine-tuning; by default at the last learning rate of `schedule`."""
    lr = training.fine_tune_lr
    if lr is None:
        lr = schedule.lr_at(schedule.num_iterations - 1)
    return schedule.constant(lr, training.fine_tune_epochs)
