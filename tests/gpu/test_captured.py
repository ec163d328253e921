"""Steps of every kind, captured: the bits of steps that are not, and the weights of a CPU, to rounding."""

from functools import partial

import pytest
import torch
from gpu_problem import CPU, GPU, MANNERS, Run, digest_of, examples

from lth.measure import HessianOperator, LevelSpace, Weights
from lth.network import build_network
from lth.training.capture import CapturedStep
from lth.training.determinism import fix_workspaces
from lth.training.objective import Objective

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
