"""A training of two steps on a few images: all that a training does with a user's own network, in a second.

Each function raises what the user can mend. What a training changes besides parameters and buffers is found by
comparing what the network holds, and by whether a training that is gone on from comes to the same bits.
"""

from __future__ import annotations

import copy
import math
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from lth.data import Examples, TrainingData
from lth.errors import InputError
from lth.network.backward import told_backward
from lth.network.folded import Folded
from lth.network.held import changed, parameters_in_attributes, prints
from lth.network.mask import Mask
from lth.network.weights import Weights
from lth.plan.place import Place
from lth.randomness import seed_global
from lth.setting.amount import ALL
from lth.setting.own_fault import own_faults
from lth.solution.checkpoint import read_solution, write_solution
from lth.solution.problem import Problem, procedure
from lth.solution.progress_file import KeptProgress, read_progress, write_progress
from lth.solution.solution import Solution
from lth.training.evaluate import BATCH
from lth.training.precision import full_float32
from lth.training.schedule import Schedule
from lth.training.train import Progress, Training, TrainingState, train

_BATCH, _LAST_BATCH = 4, 2  # images of the two steps that are tried
_GENTLE = 1e-4  # a learning rate with which nothing diverges in two steps
_NEAR = 1e-3  # of the largest logit; far above rounding
_MOST_NAMED = 4
_REMEDY = "keep in a buffer (register_buffer) what training changes, and draw from torch's generator alone"


def rehearse_training(problem: Problem) -> list[str]:
    """Train the network of a problem for two steps in every way that a study does; return what to warn of.

    Raises:
        ValueError: If it fails, learns nothing, or is not gone on from to the same bits.
    """
    few = few_images(problem)
    with full_float32():
        network, found = _take_steps(problem, few.train)
        _check_evaluation(problem, network, few.train, found)
        warnings = [*_without_gradient(problem, network), *_unregistered(network)]
        _try_batches(problem)
    _try_going_on(problem, few, found)
    if lasting := [name for name, kind in found.items() if kind != "Tensor"]:  # such are seen to decide nothing
        warnings.append(
            f"training changes {_listed(lasting)}, which is neither stored nor gone on from; if what the "
            "network computes may come to depend on it, keep it in a buffer (register_buffer)"
        )
    return warnings


def few_images(problem: Problem) -> TrainingData:
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


def _take_steps(problem: Problem, examples: Examples) -> tuple[nn.Module, dict[str, str]]:
    """Return a copy of the network after two steps, and the attributes that they change, with their types.

    Raises:
        ValueError: If a pass fails, or the network ends with other tensors than it began with.
    """
    device = problem.devices[0]
    network = _copy_on(problem, device).train()
    before, forms = prints(network), _forms(network)
    batches = torch.split(torch.arange(len(examples), device=device), _batch(problem))
    for number in range(2):
        _take_step(problem, network, examples.take(batches[number % len(batches)]), number)
    if (after := _forms(network)) != forms:
        odd = min(name for name in forms.keys() | after.keys() if forms.get(name) != after.get(name))
        raise InputError(
            f"{whose(problem)}: a step of training turns {odd} from {forms.get(odd, 'nothing')} into "
            f"{after.get(odd, 'nothing')}; make all parameters and buffers in __init__, in their final shapes"
        )
    held = prints(network)
    return network, {name: held.get(name, "").partition(" ")[0] for name in changed(before, held)}


def _take_step(problem: Problem, network: nn.Module, examples: Examples, number: int) -> None:
    """Pass a batch forward and backward.

    Raises:
        ValueError: If it fails, or its loss is not finite or depends on no parameter.
    """
    device, name = problem.devices[0], problem.keys.spec.name

    def step() -> None:
        seed_global(device, problem.setting.seed, "trial", number)
        fails = f"{whose(problem)} fails in training mode on {device}:"
        with _format(problem), own_faults(fails, name):
            logits = network(examples.normalise(examples.images))
        loss = cross_entropy(logits.float(), examples.labels)
        if not math.isfinite(loss.item()):
            raise InputError(f"{whose(problem)}: its loss is {loss.item()} before any training; mend its start")
        if not loss.requires_grad:
            raise InputError(f"{whose(problem)}: its loss depends on no parameter; mend what detaches it")
        loss.backward()  # type: ignore[no-untyped-call]

    told_backward(step, network, whose(problem), name)


