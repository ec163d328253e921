"""Training on a GPU: right, repeatable, resumable; and flat in memory."""

from __future__ import annotations

import gc
import math
from dataclasses import replace
from functools import partial

import pytest
import torch
from gpu_problem import (
    CPU,
    GPU,
    NETWORKS,
    SCHEDULE,
    Run,
    digest_of,
)

from lth.training.capture import CapturedStep
from lth.training.determinism import fix_workspaces

pytestmark = pytest.mark.gpu


@pytest.fixture(autouse=True)
def _workspaces():
    fix_workspaces([GPU])


@pytest.mark.parametrize("name", NETWORKS)
def test_a_few_steps_end_where_those_of_a_cpu_end(name):
    """Rounding grows from step to step, so only a few are compared: to a thousandth of each tensor's size."""
    run = Run(name, schedule=replace(SCHEDULE, num_iterations=5, milestones=(3,)))
    ours, theirs = run.train(GPU).final, run.train(CPU).final
    for group in ("parameters", "buffers"):
        for tensor_name, tensor in getattr(theirs, group).items():
            close = 1e-3 * float(tensor.abs().max()) if tensor.is_floating_point() else 0
            torch.testing.assert_close(getattr(ours, group)[tensor_name].cpu(), tensor, rtol=0, atol=close)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("name", NETWORKS)
def test_the_captured_step_gives_the_bits_of_one_that_is_launched_kernel_by_kernel(
    name, precision, monkeypatch
):
    run = Run(name, precision)
    captured = run.train(GPU)
    monkeypatch.setattr("lth.training.train.CapturedStep", partial(CapturedStep, record=lambda work: work))
    assert digest_of(run.train(GPU).final) == digest_of(captured.final)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_pruned_weights_stay_exactly_zero(precision):
    run = Run(precision=precision)
    final = run.train(GPU).final
    for name, kept in run.mask.keep.items():
        tensor = final.parameters[name].cpu()
        assert not tensor[~kept].any()
        assert tensor[kept].any()


def test_bfloat16_learns_what_float32_learns():
    """Losses of a training that halves its loss agree to a twentieth of where it began."""
    by_precision = {precision: Run(precision=precision).train(GPU).history for precision in ("fp32", "bf16")}
    losses = {
        precision: [record.train.loss for record in history] for precision, history in by_precision.items()
    }
    first, last = losses["fp32"][0], losses["fp32"][-1]
    assert last < first
    assert math.isclose(losses["bf16"][-1], last, abs_tol=0.05 * first)


def test_the_memory_of_ten_trainings_is_that_of_two():
    sizes = []
    for _ in range(10):
        Run().train(GPU)
        gc.collect()
        torch.cuda.empty_cache()
        sizes.append(torch.cuda.memory_allocated())
    assert sizes[-1] <= sizes[1]


@pytest.mark.slow
def test_a_compiled_step_is_captured_and_repeats_itself():
    run = Run(compiled=True)
    once, again = run.train(GPU), run.train(GPU)
    assert digest_of(once.final) == digest_of(again.final)
    plain = Run().train(GPU)
    assert math.isclose(once.history[-1].train.loss, plain.history[-1].train.loss, rel_tol=0.1)
