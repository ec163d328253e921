"""lth in `benchmarks.training`: `lth.training.train.train` as a study calls it.

The variant is the precision, with `-compiled` if the step is compiled.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import torch
from torch import nn

import lth.training.train
from benchmarks.training_setup import SPEC, Lap, TrainingSetup, load_problem
from lth.data import TrainingData
from lth.data import prepare as prepare_data
from lth.network import build_network
from lth.network.mask import Mask
from lth.network.weights import Weights
from lth.setting.amount import ALL
from lth.setting.setting import TENTH
from lth.training.evaluate import Evaluation, Evaluator
from lth.training.precision import Format
from lth.training.schedule import Schedule
from lth.training.train import EpochRecord, Procedure, TrainingState

OnEpoch = Callable[[EpochRecord, Weights], None]
_WARM = 2  # steps before the epoch that is timed, in which a compiled step is compiled


class _FinishedError(Exception):
    """What was to be timed is over."""


def prepare(setup: TrainingSetup, variant: str) -> Callable[[object], Lap]:
    """Return a function that trains one epoch and evaluates as a study does after all epochs but the last."""
    problem = load_problem(setup)
    data = prepare_data(problem.images, ALL, 0, torch.device("cpu"))
    network = build_network(SPEC, 0)
    network.load_state_dict(problem.state)
    iterations = -(-len(data.train) // setup.batch_size)
    schedule = Schedule(
        batch_size=setup.batch_size,
        iterations_per_epoch=iterations,
        num_iterations=3 * iterations,  # the second epoch is timed
        lr=setup.lr,
        momentum=setup.momentum,
        weight_decay=setup.weight_decay,
        milestones=(),
    )
    start = TrainingState(Weights.of(network), {}, max(iterations - _WARM, 0))
    procedure = _procedure(variant)
    evaluate_all = Evaluator(network, data.train, precision=procedure.precision)

    def run(on_epoch: OnEpoch) -> None:
        _train(network, start, Mask(problem.mask), data, schedule, procedure, on_epoch)

    return lambda _command: _timed(run, evaluate_all)


def _procedure(variant: str) -> Procedure:
    precision, _, compiled = variant.partition("-")
    formats: dict[str, Format] = {"fp32": "fp32", "bf16": "bf16"}
    return Procedure("crop_flip", formats[precision], 0, compiled=bool(compiled), epoch_examples=TENTH)


def _train(
    network: nn.Module,
    start: TrainingState,
    mask: Mask,
    data: TrainingData,
    schedule: Schedule,
    procedure: Procedure,
    on_epoch: OnEpoch,
) -> None:
    """Call lth: here, in `_procedure` and for what is patched in `_timed`, this file knows how."""
    torch.compiler.reset()  # else torch gives up compiling what it compiled for earlier trainings
    lth.training.train.train(network, start, mask, data, schedule, procedure, on_epoch=on_epoch)


def _timed(run: Callable[[OnEpoch], None], evaluate_all: Callable[[Weights], Evaluation]) -> Lap:
    """Time the second epoch, from the end of the evaluation before it to the end of the evaluation after it.

    The evaluations, of some training examples and of the test set, are timed in it and subtracted; that of all
    training examples, which a study takes in the last epoch alone, is timed afterwards.
    """
    evaluations: list[float] = []  # seconds
    ends: dict[int, float] = {}
    laps: list[Lap] = []

    class Timed(Evaluator):
        def __call__(self, weights: Weights, *rest: Any) -> Evaluation:
            began = time.perf_counter()
            result = super().__call__(weights, *rest)
            evaluations.append(time.perf_counter() - began)
            return result

    def on_epoch(record: EpochRecord, weights: Weights) -> None:
        ends[record.epoch] = time.perf_counter()
        if record.epoch < 2:
            evaluations.clear()
            return
        on_some, on_test = evaluations  # in this order, and no others, or this file has to be adapted
        evaluate_all(weights)
        on_all = time.perf_counter() - ends[2]
        steps = ends[2] - ends[1] - on_some - on_test
        laps.append(Lap(steps, on_test, on_all, on_some, 0.0, record.test.loss, record.test.accuracy))
        raise _FinishedError

    with patch("lth.training.train.Evaluator", Timed):
        try:
            run(on_epoch)
        except _FinishedError:
            return laps[0]
    raise RuntimeError("the training ended before its second epoch did; adapt this file to how train works now")
