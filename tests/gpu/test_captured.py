"""Steps of every kind, captured: the bits of steps that are not, and the weights of a CPU, to rounding."""

from dataclasses import replace
from functools import partial

import pytest
import torch
from gpu_problem import CPU, GPU, MANNERS, SCHEDULE, Run, digest_of, examples
from users_steps import (
    Choosing,
    CountingInABuffer,
    Drawing,
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
from lth.network import Mask, build_network
from lth.randomness import global_stream
from lth.training.capture import CapturedStep, NotCapturedError, _cuda_graph, launches_told
from lth.training.determinism import fix_workspaces
from lth.training.objective import CROSS_ENTROPY, Objective
from lth.training.optimiser import Recipe
from lth.training.train import Procedure, TrainingState, train

pytestmark = pytest.mark.gpu


@pytest.fixture(autouse=True)
def _workspaces():
    fix_workspaces([GPU])


@pytest.mark.parametrize("manner", MANNERS)
def test_a_captured_step_gives_the_bits_of_one_that_is_launched_kernel_by_kernel(manner, monkeypatch):
    """A step that can't be captured warns, and a warning is an error here."""
    run = MANNERS[manner]
    captured = run.train(GPU)
    monkeypatch.setattr("lth.training.train.CapturedStep", partial(CapturedStep, record=lambda work: work))
    assert digest_of(run.train(GPU).final) == digest_of(captured.final)


@pytest.mark.parametrize("manner", [name for name, run in MANNERS.items() if run.precision == "fp32"])
def test_a_training_ends_where_that_of_a_cpu_ends(manner):
    """Adam divides by the size of a gradient, so that rounding moves a weight by up to a step's length."""
    run = MANNERS[manner]
    ours, theirs = run.train(GPU).final, run.train(CPU).final
    slack = run.schedule.lr if "adamw" in manner else 0.0
    for name, tensor in theirs.parameters.items():
        close = 1e-3 * float(tensor.abs().max()) + slack
        torch.testing.assert_close(ours.parameters[name].cpu(), tensor, rtol=0, atol=close)


@pytest.mark.parametrize("objective", [Objective("mse"), Objective(label_smoothing=0.1)])
def test_a_product_in_another_loss_agrees(objective):
    run = Run()
    network = build_network(run.spec, 0)
    point = Weights.of(network)
    space = LevelSpace(run.mask, point)
    ours, theirs = (
        HessianOperator(network, point.to(device), space, examples(device).train, objective=objective)(
            torch.ones(space.dimension, device=device)
        ).cpu()
        for device in (GPU, CPU)
    )
    assert float((ours - theirs).norm()) <= 1e-4 * float(theirs.norm())


def trained_of_a_user(kind, *, recipe=SCHEDULE.recipe, objective=CROSS_ENTROPY, launched=False, told=None):
    """Train a user's network; return its weights' digest."""
    with global_stream(0, "test"):
        network = kind()
    start, mask = TrainingState(Weights.of(network), {}, 0), Mask.dense(network)
    schedule = replace(SCHEDULE, recipe=recipe)
    procedure = Procedure("none", "fp32", 0, objective=objective)
    with pytest.MonkeyPatch.context() as patch, launches_told(([] if told is None else told).append):
        if launched:
            patch.setattr("lth.training.train.has_graphs", lambda _device: False)
        return digest_of(train(network, start, mask, examples(GPU), schedule, procedure).final)


@pytest.mark.parametrize(
    ("kind", "parts"),
    [
        (Plain, {}),
        (Plain, {"objective": Objective(margins)}),
        (Plain, {"recipe": Recipe("own_training:by_layer")}),
        (Used, {"recipe": Recipe("own_training:mixing")}),
        (Normed, {"recipe": Recipe("adamw")}),
        (Dropping, {}),
        (CountingInABuffer, {}),
        (Keeping, {}),
    ],
)
def test_a_users_step_is_captured_to_the_bits_of_one_that_is_launched(kind, parts):
    told = []
    assert trained_of_a_user(kind, told=told, **parts) == trained_of_a_user(kind, launched=True, **parts)
    assert told == []


@pytest.mark.parametrize("kind", [Looking, Choosing, Drawing, ReplacingABuffer])
def test_a_users_step_that_can_not_be_captured_is_launched_and_disturbs_no_other(kind):
    told = []
    trained_of_a_user(kind, told=told)
    assert len(told) == 1
    assert trained_of_a_user(Dropping, told=told) == trained_of_a_user(Dropping, launched=True)
    assert len(told) == 1


def test_after_a_capture_that_failed_memory_is_given_back_and_draws_are_made():
    x = torch.ones(1000, device=GPU)
    with pytest.raises(NotCapturedError):
        _cuda_graph(GPU, lambda: float(torch.nn.functional.dropout(x).sum()))
    assert 0 < float(torch.nn.functional.dropout(x).sum()) < 2000
    torch.cuda.empty_cache()
    repeat = _cuda_graph(GPU, lambda: x.add_(1))
    repeat()
    torch.cuda.synchronize()


def test_products_of_a_users_network_are_captured_to_the_same_bits(monkeypatch):
    with global_stream(0, "test"):
        network = Normed()
    point = Weights.of(network).to(GPU)
    space = LevelSpace(Mask.dense(network), point)
    ones = torch.ones(space.dimension, device=GPU)
    captured = HessianOperator(network, point, space, examples(GPU).train, checked=True)(ones)
    monkeypatch.setattr("lth.measure.curvature.hessian.has_graphs", lambda _device: False)
    launched = HessianOperator(network, point, space, examples(GPU).train, checked=True)(ones)
    assert torch.equal(captured, launched)
