"""A trial of a user's own network before any work: all that a study will do with it, once, on a few images.

Networks of ours are not tried: it is known of them. Nothing of the caller's is changed: the network is copied,
and random states are restored.
"""

from __future__ import annotations

import copy
import math
import random as python_random  # noqa: TID251  (restored: a user's network may draw from it)
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from lth.data import Examples, TrainingData
from lth.errors import InputError
from lth.measure.curvature.hessian import HessianOperator, check_mean_over_examples
from lth.network.folded import Folded
from lth.network.held import changed, prints
from lth.network.layout import is_ours
from lth.network.mask import Mask
from lth.network.own import told_backward
from lth.network.space import LevelSpace
from lth.network.weights import Weights
from lth.plan.place import Place
from lth.randomness import restored, seed_global
from lth.setting.amount import ALL
from lth.setting.own_fault import own_faults
from lth.setting.reference import is_reference
from lth.solution.checkpoint import read_solution, write_solution
from lth.solution.problem import Problem, procedure
from lth.solution.progress_file import KeptProgress, read_progress, write_progress
from lth.solution.solution import Solution
from lth.tracking.model import why_no_model
from lth.training.determinism import repeatable
from lth.training.evaluate import BATCH
from lth.training.precision import full_float32
from lth.training.schedule import Schedule
from lth.training.threads import threads
from lth.training.train import Progress, TrainingState, train

_BATCH, _LAST_BATCH = 4, 2  # images of the two steps that are tried
_GENTLE = 1e-4  # a learning rate with which nothing diverges in two steps
_NEAR = 1e-3  # of the largest logit; far above rounding
_MOST_NAMED = 4


