"""Masked SGD from any state to the end of a schedule, the same bits for the same arguments.

Pruned weights stay exactly zero because they start at zero and their gradients are set to zero before each
step: momentum and weight decay of a zero with zero gradient are zero. The order of the data and its
augmentation are functions of (seed, epoch), so training on from a kept state retraces what led away from it.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from lth.augment import Augmenter
from lth.data import TrainingData
from lth.evaluate import Evaluation, Evaluator
from lth.mask import Mask
from lth.network import fastest_memory_format
from lth.precision import full_float32
from lth.progress import progress
from lth.randomness import generator, restored, seed_global
from lth.schedule import Schedule
from lth.setting import Augmentation, Precision, Snapshots
from lth.weights import Weights


class TrainingDivergedError(ArithmeticError):
    """A loss became NaN or infinite."""


@dataclass(frozen=True)
class TrainingState:
    """Everything SGD needs to go on from a step."""

    weights: Weights
    momentum: Mapping[str, Tensor]  # by parameter name; empty: all zero
    step: int  # iterations of the schedule already taken

    def masked(self, mask: Mask) -> TrainingState:
        """Return the state with the pruned weights and their momentum exactly zero."""
        momentum = {name: mask.apply_to(name, buffer) for name, buffer in self.momentum.items()}
        return TrainingState(mask.apply(self.weights), momentum, self.step)


@dataclass(frozen=True)
class EpochRecord:
    """What is known at the end of an epoch; `epoch` counts those finished, 0 is before the first."""

    epoch: int
    train: Evaluation  # without augmentation, BatchNorm in evaluation mode
    test: Evaluation


@dataclass(frozen=True)
class Training:
    """The end of a training, and the state captured on the way."""

    final: Weights
    captured: TrainingState | None
    history: tuple[EpochRecord, ...]


@dataclass(frozen=True)
class Procedure:
    """How examples become gradients, besides the schedule."""

    augmentation: Augmentation
    precision: Precision
    seed: int  # of the data order and augmentation


def snapshot_epochs(snapshots: Snapshots, num_epochs: int) -> frozenset[int]:
    """Return after which epochs weights are kept: none, powers of two and the last, or every one."""
    if snapshots == "none":
        return frozenset()
    if snapshots == "every":
        return frozenset(range(1, num_epochs + 1))
    return frozenset([2**i for i in range(num_epochs.bit_length()) if 2**i < num_epochs] + [num_epochs])


def train(
    network: nn.Module,
    start: TrainingState,
    mask: Mask,
    data: TrainingData,
    schedule: Schedule,
    procedure: Procedure,
    *,
    capture_at: int | None = None,
    on_epoch: Callable[[EpochRecord, Callable[[], Weights]], None] | None = None,
    label: str = "training",
) -> Training:
    """Train a copy of `network` from `start` to the end of `schedule`.

    Args:
        network: Gives the structure; neither it nor its state is touched.
        start: Weights, momentum and step; pruned weights must be zero already.
        mask: The weights that may move.
        data: Training and test examples, on the device to train on.
        schedule: Learning rates and the last step.
        procedure: Augmentation, precision and the seed of the data order.
        capture_at: The step whose state is returned as `captured` (the rewind point).
        on_epoch: Called at the end of every epoch, the start too if it is one, with its record, and with a
            function that returns a copy of the weights.
        label: What the progress bar says.

    Raises:
        ValueError: If `start` is not zero where it is pruned, or lies beyond the end of `schedule`.
        TrainingDivergedError: If a loss becomes NaN or infinite.
    """
    _check_start(start, mask, schedule)
    assert schedule.iterations_per_epoch == math.ceil(len(data.train) / schedule.batch_size)
    device = data.train.labels.device
    run = _Run(network, start, mask, schedule, device)
    evaluate_train, evaluate_test = Evaluator(network, data.train), Evaluator(network, data.test)
    history: list[EpochRecord] = []

    def record(epoch: int) -> None:
        weights = run.weights()
        history.append(EpochRecord(epoch, evaluate_train(weights), evaluate_test(weights)))
        _check_finite(history[-1].train.loss, run.step, schedule, "training loss")
        _check_finite(history[-1].test.loss, run.step, schedule, "test loss")
        if on_epoch is not None:
            on_epoch(history[-1], lambda: weights.map(torch.clone))

    captured = None
    augmenter = Augmenter(data.train, procedure.augmentation, procedure.seed)
    first, into_epoch = divmod(start.step, schedule.iterations_per_epoch)
    if into_epoch == 0:  # else the start belongs to no epoch's end
        record(first)
    for epoch in progress(range(first, schedule.num_epochs), label):
        order = torch.randperm(len(data.train), generator=generator(procedure.seed, "order", epoch)).to(device)
        draws = augmenter.epoch(epoch)
        total_loss = torch.zeros((), device=device)
        with restored(device), full_float32():  # an epoch at a time: reading a GPU's random state waits for it
            for position, index in enumerate(torch.split(order, schedule.batch_size)):
                step = epoch * schedule.iterations_per_epoch + position
                if step < start.step or step >= schedule.num_iterations:
                    continue
                if step == capture_at:
                    captured = run.state()
                inputs, labels = augmenter.batch(index, draws)
                seed_global(device, procedure.seed, "forward", step)
                total_loss += run.take_step(inputs, labels, procedure.precision)
        _check_finite(total_loss.item(), run.step, schedule, "loss of a batch")
        record(epoch + 1)
    return Training(run.weights(), captured, tuple(history))


class _Run:
    """A private copy of the network and its optimiser, moving along the schedule."""

    def __init__(
        self, network: nn.Module, start: TrainingState, mask: Mask, schedule: Schedule, device: torch.device
    ) -> None:
        self._network = copy.deepcopy(network)
        start.weights.load_into(self._network)
        self._layout = fastest_memory_format(network)
        self._network.to(device).to(memory_format=self._layout).train()
        self._schedule = schedule
        self.step = start.step
        self._parameters = dict(self._network.named_parameters())
        self._optimiser = torch.optim.SGD(
            self._parameters.values(),
            lr=schedule.lr,
            momentum=schedule.momentum,
            weight_decay=schedule.weight_decay,
        )
        for name, momentum in start.momentum.items():
            parameter = self._parameters[name]
            self._optimiser.state[parameter]["momentum_buffer"] = torch.empty_like(parameter).copy_(momentum)
        self._masked = [
            (self._parameters[name], torch.empty_like(self._parameters[name]).copy_(kept).detach())
            for name, kept in mask.keep.items()
            if not bool(kept.all())
        ]

    def take_step(self, inputs: Tensor, labels: Tensor, precision: Precision) -> Tensor:
        """Take one SGD step and return the loss of its batch, detached, on the device."""
        for group in self._optimiser.param_groups:
            group["lr"] = self._schedule.lr_at(self.step)
        with torch.autocast(inputs.device.type, torch.bfloat16, enabled=precision == "bf16"):
            loss = cross_entropy(self._network(inputs.contiguous(memory_format=self._layout)), labels)
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        for parameter, keep in self._masked:
            if parameter.grad is not None:
                parameter.grad.mul_(keep)
        self._optimiser.step()
        self.step += 1
        return loss.detach().float()

    def weights(self) -> Weights:
        return Weights.of(self._network)

    def state(self) -> TrainingState:
        momentum = {
            name: self._optimiser.state[parameter]["momentum_buffer"].clone(
                memory_format=torch.contiguous_format
            )
            for name, parameter in self._parameters.items()
            if "momentum_buffer" in self._optimiser.state[parameter]
        }
        return TrainingState(self.weights(), momentum, self.step)


def _check_start(start: TrainingState, mask: Mask, schedule: Schedule) -> None:
    if start.step >= schedule.num_iterations:
        raise ValueError(f"training starts at step {start.step}, but ends at step {schedule.num_iterations}")
    for name, kept in mask.keep.items():
        momentum = start.momentum.get(name)
        for what, tensor in (("weight", start.weights.parameters[name]), ("momentum", momentum)):
            if tensor is not None and bool(tensor.cpu()[~kept].any()):
                raise ValueError(f"a pruned {what} of {name} is not zero; use TrainingState.masked")


def _check_finite(loss: float, step: int, schedule: Schedule, what: str) -> None:
    if not math.isfinite(loss):
        raise TrainingDivergedError(
            f"the {what} became {loss} by step {step} (lr {schedule.lr_at(max(step - 1, 0)):g}); "
            "lower lr, or use precision=fp32"
        )
