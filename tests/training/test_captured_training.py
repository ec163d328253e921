"""Trainings and products whose steps are captured, on a CPU by what stands in for a CUDA graph."""

from dataclasses import replace

import pytest
import torch
from gpu_problem import CPU, MANNERS, Run, digest_of, examples
from own_training import huber
from recorded import graphs_on_a_cpu, recorded
from torch import nn

from lth.measure import HessianOperator, LevelSpace, Weights
from lth.network import build_network
from lth.solution.progress_file import KeptProgress, read_progress, write_progress
from lth.training.capture import CapturedStep
from lth.training.objective import Objective
from lth.training.optimiser import Recipe
from lth.training.train import Progress, has_parts_of_users

by_manner = pytest.mark.parametrize("manner", MANNERS)


@by_manner
def test_a_captured_training_ends_where_one_without_graphs_ends(manner, monkeypatch):
    """The learning rate is a float32 of a graph, and Python's otherwise, so that it is to rounding."""
    run = MANNERS[manner]
    plain = run.train(CPU)
    graphs_on_a_cpu(monkeypatch)
    captured = run.train(CPU)
    for name, tensor in plain.final.parameters.items():
        close = 2e-3 if run.precision == "bf16" else 1e-4
        torch.testing.assert_close(captured.final.parameters[name], tensor, rtol=0, atol=close)
    assert captured.final.buffers["bn.num_batches_tracked"] == 8


@pytest.mark.parametrize("manner", ["nesterov", "clipped adamw", "smoothed", "sharp"])
def test_a_captured_training_goes_on_from_what_it_kept_to_the_same_bits(manner, monkeypatch):
    graphs_on_a_cpu(monkeypatch)
    run, kept = MANNERS[manner], []

    class Keeper:
        def is_due(self) -> bool:
            return not kept

        def keep(self, progress: Progress) -> None:
            kept.append(write_progress(KeptProgress(progress, "key", "environment", 0.0, {})))

    undisturbed = run.train(CPU, keeper=Keeper())
    resumed = run.train(CPU, resumed=read_progress(*kept[0]).progress)
    assert digest_of(resumed.final) == digest_of(undisturbed.final)


@pytest.mark.parametrize("loss", ["cross_entropy", "mse"])
def test_a_captured_product_gives_the_bits_of_one_that_is_not(loss, monkeypatch):
    run = Run()
    network = build_network(run.spec, 0)
    point = Weights.of(network)
    space = LevelSpace(run.mask, point)
    ones = torch.ones(space.dimension)
    objective = Objective(loss)
    plain = HessianOperator(network, point, space, examples(CPU).train, objective=objective)
    expected = plain(ones), plain(2 * ones)
    graphs_on_a_cpu(monkeypatch)
    captured = HessianOperator(network, point, space, examples(CPU).train, objective=objective)
    assert torch.equal(captured(ones), expected[0])
    assert torch.equal(captured(2 * ones), expected[1])


def test_what_python_counts_is_lost_in_a_replay():
    """Else the stand-in would hide what a graph does."""
    total, count = torch.zeros(()), 0

    def step(x):
        nonlocal count
        count += 1
        total.add_(x * count)

    counting = CapturedStep(step, [torch.ones(())], [total], record=recorded)
    for _ in range(3):
        counting(torch.ones(()))
    assert total == 3 * 2  # the second of two calls was recorded


def waiting(total, x):
    total.add_(float(x.sum()))


def choosing(total, x):
    total.add_(x[x > 0].sum())


@pytest.mark.parametrize("work", [waiting, choosing])
def test_a_step_that_waits_for_its_values_is_taken_as_it_is_and_a_warning_says_so(work):
    total = torch.zeros(())
    with pytest.warns(UserWarning, match=r"can't be captured .* kernel by kernel.* \(operation not permi"):
        step = CapturedStep(lambda x: work(total, x), [torch.ones(2)], [total], record=recorded)
    assert total == 0
    step(torch.tensor([1.0, 2.0]))
    assert total == 3


@pytest.mark.parametrize(
    ("network", "recipe", "objective", "own"),
    [
        (None, Recipe(), Objective(), False),
        (nn.Sequential(nn.Flatten(), nn.Linear(192, 4)), Recipe(), Objective(), True),
        (None, Recipe("own_training:mixing"), Objective(), True),
        (None, Recipe(), Objective(huber), True),
        (None, Recipe(), Objective("own_training:huber"), True),
    ],
)
def test_whole_steps_are_captured_unless_a_part_of_them_is_the_users_own(network, recipe, objective, own):
    run = Run()
    schedule = replace(run.schedule, recipe=recipe)
    assert has_parts_of_users(network or build_network(run.spec, 0), schedule, objective) == own