@dataclass
class Trial:
    """The trial of a problem's network, each part once and when it is needed.

    Args:
        problem: The study's.
        say: Tells the user.
    """

    problem: Problem
    say: Callable[[str], None]
    said: list[str] = field(default_factory=list)  # what was told, for the study's run

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

    def _once(self, part: str, attempt: Callable[[], Sequence[str]]) -> None:
        if part in self._parts or not is_tried(self.problem):
            return
        self._parts.add(part)
        began = time.monotonic()
        with _unchanged(self.problem):
            warnings = attempt()
        seconds = time.monotonic() - began
        lines = [f"network={self.problem.keys.spec.name}: tried {part} on a few images, {seconds:.1f} s"]
        for line in [*lines, *(f"  warning: {warning}" for warning in warnings)]:
            self.said.append(line)
            self.say(line)

    @cached_property
    def _parts(self) -> set[str]:
        return set()

    def _try_training(self) -> list[str]:
        problem, few = self.problem, _few(self.problem)
        with full_float32():
            warnings, suspects = _try_steps(problem, few.train)
            _try_batches(problem)
        _try_going_on(problem, few, suspects)
        if lasting := [name for name, kind in suspects.items() if kind != "Tensor"]:
            warnings.append(
                f"training changes {_listed(lasting)}, which is neither stored nor gone on from; if what the "
                "network computes may come to depend on it, keep it in a buffer (register_buffer)"
            )
        warnings += [f"{why}; it can be trained, but not measured" for why in self._no_mean]
        warnings += [f"{why}; its curvature can't be measured" for why in self._no_curvature]
        network, shape = _copy_on(problem, torch.device("cpu")).eval(), problem.keys.spec.input_shape
        return [*warnings, *filter(None, [why_no_model(network, shape)])]

    def _try_measuring(self, *, curvature: bool) -> list[str]:
        for why in [*self._no_mean, *(self._no_curvature if curvature else ())]:
            raise InputError(f"network={self.problem.keys.spec.name}: {why}")
        return []

    @cached_property
    def _no_mean(self) -> list[str]:
        """Why the loss is no mean over examples; empty if it is."""
        device = self.problem.devices[0]
        weights = Weights.of(self.problem.network).to(device)
        return _refused(
            lambda: check_mean_over_examples(self.problem.network, weights, _few(self.problem).train)
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


def _few(problem: Problem) -> TrainingData:
    """Return as many images as two steps take, the second with fewer, and as many to test."""
    data, batch = problem.data, _batch(problem)
    count = min(len(data.train), batch + min(batch, _LAST_BATCH))
    if count % batch == 1:
        count -= 1  # BatchNorm can't normalise one image, and no training leaves one
    train, test = (
        examples.take(torch.arange(min(count, len(examples)))) for examples in (data.train, data.test)
    )
    return TrainingData(train, test, data.positions[:count])


def _batch(problem: Problem) -> int:
    return min(_BATCH, problem.schedule.batch_size, len(problem.data.train))


def _copy_on(problem: Problem, device: torch.device) -> nn.Module:
    return copy.deepcopy(problem.network).to(device)


def _try_steps(problem: Problem, examples: Examples) -> tuple[list[str], dict[str, str]]:
    """Take two steps, and return what to warn of, and the attributes that they change with their types.

    Raises:
        ValueError: If a pass fails, its loss is not finite or depends on nothing prunable, or the network ends
            with other tensors or another function than its tensors say.
    """
    device, whose, name = problem.devices[0], _whose(problem), problem.keys.spec.name
    network = _copy_on(problem, device).train()
    before, forms = prints(network), _forms(network)
    batches = torch.split(torch.arange(len(examples), device=device), _batch(problem))

    def step(number: int) -> None:
        few = examples.take(batches[number % len(batches)])
        seed_global(device, problem.setting.seed, "trial", number)
        with (
            _format(problem),
            own_faults(f"{whose} fails in training mode on {device}:", name),
        ):
            logits = network(few.normalise(few.images))
        loss = cross_entropy(logits.float(), few.labels)
        if not math.isfinite(loss.item()):
            raise InputError(
                f"{whose}: its loss is {loss.item()} before any training; mend its start or forward"
            )
        if not loss.requires_grad:
            raise InputError(f"{whose}: its loss depends on no parameter; mend what detaches it in forward")
        loss.backward()  # type: ignore[no-untyped-call]

    for number in range(2):
        told_backward(lambda number=number: step(number), network, whose, name)  # type: ignore[misc]
    if (after := _forms(network)) != forms:
        odd = min(name for name in forms.keys() | after.keys() if forms.get(name) != after.get(name))
        raise InputError(
            f"{whose}: a step of training turns {odd} from {forms.get(odd, 'nothing')} into "
            f"{after.get(odd, 'nothing')}; make all parameters and buffers in __init__, in their final shapes"
        )
    held = prints(network)
    suspects = {name: held.get(name, "").partition(" ")[0] for name in changed(before, held)}
    _check_evaluation(problem, network, examples, suspects)
    return _without_gradient(network, whose), suspects


def _without_gradient(network: nn.Module, whose: str) -> list[str]:
    """Return a warning of the parameters that no gradient reaches.

    Raises:
        ValueError: If those are all that can be pruned.
    """
    idle = [name for name, p in network.named_parameters() if p.requires_grad and p.grad is None]
    prunable = set(Mask.dense(network).keep)
    if prunable <= set(idle):
        raise InputError(f"{whose}: no gradient reaches any prunable weight; use them in forward, undetached")
    if not idle:
        return []
    return [
        f"no gradient reaches {_listed(idle)}: {'it stays' if len(idle) == 1 else 'they stay'} as initialised"
    ]


def _check_evaluation(
    problem: Problem, trained: nn.Module, examples: Examples, suspects: dict[str, str]
) -> None:
    """Check that what a trained network computes in evaluation mode is decided by its tensors.

    Raises:
        ValueError: If a network that is handed the tensors computes something else.
    """
    device, inputs = problem.devices[0], examples.normalise(examples.images)
    other = Folded(problem.network, device)
    with torch.no_grad(), own_faults(_fails_evaluating(problem), problem.keys.spec.name):
        own, again = trained.eval()(inputs), trained(inputs)
        handed = other(other.state(Weights.of(trained)), inputs)
    near = _NEAR * float(own.abs().max())
    if torch.allclose(own, again, rtol=0, atol=near) and not torch.allclose(own, handed, rtol=0, atol=near):
        raise InputError(
            f"{_whose(problem)}: a copy with the same parameters and buffers computes something else, because "
            f"{_causes(suspects)}; {_REMEDY}"
        )


def _try_batches(problem: Problem) -> None:
    """Call the network with the numbers of images that trainings and evaluations will.

    Raises:
        ValueError: If it fails, or does not return one row of logits an image.
    """
    data, device = problem.data, problem.devices[0]
    network, name = _copy_on(problem, device), problem.keys.spec.name
    size, most = problem.schedule.batch_size, BATCH[device.type]
    counts = [len(data.train), len(data.test), problem.setting.training.epoch_examples.of(len(data.train))]
    in_training = {counts[0] % size or min(size, counts[0])}  # the last batch; others have been tried
    in_evaluation = {min(most, max(counts)), *({1} if 1 in {count % most for count in counts} else ())}
    larger = data.train if counts[0] >= counts[1] else data.test
    for mode, sizes in (("training", in_training), ("evaluation", in_evaluation)):
        network.train(mode == "training")
        for count in sorted(sizes):
            few = larger.take(torch.arange(count))
            fails = f"network={name} fails in {mode} mode on {count} images:"
            with torch.no_grad(), _format(problem), own_faults(fails, name):
                logits = network(few.normalise(few.images))
            expected = (count, problem.keys.spec.num_classes)
            if logits.shape != expected:
                raise InputError(
                    f"network={name} maps {count} images to {tuple(logits.shape)} in {mode} mode; "
                    f"expected {expected}"
                )


def _try_going_on(problem: Problem, few: TrainingData, suspects: dict[str, str]) -> None:
    """Train for two steps, keep, go on after the first, store and read back; all must come to the same bits.

    Raises:
        ValueError: If it does not.
    """
    start, mask = TrainingState(Weights.of(problem.network), {}, 0), Mask.dense(problem.network)
    schedule = _two_steps(problem, len(few.train))
    gently = replace(procedure(problem), compiled=False, epoch_examples=ALL)
    keeper = _First()
    with own_faults(f"{_whose(problem)} fails in training:", problem.keys.spec.name, only_theirs=True):
        through = train(
            problem.network, start, mask, few, schedule, gently, capture_at=1, keeper=keeper, label="trial"
        )
        assert keeper.kept is not None
        assert through.captured is not None
        kept = read_progress(*write_progress(KeptProgress(keeper.kept, "", "", 0.0, {}))).progress
        on = train(
            problem.network, start, mask, few, schedule, gently, capture_at=1, resumed=kept, label="trial"
        )
    _check_same(problem, keeper.kept.state.weights, kept.state.weights, "keeping the progress of a training")
    if (odd := _first_difference(through.final, on.final)) is not None:
        raise InputError(
            f"{_whose(problem)}: a training that is gone on from comes to another {odd}, because "
            f"{_causes(suspects)}; {_REMEDY}"
        )
    solution = Solution(
        place=Place.imp(0),
        spec=problem.keys.spec,
        setting=problem.setting,
        mask=mask,
        initial=start.weights,
        rewind=through.captured,
        final=through.final,
        history=through.history,
        data_digest=problem.images.digest,
        key="trial",
    )
    with tempfile.TemporaryDirectory() as directory:
        write_solution(Path(directory), solution)
        stored = read_solution(Path(directory))
    _check_same(problem, solution.final, stored.final, "storing a solution")
    _check_same(problem, solution.rewind.weights, stored.rewind.weights, "storing the rewind point")


_REMEDY = "keep in a buffer (register_buffer) what training changes, and draw from torch's generator alone"


class _First:
    """Keeps the progress after the first step."""

    kept: Progress | None = None

    def is_due(self) -> bool:
        """Say whether nothing is kept yet."""
        return self.kept is None

    def keep(self, progress: Progress) -> None:
        """Keep it."""
        self.kept = progress


def _two_steps(problem: Problem, num_examples: int) -> Schedule:
    iterations = math.ceil(num_examples / _batch(problem))
    return replace(
        problem.schedule,
        batch_size=_batch(problem),
        iterations_per_epoch=iterations,
        num_iterations=2,
        lr=min(_GENTLE, problem.schedule.lr),
        weight_decay=0.0,
        milestones=(),
    )


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
        hessian = HessianOperator(problem.network, weights, space, _few(problem).train, others=problem.others)
        product = hessian(torch.ones(space.dimension, device=device))
    if not bool(product.isfinite().all()):
        raise InputError(
            "a product with the Hessian is NaN or infinite at the start; see what forward divides by"
        )


def _check_same(problem: Problem, written: Weights, read: Weights, what: str) -> None:
    if (odd := _first_difference(written, read)) is not None:
        raise InputError(f"{_whose(problem)}: {what} does not keep {odd} as it is; make it an ordinary tensor")


def _first_difference(one: Weights, other: Weights) -> str | None:
    """Return the name of the first tensor that is not the same to the bit; None if all are."""
    pairs = {**one.parameters, **one.buffers}, {**other.parameters, **other.buffers}
    return next((name for name in pairs[0] if not _same(pairs[0][name], pairs[1][name])), None)


def _same(one: Tensor, other: Tensor) -> bool:
    a, b = (tensor.detach().cpu().contiguous() for tensor in (one, other))
    if (a.dtype, a.shape) != (b.dtype, b.shape):
        return False
    return torch.equal(a.reshape(-1).view(torch.uint8), b.reshape(-1).view(torch.uint8))


def _forms(network: nn.Module) -> dict[str, str]:
    named = (*network.named_parameters(), *network.named_buffers())
    return {name: f"{tensor.dtype} {tuple(tensor.shape)}" for name, tensor in named}


def _format(problem: Problem) -> torch.autocast:
    bf16 = problem.keys.computing.precision == "bf16"
    return torch.autocast(problem.devices[0].type, torch.bfloat16, enabled=bf16)


def _whose(problem: Problem) -> str:
    return f"network={problem.keys.spec.name}"


def _fails_evaluating(problem: Problem) -> str:
    return f"{_whose(problem)} fails in evaluation mode on {problem.devices[0]}:"


def _causes(suspects: dict[str, str]) -> str:
    if not suspects:
        return "it holds something that is neither a parameter nor a buffer"
    return f"training changes {_listed(list(suspects))}"


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
