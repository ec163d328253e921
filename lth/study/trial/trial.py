"""The parts of a trial, which are each done once, when they are needed, and what is said of them.

Networks of ours are not tried: it is known of them. Nothing of the caller's is changed: the network is copied,
and random states are restored.
"""

from __future__ import annotations

import copy
import random as python_random  # noqa: TID251  (restored: a user's network may draw from it)
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Literal, get_args

import numpy as np
import torch

from lth.errors import InputError
from lth.measure.curvature.hessian import HessianOperator, check_mean_over_examples
from lth.network.layout import is_ours
from lth.network.mask import Mask
from lth.network.space import LevelSpace
from lth.network.weights import Weights
from lth.network.zeros import zeros_for
from lth.randomness import restored
from lth.setting.own_fault import own_faults
from lth.setting.reference import is_foreign
from lth.solution.problem import Problem
from lth.study.trial.batches import try_batches
from lth.study.trial.kept_state import check_evaluation, check_going_on
from lth.study.trial.steps import take_steps, warnings_of
from lth.study.trial.subject import Subject
from lth.tracking.model import why_no_model
from lth.training.determinism import repeatable
from lth.training.precision import full_float32
from lth.training.threads import threads

TRIAL = "lth.trial"  # a tag of runs
_LONGEST = 5000  # characters of a tag
_IMAGES = 2  # whose curvature is tried; at least one a device

Part = Literal["training", "measuring", "curvature"]


class Trial:
    """The trial of a problem's network, in three parts that are each done once, when they are needed.

        training    what a training does; of curvature, which it does without, it only warns
        measuring   what losses are measured with: the loss must be a mean over examples
        curvature   the same, and products with the Hessian

    Args:
        problem: The study's.
        say: Tells the user.
    """

    def __init__(self, problem: Problem, say: Callable[[str], None]) -> None:
        self._problem, self._subject, self._say = problem, Subject(problem), say
        self._needed = set[Part]()
        self._done = set[Part]()
        self._said: list[str] = []

    def need(self, part: Part) -> None:
        """Have a part tried at the next `run`."""
        if is_tried(self._problem):
            self._needed.add(part)

    def run(self) -> None:
        """Try what is needed and was not tried.

        Raises:
            ValueError: If it can't be done: what, and what to do.
        """
        for part in get_args(Part):
            if part in self._needed - self._done:
                self._done.add(part)
                began = time.monotonic()
                with _unchanged(self._problem):
                    warnings = self._try_training() if part == "training" else self._try_measuring(part)
                seconds = time.monotonic() - began
                self._tell(f"{self._subject.whose}: tried {part} on a few images, {seconds:.1f} s", warnings)

    @property
    def tags(self) -> dict[str, str]:
        """What was tried and is to be known, for the runs of what was done after it; empty if nothing was."""
        return {TRIAL: "\n".join(self._said)[:_LONGEST]} if self._said else {}

    def _tell(self, line: str, warnings: Sequence[str]) -> None:
        for each in [line, *(f"  warning: {warning}" for warning in warnings)]:
            self._said.append(each)
            self._say(each)

    def _try_training(self) -> list[str]:
        warnings = _rehearsed(self._subject)
        if self._needed == {"training"}:  # else it is said as an error
            warnings += [f"{why}; it can be trained, but not measured" for why in self._no_mean]
            warnings += [f"{why}; its curvature can't be measured" for why in self._no_curvature]
        network = copy.deepcopy(self._problem.network)
        return [*warnings, *filter(None, [why_no_model(network, zeros_for(self._problem.keys.spec, 2))])]

    def _try_measuring(self, part: Part) -> list[str]:
        for why in [*self._no_mean, *(self._no_curvature if part == "curvature" else ())]:
            raise InputError(f"{self._subject.whose}: {why}")
        return []

    @cached_property
    def _no_mean(self) -> list[str]:
        """Why the loss is no mean over examples; empty if it is."""
        network, examples = self._problem.network, self._subject.few.train
        weights = Weights.of(network).to(self._subject.device)
        return _refused(lambda: check_mean_over_examples(network, weights, examples))

    @cached_property
    def _no_curvature(self) -> list[str]:
        """Why there are no products with the Hessian; empty if there are, or the loss is no mean."""
        return [] if self._no_mean else _refused(lambda: _try_curvature(self._subject))


def is_tried(problem: Problem) -> bool:
    """Return whether a problem's network is none of ours, so that nothing is known of it."""
    return is_foreign(problem.keys.spec.name) and not is_ours(problem.network)


@contextmanager
def _unchanged(problem: Problem) -> Iterator[None]:
    """Compute as a measurement does, and restore every random state."""
    python, numpy = python_random.getstate(), np.random.get_state()  # noqa: NPY002, TID251
    device = problem.devices[0]
    try:
        with restored(device), repeatable(device), threads(problem.measuring_threads):
            yield
    finally:
        python_random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002, TID251


def _refused(attempt: Callable[[], object]) -> list[str]:
    try:
        attempt()
    except InputError as error:
        return [str(error)]
    return []


def _rehearsed(subject: Subject) -> list[str]:
    """Do once what a training does, up to storing what comes of it; return what to warn of.

    Raises:
        ValueError: If it fails, learns nothing, or is not gone on from to the same bits.
    """
    with full_float32():
        steps = take_steps(subject)
        check_evaluation(subject, steps)
        warnings = list(warnings_of(subject, steps))
        try_batches(subject, steps.network)
    check_going_on(subject, steps)
    return warnings


def _try_curvature(subject: Subject) -> None:
    """Make the operator whose products are the curvature: it checks the second derivative.

    Raises:
        ValueError: If that is missing or wrong.
    """
    network, examples = subject.problem.network, subject.few.train
    weights = Weights.of(network).to(subject.device)
    space = LevelSpace(Mask.dense(network), weights)
    lead = "curvature needs the second derivative of the loss, but the network fails:"
    few = examples.take(torch.arange(min(len(examples), max(_IMAGES, len(subject.problem.devices)))))
    with own_faults(lead, subject.name):
        HessianOperator(
            network,
            weights,
            space,
            few,
            others=subject.problem.others,
            objective=subject.problem.objective,
        )
