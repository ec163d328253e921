"""Masked training from any state to the end of a schedule, the same bits for the same arguments and threads.

Pruned weights start at zero, and `MaskedOptimiser` leaves them there. The order of the data and its
augmentation are functions of (seed, epoch), so training on from a kept state retraces what led away from it.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from lth.bar import progress
from lth.brief import brief
from lth.data import TrainingData
from lth.data.augment import Augmenter
from lth.data.examples import sample
from lth.errors import InputError, MendableError
from lth.inputs import Inputs, called, mapped
from lth.network.layout import fastest_memory_format, is_ours
from lth.network.mask import Mask
from lth.network.weights import Weights
from lth.randomness import generator, restored, seed_global
from lth.setting.amount import ALL, Amount
from lth.setting.setting import Augmentation, Snapshots
from lth.training.batchnorm import StatisticsEstimator
from lth.training.capture import CapturedStep, has_graphs, warn_launched
from lth.training.compilation import compiled, compiling
from lth.training.determinism import repeatable
from lth.training.evaluate import Evaluation, Evaluator
from lth.training.interruption import held_back
from lth.training.moving import Moved, Movement, Mover
from lth.training.objective import CROSS_ENTROPY, Objective, told
from lth.training.optimiser import MaskedOptimiser, masked_state, unmasked_state
from lth.training.own_gradients import OwnGradients, why_not
from lth.training.precision import Format, full_float32
from lth.training.schedule import Schedule
from lth.training.sharpness import at_highest_nearby
from lth.training.threads import threads, threads_for

LossOf = Callable[[Inputs, Tensor], Tensor]  # of normalised inputs and labels

_RESTATED = 10_000  # examples that BatchNorm's statistics are estimated of anew; as SAFE's code has it


class TrainingDivergedError(MendableError, ArithmeticError):
    """A loss became NaN or infinite."""


@dataclass(frozen=True)
class TrainingState:
    """Everything an optimiser needs to go on from a step."""

    weights: Weights
    momentum: Mapping[str, Tensor]  # of SGD, by parameter name; empty: all zero
    step: int  # iterations of the schedule already taken
    held: Mapping[str, Tensor] = field(default_factory=dict)  # by other optimisers: `MaskedOptimiser.held`

    __repr__ = brief

    def masked(self, mask: Mask) -> TrainingState:
        """Return the state with the pruned weights, their momentum and moments exactly zero."""
        momentum = {name: mask.apply_to(name, buffer) for name, buffer in self.momentum.items()}
        return TrainingState(mask.apply(self.weights), momentum, self.step, masked_state(self.held, mask))


@dataclass(frozen=True)
class EpochRecord:
    """What is known at the end of an epoch; `epoch` counts those finished, 0 is before the first."""

    epoch: int
    train: Evaluation  # without augmentation, BatchNorm in evaluation mode
    test: Evaluation


@dataclass(frozen=True)
class Progress:
    """A training under way, between two steps: what it takes to go on as if it had never stopped."""

    state: TrainingState
    captured: TrainingState | None
    history: tuple[EpochRecord, ...]
    moved: Moved | None = None  # of a training whose mask moves

    __repr__ = brief


class Keeper(Protocol):
    """Keeps the progress of a training, for it to go on from."""

    def is_due(self) -> bool:
        """Say whether to keep the progress now; asked after every step, so it must cost nothing."""

    def keep(self, progress: Progress) -> None:
        """Keep it. An interruption waits until that is done."""


@dataclass(frozen=True)
class Training:
    """The end of a training, and the state captured on the way."""

    final: Weights
    captured: TrainingState | None
    history: tuple[EpochRecord, ...]
    mask: Mask  # under which it ended

    __repr__ = brief


@dataclass(frozen=True)
class Procedure:
    """How examples become gradients, and what is recorded, besides the schedule."""

    augmentation: Augmentation
    precision: Format
    seed: int  # of the data order and augmentation
    compiled: bool = False  # the step by torch.compile; another rounding
    epoch_examples: Amount = ALL  # training examples that all records but the last are of, in `precision`
    objective: Objective = CROSS_ENTROPY  # what is minimised, and what is recorded beside it


def has_parts_of_users(network: nn.Module, schedule: Schedule, objective: Objective) -> bool:
    """Return whether a user wrote a part of a training's steps.

    Ours compute the same each time and wait for nothing, so that a whole step is captured as one graph; what a
    user's does in Python would be lost, and has to be tried (`lth.training.own_gradients`).

    Example:
        >>> from lth.network import build_network
        >>> from lth.setting.network import NetworkSpec
        >>> steps = Schedule(10, 5, 10, 0.1, 0.9, 0.0, ())
        >>> ours = build_network(NetworkSpec("resnet8-w8", (3, 8, 8), 4), 0)
        >>> [has_parts_of_users(network, steps, Objective()) for network in (ours, nn.Linear(2, 2))]
        [False, True]
    """
    return not is_ours(network) or schedule.recipe.is_own or objective.is_own


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
    movement: Movement | None = None,
    capture_at: int | None = None,
    until: int | None = None,
    resumed: Progress | None = None,
    keeper: Keeper | None = None,
    on_epoch: Callable[[EpochRecord, Weights], None] | None = None,
    label: str = "training",
) -> Training:
    """Train a copy of `network` from `start` to the end of `schedule`, on as many threads as it is worth.

    Args:
        network: Gives the structure; neither it nor its state is touched.
        start: Weights, momentum and step; pruned weights must be zero already.
        mask: The weights that may move, or with a `movement` those that may at first.
        data: Training and test examples, on the device to train on.
        schedule: Learning rates and the last step.
        procedure: Augmentation, precision, compilation, the seed of the data order, and what is recorded.
        movement: How the mask moves; by default it stays.
        capture_at: The step whose state is returned as `captured` (the rewind point).
        until: The step to end at, instead of the schedule's last; the rates are those of the whole schedule.
        resumed: Go on from here; everything else as it was in the training that kept it.
        keeper: Is given the progress when it says so, and when the training is interrupted.
        on_epoch: Called at the end of every epoch, the start too if it is one, with its record and weights;
            again for the last one kept, if a training was interrupted before it could keep that record.
        label: What the progress bar says.

    Raises:
        ValueError: If `start` is not zero where it is pruned, or lies beyond the end of `schedule`.
        TrainingDivergedError: If a loss becomes NaN or infinite. Such progress is never kept.
        KeyboardInterrupt: If it is interrupted, after its progress was kept.
    """
    _check_start(start, mask, schedule)
    assert schedule.iterations_per_epoch == math.ceil(len(data.train) / schedule.batch_size)
    with (
        repeatable(data.train.labels.device),
        threads(threads_for(network, data.train, schedule.batch_size)),
        compiling() if procedure.compiled else nullcontext(),
    ):
        return _train(
            network,
            start,
            mask,
            data,
            schedule,
            procedure,
            movement,
            capture_at,
            until,
            resumed,
            keeper,
            on_epoch,
            label,
        )


def _train(
    network: nn.Module,
    start: TrainingState,
    mask: Mask,
    data: TrainingData,
    schedule: Schedule,
    procedure: Procedure,
    movement: Movement | None,
    capture_at: int | None,
    until: int | None,
    resumed: Progress | None,
    keeper: Keeper | None,
    on_epoch: Callable[[EpochRecord, Weights], None] | None,
    label: str,
) -> Training:
    device = data.train.labels.device
    moved = Moved(mask) if resumed is None or resumed.moved is None else resumed.moved
    state = start if resumed is None else resumed.state
    run = _Run(network, state, moved, movement, schedule, procedure, device)
    if resumed is None:
        run.move_mask()
    recorder = _Recorder(network, data, schedule, procedure)
    augmenter = Augmenter(data.train, procedure.augmentation, procedure.seed)
    captured = None if resumed is None else resumed.captured
    history = [] if resumed is None else list(resumed.history)
    end = schedule.num_iterations if until is None else until

    def record(epoch: int) -> None:
        if run.restates and run.step == schedule.num_iterations:
            run.restate(data)  # to the same bits, should it be done already
        weights = run.weights()
        latest = recorder.record(epoch, weights)
        if on_epoch is not None:
            on_epoch(latest, weights)
        history.append(latest)

    def keep() -> None:
        if keeper is not None:
            run.check()
            with held_back():
                keeper.keep(Progress(run.state(), captured, tuple(history), run.moved))

    try:
        first, into_epoch = divmod(run.step, schedule.iterations_per_epoch)
        if into_epoch == 0 and not (history and history[-1].epoch == first):
            record(first)  # else the start belongs to no epoch's end, or was recorded before it was kept
        last_epoch = math.ceil(end / schedule.iterations_per_epoch)
        bar = progress(range(first, last_epoch), label, total=last_epoch, initial=first, unit="epoch")
        for epoch in bar:
            order = torch.randperm(len(data.train), generator=generator(procedure.seed, "order", epoch))
            batches = torch.split(order.to(data.train.held_on), schedule.batch_size)
            draws = augmenter.epoch(epoch)
            with restored(device), full_float32():  # an epoch at a time: reading a GPU's random state waits
                for index in batches[run.step - epoch * schedule.iterations_per_epoch :]:
                    if run.step == end:
                        break
                    if run.step == capture_at:
                        captured = run.state()
                    inputs, labels = augmenter.batch(index, draws)
                    with held_back():
                        seed_global(device, procedure.seed, "forward", run.step)
                        run.take_step(inputs, labels)
                        run.move_mask()
                    if keeper is not None and keeper.is_due():
                        keep()
            run.check()
            if run.step < min(schedule.num_iterations, (epoch + 1) * schedule.iterations_per_epoch):
                break  # within an epoch, `until`
            record(epoch + 1)
            last = history[-1]
            reached = told(procedure.objective.metric_of(data.test.labels), last.test.accuracy, digits=1)
            bar.set_postfix_str(f"loss {last.train.loss:.3g}, test {reached}", refresh=False)
    except KeyboardInterrupt as interruption:
        try:
            keep()
        except TrainingDivergedError as error:  # a bad state is no progress
            raise interruption from error
        raise
    if run.step == capture_at:
        captured = run.state()
    final_mask = mask if run.moved is None else run.moved.mask
    return Training(run.weights(), captured, tuple(history), final_mask)


class _Recorder:
    """Evaluates the weights at the end of an epoch: on everything in float32 at the last, cheaper before."""

    def __init__(
        self, network: nn.Module, data: TrainingData, schedule: Schedule, procedure: Procedure
    ) -> None:
        self._schedule = schedule
        positions = sample(len(data.train), procedure.epoch_examples, procedure.seed, "epoch_examples")
        self._each_epoch = [
            Evaluator(network, examples, precision=procedure.precision, objective=procedure.objective)
            for examples in (data.train.take(positions), data.test)
        ]
        self._last_epoch = [
            Evaluator(network, examples, objective=procedure.objective) for examples in (data.train, data.test)
        ]

    def record(self, epoch: int, weights: Weights) -> EpochRecord:
        evaluators = self._last_epoch if epoch == self._schedule.num_epochs else self._each_epoch
        train, test = (evaluate(weights) for evaluate in evaluators)
        step = epoch * self._schedule.iterations_per_epoch
        _check_finite(train.loss, step, self._schedule, "training loss")
        _check_finite(test.loss, step, self._schedule, "test loss")
        return EpochRecord(epoch, train, test)


class _Run:
    """A private copy of the network and its optimiser, moving along the schedule."""

    def __init__(
        self,
        network: nn.Module,
        start: TrainingState,
        moved: Moved,
        movement: Movement | None,
        schedule: Schedule,
        procedure: Procedure,
        device: torch.device,
    ) -> None:
        self._network = copy.deepcopy(network)
        start.weights.load_into(self._network)
        self._objective = procedure.objective
        self._seed = procedure.seed
        self._bf16 = procedure.precision == "bf16"
        products = torch.bfloat16 if self._bf16 else torch.float32
        self._layout = fastest_memory_format(network, device, products)
        self._network.to(device).to(memory_format=self._layout).train()
        self._schedule = schedule
        self._total_loss = torch.zeros((), device=device)  # since the last check
        self.step = start.step
        self._parameters = dict(self._network.named_parameters())
        own = has_parts_of_users(network, schedule, procedure.objective)
        self._captures = has_graphs(device) and not own
        graphs = device.type == "cuda" and not self._captures
        self._loss_of_whole_batch = compiled(self._loss, graphs=graphs) if procedure.compiled else self._loss
        self._captured: dict[int, CapturedStep] = {}  # by batch size
        # Sharpness-aware steps take their second gradient beside these weights, launched.
        self._tries = has_graphs(device) and own and not procedure.compiled and not schedule.recipe.sam_rho
        self._own: dict[int, OwnGradients] = {}  # by batch size
        self._optimiser = MaskedOptimiser(
            self._parameters,
            moved.mask,
            schedule.recipe,
            schedule.lr,
            schedule.momentum,
            schedule.weight_decay,
            fused=is_ours(network) and not schedule.recipe.is_own,  # all have gradients from the start
            on_device=self._captures,
            moving=movement is not None,
        )
        self._optimiser.restore(start.momentum, start.held)
        self._mover = None if movement is None else Mover(movement, moved, self._parameters, self._optimiser)

    def take_step(self, inputs: Inputs, labels: Tensor) -> None:
        """Take one step; nothing waits for the device."""
        self._optimiser.set_lr(self._schedule.lr_at(self.step))
        size = len(labels)
        # A last smaller batch is not worth a compilation of its own.
        loss_of = self._loss_of_whole_batch if size == self._schedule.batch_size else self._loss
        if self._mover is not None:
            self._mover.look_ahead(self.step)
        if self._mover is not None and self._mover.takes_batch(self.step):
            self._move_by_gradient(self._mover, loss_of, inputs, labels)
        elif self._captures:
            assert isinstance(inputs, Tensor)  # of ours
            if size not in self._captured:
                self._captured[size] = self._capture(loss_of, inputs, labels)
            self._captured[size](inputs, labels)
        elif (own := self._own_gradients(inputs, labels)) is not None:
            own(inputs, labels)
            self._update()
        else:
            self._descend(loss_of, inputs, labels)
        self.step += 1

    def _descend(self, loss_of: LossOf, inputs: Inputs, labels: Tensor) -> None:
        self._differentiate(loss_of, inputs, labels)
        if rho := self._schedule.recipe.sam_rho:
            self._optimiser.mask_gradients()
            with at_highest_nearby(self._parameters.values(), self._network.buffers(), rho):
                self._find_gradients(loss_of, inputs, labels)
        self._update()

    def _update(self) -> None:
        if self._mover is not None:
            self._mover.draw()
        self._optimiser.step()

    def _differentiate(self, loss_of: LossOf, inputs: Inputs, labels: Tensor) -> None:
        self._total_loss += self._find_gradients(loss_of, inputs, labels)

    def _find_gradients(self, loss_of: LossOf, inputs: Inputs, labels: Tensor) -> Tensor:
        loss = loss_of(inputs, labels)
        self._optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    def _move_by_gradient(self, mover: Mover, loss_of: LossOf, inputs: Inputs, labels: Tensor) -> None:
        self._differentiate(loss_of, inputs, labels)
        self.check()
        mover.move(self.step)
        self._optimiser.zero_grad()

    def move_mask(self) -> None:
        """Move the mask, if it moves after so many steps; that waits for the device."""
        if self._mover is not None and self._mover.moves_at(self.step):
            self.check()
            self._mover.move(self.step)

    @property
    def moved(self) -> Moved | None:
        """Where the mask stands and what its movement holds; None if it stays."""
        return None if self._mover is None else self._mover.moved

    @property
    def restates(self) -> bool:
        """Whether BatchNorm's statistics are estimated anew at the end."""
        return self._mover is not None and self._mover.restates

    def restate(self, data: TrainingData) -> None:
        """Estimate BatchNorm's statistics anew, of at most 10,000 training examples."""
        amount = Amount(min(_RESTATED, len(data.train)))
        positions = sample(len(data.train), amount, self._seed, "restated")
        estimate = StatisticsEstimator(self._network, data.train.take(positions), seed=self._seed)
        estimate(self.weights()).load_into(self._network)

    def _own_gradients(self, inputs: Inputs, labels: Tensor) -> OwnGradients | None:
        """Return what gives the gradients of such a batch by a graph; None, with a warning once, if nothing."""
        size = len(labels)
        if self._tries and size not in self._own:
            if (reason := self._why_not(inputs, labels)) is not None:
                warn_launched(reason)
                self._tries = False
                return None
            changed = [*self._network.buffers(), self._total_loss]
            self._own[size] = OwnGradients(
                partial(self._differentiate, self._loss),
                list(self._parameters.values()),
                changed,
                inputs,
                labels,
            )
            self._tries = self._own[size].is_captured
        return self._own[size] if self._tries else None

    def _why_not(self, inputs: Inputs, labels: Tensor) -> str | None:
        """Try a copy of the network."""
        probe = copy.copy(self)
        probe._network, probe._total_loss = copy.deepcopy(self._network), self._total_loss.clone()
        return why_not(partial(probe._differentiate, probe._loss), probe._network, inputs, labels)

    def _capture(self, loss_of: LossOf, inputs: Tensor, labels: Tensor) -> CapturedStep:
        held = self._optimiser.prepare()
        return CapturedStep(
            partial(self._descend, loss_of),
            (inputs, labels),
            [*self._parameters.values(), *self._network.buffers(), *held, self._total_loss],
        )

    def check(self) -> None:
        """Raise if a loss was not finite since the last check; this waits for the device."""
        _check_finite(self._total_loss.item(), self.step, self._schedule, "loss of a batch")
        self._total_loss.zero_()

    def weights(self) -> Weights:
        return Weights.of(self._network)

    def state(self) -> TrainingState:
        optimiser = self._optimiser
        return TrainingState(self.weights(), optimiser.momentum(), self.step, optimiser.held())

    def _laid_out(self, inputs: Inputs) -> Any:
        if isinstance(inputs, Tensor):
            return inputs.contiguous(memory_format=self._layout)
        return mapped(Tensor.contiguous, inputs)

    def _loss(self, inputs: Inputs, labels: Tensor) -> Tensor:
        with torch.autocast(labels.device.type, torch.bfloat16, enabled=self._bf16):
            logits = called(self._network, self._laid_out(inputs))
        return self._objective.mean(logits.float(), labels)


def _check_start(start: TrainingState, mask: Mask, schedule: Schedule) -> None:
    if start.step >= schedule.num_iterations:
        raise InputError(f"training starts at step {start.step}, but ends at step {schedule.num_iterations}")
    for name, kept in mask.keep.items():
        momentum = start.momentum.get(name)
        for what, tensor in (("weight", start.weights.parameters[name]), ("momentum", momentum)):
            if tensor is not None and bool(tensor.cpu()[~kept].any()):
                raise InputError(f"a pruned {what} of {name} is not zero; use TrainingState.masked")
    if (odd := unmasked_state(start.held, mask)) is not None:
        raise InputError(f"{odd} of a pruned weight is not zero; use TrainingState.masked")


def _check_finite(loss: float, step: int, schedule: Schedule, what: str) -> None:
    if not math.isfinite(loss):
        if step == 0:
            raise TrainingDivergedError(
                f"the {what} is {loss} by step 0, before any training; see what the network's outputs are"
            )
        raise TrainingDivergedError(
            f"the {what} became {loss} by step {step} (lr {schedule.lr_at(step - 1):g}); "
            "lower lr, or use precision=fp32"
        )
