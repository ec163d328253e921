"""Whether the tensors that are kept of a network decide what it computes, and how its training goes on."""

from __future__ import annotations

import math
import tempfile
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from lth.errors import InputError
from lth.inputs import called, mapped
from lth.network.folded import Folded
from lth.network.mask import Mask
from lth.network.weights import Weights
from lth.plan.place import Place
from lth.setting.amount import ALL
from lth.setting.own_fault import own_faults
from lth.solution.checkpoint import read_solution, write_solution
from lth.solution.problem import Problem, procedure
from lth.solution.progress_file import KeptProgress, read_progress, write_progress
from lth.solution.solution import Solution
from lth.study.trial.steps import Steps
from lth.study.trial.subject import Subject
from lth.training.schedule import Schedule
from lth.training.train import Progress, Training, TrainingState, train

_GENTLE = 1e-4  # a learning rate with which nothing diverges in two steps
_NEAR = 1e-3  # of the largest logit; far above rounding
_REMEDY = "keep in a buffer (register_buffer) what training changes, and draw from torch's generator alone"


def check_evaluation(subject: Subject, steps: Steps) -> None:
    """Check that a network that is handed the tensors after two steps computes the same in evaluation mode.

    Raises:
        ValueError: If it does not.
    """
    trained, examples = steps.network.eval(), subject.few.train
    inputs, other = examples.normalise(examples.images), Folded(subject.problem.network, subject.device)
    fails = f"{subject.whose} fails in evaluation mode on {subject.device}:"
    with torch.no_grad(), own_faults(fails, subject.name):
        own, again = (called(trained, mapped(torch.clone, inputs)) for _ in range(2))
        handed = other(other.state(Weights.of(trained)), inputs)
    near = _NEAR * float(own.abs().max())
    if torch.allclose(own, again, rtol=0, atol=near) and not torch.allclose(own, handed, rtol=0, atol=near):
        raise InputError(
            f"{subject.whose}: a copy with the same parameters and buffers computes something else, because "
            f"{steps.cause}; {_REMEDY}"
        )


def check_going_on(subject: Subject, steps: Steps) -> None:
    """Train for two steps, keep, go on after the first, store and read back; all must come to the same bits.

    Raises:
        ValueError: If it does not.
    """
    keeper = _First()
    with own_faults(f"{subject.whose} fails in training:", subject.name, only_theirs=True):
        through = _train(subject, keeper=keeper)
        assert keeper.kept is not None
        kept = read_progress(*write_progress(KeptProgress(keeper.kept, "", "", 0.0, {}))).progress
        on = _train(subject, resumed=kept)
    _check_same(subject, keeper.kept.state.weights, kept.state.weights, "keeping the progress of a training")
    if (odd := _first_difference(through.final, on.final)) is not None:
        raise InputError(
            f"{subject.whose}: a training that is gone on from comes to another {odd}, because "
            f"{steps.cause}; {_REMEDY}"
        )
    solution = _as_solution(subject.problem, through)
    with tempfile.TemporaryDirectory() as directory:
        write_solution(Path(directory), solution)
        stored = read_solution(Path(directory))
    _check_same(subject, solution.final, stored.final, "storing a solution")
    _check_same(subject, solution.rewind.weights, stored.rewind.weights, "storing the rewind point")


class _First:
    """Keeps the progress after the first step."""

    kept: Progress | None = None

    def is_due(self) -> bool:
        """Say whether nothing is kept yet."""
        return self.kept is None

    def keep(self, progress: Progress) -> None:
        """Keep it."""
        self.kept = progress


def _train(subject: Subject, *, keeper: _First | None = None, resumed: Progress | None = None) -> Training:
    problem = subject.problem
    return train(
        problem.network,
        TrainingState(Weights.of(problem.network), {}, 0),
        Mask.dense(problem.network),
        subject.few,
        _two_steps(subject),
        replace(procedure(problem), compiled=False, epoch_examples=ALL),  # a compilation takes a minute
        capture_at=1,
        resumed=resumed,
        keeper=keeper,
        label="trial",
    )


def _two_steps(subject: Subject) -> Schedule:
    schedule = subject.problem.schedule
    return replace(
        schedule,
        batch_size=subject.batch,
        iterations_per_epoch=math.ceil(len(subject.few.train) / subject.batch),
        num_iterations=2,
        lr=min(_GENTLE, schedule.lr),
        weight_decay=0.0,
        milestones=(),
    )


def _as_solution(problem: Problem, training: Training) -> Solution:
    assert training.captured is not None
    return Solution(
        place=Place.imp(0),
        spec=problem.keys.spec,
        setting=problem.setting,
        mask=Mask.dense(problem.network),
        initial=Weights.of(problem.network),
        rewind=training.captured,
        final=training.final,
        history=training.history,
        data_digest=problem.images.digest,
        key="trial",
    )


def _check_same(subject: Subject, written: Weights, read: Weights, what: str) -> None:
    if (odd := _first_difference(written, read)) is not None:
        raise InputError(f"{subject.whose}: {what} does not keep {odd} as it is; make it an ordinary tensor")


def _first_difference(one: Weights, other: Weights) -> str | None:
    """Return the name of the first tensor that is not the same to the bit; None if all are."""
    pairs = {**one.parameters, **one.buffers}, {**other.parameters, **other.buffers}
    return next((name for name in pairs[0] if not _same(pairs[0][name], pairs[1][name])), None)


def _same(one: Tensor, other: Tensor) -> bool:
    a, b = (tensor.detach().cpu().contiguous() for tensor in (one, other))
    if (a.dtype, a.shape) != (b.dtype, b.shape):
        return False
    return torch.equal(a.reshape(-1).view(torch.uint8), b.reshape(-1).view(torch.uint8))
