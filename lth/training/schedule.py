"""The learning rate at every step, with epochs and shares of the training resolved to iterations."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from lth.errors import InputError
from lth.setting.setting import ScheduleName, TrainingSetting
from lth.training.optimiser import Recipe

_DECAY = 0.1
_LAST = 0.01  # of lr, at which fine-tuning goes on after a schedule that ends at zero


@dataclass(frozen=True)
class Schedule:
    """How long is trained, and with which learning rate at every step."""

    batch_size: int
    iterations_per_epoch: int
    num_iterations: int
    lr: float
    momentum: float
    weight_decay: float
    milestones: tuple[int, ...]  # in iterations; of shape `milestones` alone
    shape: ScheduleName = "milestones"
    warmup: int = 0  # in iterations
    recipe: Recipe = field(default_factory=Recipe)  # of the optimiser, besides its momentum and decay
    cycle: tuple[int, int] | None = None  # steps, the second not included, that are repeated up to the end

    @property
    def num_epochs(self) -> int:
        """Number of epochs, the last one counted whole."""
        return math.ceil(self.num_iterations / self.iterations_per_epoch)

    def lr_at(self, step: int) -> float:
        """Return `lr` times what the shape makes of it at a step, from 0 to the last.

        With N steps, of which the first w warm up, it is (step + 1) / w below w. From there on it is
        10^-(number of milestones at or before step), ½ (1 + cos πt) or 1 - t, with t = (step - w) / (N - w).
        After the end of a cycle it is again what it was at the cycle's first step, and N is the cycle's end.

        Example:
            >>> cosine = Schedule(1, 1, 10, 1.0, 0.9, 0.0, (), shape="cosine", warmup=2)
            >>> [round(cosine.lr_at(step), 2) for step in (0, 1, 2, 6, 9)]
            [0.5, 1.0, 1.0, 0.5, 0.04]
        """
        return self.lr * self._factor(self._in_cycle(step))

    def _in_cycle(self, step: int) -> int:
        if self.cycle is None or step < self.cycle[1]:
            return step
        first, end = self.cycle
        return first + (step - end) % (end - first)

    def _factor(self, step: int) -> float:
        if step < self.warmup:
            return (step + 1) / self.warmup
        end = self.num_iterations if self.cycle is None else self.cycle[1]
        passed = (step - self.warmup) / (end - self.warmup)
        match self.shape:
            case "milestones":
                return _DECAY ** sum(milestone <= step for milestone in self.milestones)
            case "cosine":
                return (1 + math.cos(math.pi * passed)) / 2
            case "linear":
                return 1 - passed
            case "constant":
                return 1.0

    @property
    def last_lr(self) -> float:
        """The learning rate at the end; of a schedule that falls to zero, a hundredth of `lr`."""
        if self.shape in ("cosine", "linear"):
            return self.lr * _LAST
        return self.lr_at(self.num_iterations - 1)

    def constant(self, lr: float, epochs: int) -> Schedule:
        """Return this schedule with one learning rate over `epochs` epochs."""
        steps = epochs * self.iterations_per_epoch
        return replace(self, lr=lr, num_iterations=steps, milestones=(), shape="constant", warmup=0)

    def cyclic(self, first: int, times: int) -> Schedule:
        """Return this schedule, gone through once and then `times` more from step `first` to its end.

        Example:
            >>> falling = Schedule(1, 1, 3, 1.0, 0.9, 0.0, (2,)).cyclic(1, times=2)
            >>> [falling.lr_at(step) for step in range(falling.num_iterations)]
            [1.0, 1.0, 0.1, 1.0, 0.1, 1.0, 0.1]
        """
        end = self.num_iterations
        return replace(self, num_iterations=end + times * (end - first), cycle=(first, end))


def resolve_schedule(training: TrainingSetting, num_examples: int) -> Schedule:
    """Return the schedule of `training` on `num_examples` examples.

    Raises:
        ValueError: If a milestone, the warm-up or the rewind step lies beyond the end.
    """
    iterations_per_epoch = math.ceil(num_examples / training.batch_size)
    by_milestones = training.schedule == "milestones"
    schedule = Schedule(
        batch_size=training.batch_size,
        iterations_per_epoch=iterations_per_epoch,
        num_iterations=training.epochs * iterations_per_epoch,
        lr=training.lr,
        momentum=training.momentum,
        weight_decay=training.weight_decay,
        milestones=tuple(
            step.iterations(iterations_per_epoch, training.epochs)
            for step in (training.milestones if by_milestones else ())
        ),
        shape=training.schedule,
        warmup=training.warmup.iterations(iterations_per_epoch, training.epochs),
        recipe=Recipe(
            optimizer=training.optimizer,
            nesterov=training.nesterov == "on",
            betas=(training.betas[0], training.betas[1]),
            grad_clip=training.grad_clip,
            sam_rho=training.sam_rho,
        ),
    )
    _check_milestones(training, schedule)
    end = schedule.num_iterations
    if schedule.warmup >= end:
        raise InputError(
            f"warmup={training.warmup} is {schedule.warmup} steps, but training ends at step {end}; "
            "shorten it, such as warmup=5%"
        )
    if rewind_iteration(training, schedule) >= end:
        raise InputError(
            f"rewind_step={training.rewind_step} is step {rewind_iteration(training, schedule)}, but training "
            f"ends at step {end}; rewind to one from 0 to {end - 1}, such as rewind_step={end // 2}, or to a "
            "share of it, such as rewind_step=5%"
        )
    return schedule


def _check_milestones(training: TrainingSetting, schedule: Schedule) -> None:
    end = schedule.num_iterations
    for milestone, written in zip(schedule.milestones, training.milestones, strict=False):
        if milestone >= end:
            raise InputError(
                f"milestone {written} is step {milestone}, but training ends at step {end} ({training.epochs} "
                f"epochs of {schedule.iterations_per_epoch}); set milestones within it, as shares of it "
                "(milestones=50%,75%), or `none`"
            )
    if list(schedule.milestones) != sorted(set(schedule.milestones)):
        raise InputError(
            f"milestones={','.join(map(str, training.milestones))} do not rise; write them in order"
        )


def rewind_iteration(training: TrainingSetting, schedule: Schedule) -> int:
    """Return the rewind point k in iterations."""
    return training.rewind_step.iterations(schedule.iterations_per_epoch, training.epochs)


def fine_tune_schedule(training: TrainingSetting, schedule: Schedule) -> Schedule:
    """Return the constant schedule of fine-tuning; by default at the last learning rate of `schedule`."""
    lr = training.fine_tune_lr
    return schedule.constant(schedule.last_lr if lr is None else lr, training.fine_tune_epochs)
