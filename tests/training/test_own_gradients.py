"""Steps that a user wrote a part of: captured where nothing is lost by it, else launched, with the reason.

On a CPU `recorded` stands in for a CUDA graph: what Python does is lost in its replays, too.
"""

import random
import warnings
from dataclasses import replace

import pytest
import torch
from gpu_problem import CPU, Run, digest_of, examples
from recorded import graphs_on_a_cpu
from users_steps import (
    Carrying,
    Choosing,
    Counting,
    CountingInABuffer,
    Drawing,
    DrawingByNumpy,
    Dropping,
    Keeping,
    Looking,
    Normed,
    Plain,
    ReplacingABuffer,
    Used,
    margins,
)

from lth.measure import HessianOperator, LevelSpace, Weights
from lth.network import Mask
from lth.randomness import global_stream
from lth.training.capture import LaunchedWarning, launches_told
from lth.training.objective import CROSS_ENTROPY, Objective
from lth.training.optimiser import Recipe
from lth.training.schedule import Schedule
from lth.training.train import Procedure, TrainingState, train

SGD = Recipe()
STEPS = Schedule(16, 4, 8, lr=0.05, momentum=0.9, weight_decay=1e-3, milestones=(5,))


def trained(kind, *, objective=CROSS_ENTROPY, recipe=SGD, told=None):
    """Train such a network for two epochs, the last batch of each smaller; return its weights' digest."""
    with global_stream(0, "test"):
        network = kind()
    start = TrainingState(Weights.of(network), {}, 0)
    procedure = Procedure("none", "fp32", 0, objective=objective)
    schedule = replace(STEPS, recipe=recipe)
    with launches_told((told if told is not None else []).append):
        mask = Mask.dense(network)
        return digest_of(train(network, start, mask, examples(CPU), schedule, procedure).final)


PARTS = [
    (Plain, {}),
    (Plain, {"recipe": Recipe("adamw")}),
    (Plain, {"recipe": Recipe(nesterov=True, grad_clip=0.1)}),
    (Used, {"recipe": Recipe("own_training:mixing")}),
    (Plain, {"recipe": Recipe("own_training:by_layer")}),
    (Plain, {"objective": Objective(margins)}),
    (Plain, {"objective": Objective("mse")}),
    (Normed, {}),
    (Dropping, {}),
    (CountingInABuffer, {}),
    (Keeping, {}),
]


@pytest.mark.parametrize(("kind", "parts"), PARTS)
def test_a_step_that_can_be_replayed_is_captured_and_comes_to_the_bits_of_kernels_launched(
    kind, parts, monkeypatch
):
    plain, told, replays = trained(kind, **parts), [], []
    graphs_on_a_cpu(monkeypatch, replays)
    assert trained(kind, told=told, **parts) == plain
    assert told == []
    assert len(replays) >= STEPS.num_iterations


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (Counting, "training changes attribute number"),
        (Drawing, "training changes the state of Python's random"),
        (DrawingByNumpy, "training changes the state of numpy.random"),
        (Looking, "operation not permitted when stream is capturing"),
        (Choosing, "operation not permitted when stream is capturing"),
        (ReplacingABuffer, "training puts another tensor in the place of calls"),
        (Carrying, "replays come to other bits than the step itself"),
    ],
)
def test_what_a_replay_would_lose_is_launched_and_the_reason_is_told_once(kind, reason, monkeypatch):
    graphs_on_a_cpu(monkeypatch)
    random.seed(0)
    told = []
    trained(kind, told=told)
    assert len(told) == 1
    assert "kernel by kernel" in told[0]
    assert reason in told[0]


@pytest.mark.parametrize("kind", [Counting, Looking, Choosing, ReplacingABuffer])
def test_a_trial_of_what_is_launched_leaves_its_bits_as_they_are(kind, monkeypatch):
    plain = trained(kind)
    graphs_on_a_cpu(monkeypatch)
    assert trained(kind) == plain


def test_a_mistake_in_a_step_is_told_as_such(monkeypatch):
    class Mistaken(Plain):
        def between(self, x):
            if self.training:
                raise ZeroDivisionError("of mine")
            return x

    graphs_on_a_cpu(monkeypatch)
    with pytest.raises(ZeroDivisionError, match="of mine"):
        trained(Mistaken)


class LookingBack(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, gradient):
        (x,) = ctx.saved_tensors
        return 2 * x * gradient * (1.0 if float(gradient.detach().sum()) < 1e9 else 2.0)


class Squared(Plain):
    def between(self, x):
        return LookingBack.apply(x)


class Smooth(Plain):
    def between(self, x):
        return x.tanh()


@pytest.mark.parametrize(("kind", "captured"), [(Smooth, True), (Normed, True), (Squared, False)])
def test_products_of_a_users_network_are_captured_to_the_same_bits_or_launched(kind, captured, monkeypatch):
    with global_stream(0, "test"):
        network = kind()
    point = Weights.of(network)
    space = LevelSpace(Mask.dense(network), point)
    ones = torch.ones(space.dimension)

    def products():
        hessian = HessianOperator(network, point, space, examples(CPU).train, checked=True)
        return [hessian(ones), hessian(2 * ones)]

    expected, replays = products(), []
    graphs_on_a_cpu(monkeypatch, replays)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = products()
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(found, expected, strict=True))
    assert bool(replays) == captured
    assert [each.category for each in caught] == ([] if captured else [LaunchedWarning])


def test_the_captured_steps_are_those_of_a_run_of_ours_too(monkeypatch):
    """The counter of replays would else count nothing."""
    replays = []
    graphs_on_a_cpu(monkeypatch, replays)
    run = replace(Run(), schedule=STEPS)
    run.train(CPU)
    assert len(replays) == STEPS.num_iterations
