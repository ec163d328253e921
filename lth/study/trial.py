"""A trial of a user's own network before any work: all that a study will do with it, once, on a few images.

Networks of ours are not tried: it is known of them. Nothing of the caller's is changed: the network is copied,
and random states are restored.
"""

from __future__ import annotations

import copy
import random as python_random  # noqa: TID251  (restored: a user's network may draw from it)
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch

from lth.errors import InputError
from lth.measure.curvature.hessian import HessianOperator, check_mean_over_examples
from lth.network.layout import is_ours
from lth.network.mask import Mask
from lth.network.space import LevelSpace
from lth.network.weights import Weights
from lth.randomness import restored
from lth.setting.own_fault import own_faults
from lth.setting.reference import is_reference
from lth.solution.problem import Problem
from lth.study.rehearsal import few_images, rehearse_training, whose
from lth.tracking.model import why_no_model
from lth.training.determinism import repeatable
from lth.training.threads import threads

TRIAL = "lth.trial"  # a tag of runs
_LONGEST = 5000  # characters of a tag


@dataclass
class Trial:
    """The trial of a problem's network, each part once and when it is needed.

    Args:
        problem: The study's.
        say: Tells the user.
    """

    problem: Problem
    say: Callable[[str], None]
    _said: list[str] = field(default_factory=list)
    _parts: set[str] = field(default_factory=set)  # that were tried

    def training(self) -> None:
        """Try all that a training does with the network; of curvature, which it does without, it only warns.

        Raises:
            ValueError: If it can't be done, or not be gone on from to the same bits.
        """
        self._once("training", self._try_training)

    def measuring(self, *, curvature: bool) -> None:
        """Try what a measurement does with the network.

        Raises:
            ValueError: If its loss is no mean over examples, or has no Hessian where curvature is asked for.
        """
        self._once("curvature" if curvature else "measuring", lambda: self._try_measuring(curvature=curvature))

    @property
    def tags(self) -> dict[str, str]:
        """What was tried and is to be known, for the runs of what was done after it; empty if nothing was."""
        return {TRIAL: "\n".join(self._said)[:_LONGEST]} if self._said else {}

    def _once(self, part: str, attempt: Callable[[], Sequence[str]]) -> None:
        if part in self._parts or not is_tried(self.problem):
            return
        self._parts.add(part)
        began = time.monotonic()
        with _unchanged(self.problem):
            warnings = attempt()
        seconds = time.monotonic() - began
        lines = [f"{whose(self.problem)}: tried {part} on a few images, {seconds:.1f} s"]
        for line in [*lines, *(f"  warning: {warning}" for warning in warnings)]:
            self._said.append(line)
            self.say(line)

    def _try_training(self) -> list[str]:
        warnings = rehearse_training(self.problem)
        warnings += [f"{why}; it can be trained, but not measured" for why in self._no_mean]
        warnings += [f"{why}; its curvature can't be measured" for why in self._no_curvature]
        network = copy.deepcopy(self.problem.network)
        return [*warnings, *filter(None, [why_no_model(network, self.problem.keys.spec.input_shape)])]

    def _try_measuring(self, *, curvature: bool) -> list[str]:
        for why in [*self._no_mean, *(self._no_curvature if curvature else ())]:
            raise InputError(f"{whose(self.problem)}: {why}")
        return []

    @cached_property
    def _no_mean(self) -> list[str]:
        """Why the loss is no mean over examples; empty if it is."""
        device = self.problem.devices[0]
        weights = Weights.of(self.problem.network).to(device)
        return _refused(
            lambda: check_mean_over_examples(self.problem.network, weights, few_images(self.problem).train)
        )

    @cached_property
    def _no_curvature(self) -> list[str]:
        """Why there are no products with the Hessian; empty if there are, or the loss is no mean."""
        return [] if self._no_mean else _refused(lambda: _try_curvature(self.problem))


def is_tried(problem: Problem) -> bool:
    """Return whether a problem's network is the user's own, of which nothing is known."""
    return is_reference(problem.keys.spec.name) and not is_ours(problem.network)


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


def _try_curvature(problem: Problem) -> None:
    """Take a product with the Hessian at the start.

    Raises:
        ValueError: If there is none.
    """
    device, name = problem.devices[0], problem.keys.spec.name
    weights, mask = Weights.of(problem.network).to(device), Mask.dense(problem.network)
    space = LevelSpace(mask, weights)
    lead = "curvature needs the second derivative of the loss, but the network fails:"
    with own_faults(lead, name):
        hessian = HessianOperator(
            problem.network, weights, space, few_images(problem).train, others=problem.others
        )
        product = hessian(torch.ones(space.dimension, device=device))
    if not bool(product.isfinite().all()):
        raise InputError("a product with the Hessian is NaN or infinite before any training")
