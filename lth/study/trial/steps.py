"""Two steps of training: whether there is a loss with a gradient, what it reaches, what else they change."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from lth.data import Examples
from lth.errors import InputError
from lth.inputs import called
from lth.network.backward import told_backward
from lth.network.held import parameters_in_attributes, prints, types_of_changed
from lth.network.mask import Mask
from lth.randomness import seed_global
from lth.setting.own_fault import own_faults
from lth.study.trial.subject import Subject

_MOST_NAMED = 4


@dataclass(frozen=True)
class Steps:
    """A copy of the network after two steps, without those of an optimiser."""

    network: nn.Module  # with the gradients of the second
    changes: Mapping[str, str]  # what they change besides parameters and buffers, and of which type it is

    @property
    def cause(self) -> str:
        """Why a network with the same tensors may compute something else."""
        if not self.changes:
            return "it holds something that is neither a parameter nor a buffer"
        return f"training changes {_listed(list(self.changes))}"


def take_steps(subject: Subject) -> Steps:
    """Pass two batches forward and backward.

    Raises:
        ValueError: If a pass fails, or the network ends with other tensors than it began with.
    """
    network, examples = subject.copy().train(), subject.few.train
    before, forms = prints(network), _forms(network)
    batches = torch.split(torch.arange(len(examples), device=subject.device), subject.batch)
    for number in range(2):
        _take_step(subject, network, examples.take(batches[number % len(batches)]), number)
    if (after := _forms(network)) != forms:
        odd = min(name for name in forms.keys() | after.keys() if forms.get(name) != after.get(name))
        raise InputError(
            f"{subject.whose}: a step of training turns {odd} from {forms.get(odd, 'nothing')} into "
            f"{after.get(odd, 'nothing')}; make all parameters and buffers in __init__, in their final shapes"
        )
    return Steps(network, types_of_changed(before, prints(network)))


def _take_step(subject: Subject, network: nn.Module, examples: Examples, number: int) -> None:
    """Pass a batch forward and backward.

    Raises:
        ValueError: If it fails, or its loss is not finite or depends on no parameter.
    """
    whose, device = subject.whose, subject.device

    def step() -> None:
        seed_global(device, subject.problem.setting.seed, "trial", number)
        with subject.in_format(), own_faults(f"{whose} fails in training mode on {device}:", subject.name):
            logits = called(network, examples.normalise(examples.images))
        loss = subject.problem.objective.mean(logits.float(), examples.labels)
        if not math.isfinite(loss.item()):
            raise InputError(f"{whose}: its loss is {loss.item()} before any training; mend its start")
        if not loss.requires_grad:
            raise InputError(f"{whose}: its loss depends on no parameter; mend what detaches it")
        loss.backward()  # type: ignore[no-untyped-call]

    told_backward(step, network, whose, subject.name)


def warnings_of(subject: Subject, steps: Steps) -> Iterator[str]:
    """Yield what is odd about a training that works: parameters or attributes that are left out of it.

    Raises:
        ValueError: If no gradient reaches anything that can be pruned.
    """
    parameters = dict(steps.network.named_parameters())
    idle = [name for name, p in parameters.items() if p.requires_grad and p.grad is None]
    if set(Mask.dense(steps.network).keep) <= set(idle):
        raise InputError(
            f"{subject.whose}: no gradient reaches any prunable weight; use them in forward, undetached"
        )
    if idle:
        yield f"no gradient reaches {_listed(idle)}, which training leaves as it was initialised"
    registered = {id(parameter) for parameter in parameters.values()}
    hidden = [
        name
        for name, held in parameters_in_attributes(steps.network).items()
        if any(id(parameter) not in registered for parameter in held)
    ]
    if hidden:
        yield (
            f"{_listed(hidden)} holds parameters that are not the network's: neither trained, pruned nor "
            "stored; if they are to be, use nn.ModuleList, nn.ModuleDict or nn.ParameterList"
        )
    # Of a tensor it is seen that it decides nothing.
    lasting = [name for name, kind in steps.changes.items() if kind != "Tensor"]
    if lasting:
        yield (
            f"training changes {_listed(lasting)}, which is neither stored nor gone on from; if what the "
            "network computes may come to depend on it, keep it in a buffer (register_buffer)"
        )


def _forms(network: nn.Module) -> dict[str, str]:
    named = (*network.named_parameters(), *network.named_buffers())
    return {name: f"{tensor.dtype} {tuple(tensor.shape)}" for name, tensor in named}


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