def _without_gradient(problem: Problem, network: nn.Module) -> list[str]:
    """Return a warning of the parameters that no gradient reaches.

    Raises:
        ValueError: If those are all that can be pruned.
    """
    idle = [name for name, p in network.named_parameters() if p.requires_grad and p.grad is None]
    prunable = set(Mask.dense(network).keep)
    if prunable <= set(idle):
        raise InputError(
            f"{whose(problem)}: no gradient reaches any prunable weight; use them in forward, undetached"
        )
    if not idle:
        return []
    return [f"no gradient reaches {_listed(idle)}, which training leaves as it was initialised"]


def _unregistered(network: nn.Module) -> list[str]:
    """Return a warning of parameters that only a plain attribute holds, such as a list of modules."""
    registered = {id(parameter) for parameter in network.parameters()}
    hidden = [
        name
        for name, parameters in parameters_in_attributes(network).items()
        if any(id(parameter) not in registered for parameter in parameters)
    ]
    if not hidden:
        return []
    return [
        f"{_listed(hidden)} holds parameters that are not the network's: neither trained, pruned nor stored; "
        "if they are to be, use nn.ModuleList, nn.ModuleDict or nn.ParameterList"
    ]


def _check_evaluation(
    problem: Problem, trained: nn.Module, examples: Examples, found: Mapping[str, str]
) -> None:
    """Check that what a trained network computes in evaluation mode is decided by its tensors.

    Raises:
        ValueError: If a network that is handed the tensors computes something else.
    """
    device, inputs = problem.devices[0], examples.normalise(examples.images)
    other = Folded(problem.network, device)
    with torch.no_grad(), own_faults(_fails_evaluating(problem), problem.keys.spec.name):
        own, again = trained.eval()(inputs.clone()), trained(inputs.clone())
        handed = other(other.state(Weights.of(trained)), inputs)
    near = _NEAR * float(own.abs().max())
    if torch.allclose(own, again, rtol=0, atol=near) and not torch.allclose(own, handed, rtol=0, atol=near):
        raise InputError(
            f"{whose(problem)}: a copy with the same parameters and buffers computes something else, because "
            f"{_causes(found)}; {_REMEDY}"
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


def _try_going_on(problem: Problem, few: TrainingData, found: Mapping[str, str]) -> None:
    """Train for two steps, keep, go on after the first, store and read back; all must come to the same bits.

    Raises:
        ValueError: If it does not.
    """
    keeper = _First()
    with own_faults(f"{whose(problem)} fails in training:", problem.keys.spec.name, only_theirs=True):
        through = _train(problem, few, keeper=keeper)
        assert keeper.kept is not None
        kept = read_progress(*write_progress(KeptProgress(keeper.kept, "", "", 0.0, {}))).progress
        on = _train(problem, few, resumed=kept)
    _check_same(problem, keeper.kept.state.weights, kept.state.weights, "keeping the progress of a training")
    if (odd := _first_difference(through.final, on.final)) is not None:
        raise InputError(
            f"{whose(problem)}: a training that is gone on from comes to another {odd}, because "
            f"{_causes(found)}; {_REMEDY}"
        )
    solution = _as_solution(problem, through)
    with tempfile.TemporaryDirectory() as directory:
        write_solution(Path(directory), solution)
        stored = read_solution(Path(directory))
    _check_same(problem, solution.final, stored.final, "storing a solution")
    _check_same(problem, solution.rewind.weights, stored.rewind.weights, "storing the rewind point")


def _train(
    problem: Problem, few: TrainingData, *, keeper: _First | None = None, resumed: Progress | None = None
) -> Training:
    return train(
        problem.network,
        TrainingState(Weights.of(problem.network), {}, 0),
        Mask.dense(problem.network),
        few,
        _two_steps(problem, len(few.train)),
        replace(procedure(problem), compiled=False, epoch_examples=ALL),  # a compilation takes a minute
        capture_at=1,
        resumed=resumed,
        keeper=keeper,
        label="trial",
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


def _check_same(problem: Problem, written: Weights, read: Weights, what: str) -> None:
    if (odd := _first_difference(written, read)) is not None:
        raise InputError(f"{whose(problem)}: {what} does not keep {odd} as it is; make it an ordinary tensor")


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


def whose(problem: Problem) -> str:
    """Return what a message about the network of a problem begins with."""
    return f"network={problem.keys.spec.name}"


def _fails_evaluating(problem: Problem) -> str:
    return f"{whose(problem)} fails in evaluation mode on {problem.devices[0]}:"


def _causes(found: Mapping[str, str]) -> str:
    if not found:
        return "it holds something that is neither a parameter nor a buffer"
    return f"training changes {_listed(list(found))}"


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
