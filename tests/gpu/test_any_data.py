"""Data of any shape and type, trained by AdamW with warm-up and clipped gradients, pruned and measured."""

import pytest
import torch
from gpu_problem import CPU, GPU, digest_of
from own_problem import problem_of

from lth.measure.surveyor import MaskedPoint, Surveyor
from lth.plan.place import Place
from lth.solution.problem import plan, solve
from lth.training.determinism import fix_workspaces

pytestmark = pytest.mark.gpu


@pytest.fixture(autouse=True)
def _workspaces():
    fix_workspaces([GPU])


def level_of(kind, network, loss, device, **overrides):
    """Return a problem and its solution of level 1."""
    problem = problem_of(kind, network, device=device, loss=loss, **overrides)
    dense = solve(problem, Place.imp(0), plan(problem, Place.imp(0), None, None))
    return problem, solve(problem, Place.imp(1), plan(problem, Place.imp(1), dense, dense), dense)


CASES = [
    ("by name", "own_data:mixed", "cross_entropy"),
    ("two", "own_data:mixed", "cross_entropy"),
    ("a field", "own_data:field", "mse"),
    ("numbers", "lenet-6-8", "mse"),
    ("numbers", "lenet-6", "own_training:huber"),
]


@pytest.mark.parametrize(("kind", "network", "loss"), CASES)
def test_a_level_of_data_that_are_no_images_repeats_itself_and_measures_what_a_cpu_does(kind, network, loss):
    problem, level = level_of(kind, network, loss, GPU)
    _, again = level_of(kind, network, loss, GPU)
    assert digest_of(again.final) == digest_of(level.final)
    assert all(not level.final.parameters[name].cpu()[~kept].any() for name, kept in level.mask.keep.items())
    located = MaskedPoint(level.final, level.mask)
    ones = torch.ones(located.space.dimension)
    products = [
        surveyor_of(on).hessian(located.to(on.devices[0]))(ones.to(on.devices[0])).cpu()
        for on in (problem, problem_of(kind, network, device=CPU, loss=loss))
    ]
    assert float((products[0] - products[1]).norm()) <= 1e-3 * float(products[1].norm())


@pytest.mark.parametrize("optimizer", ["own_training:by_layer", "own_training:mixing"])
def test_an_optimiser_of_the_users_own_repeats_itself(optimizer):
    digests = {
        digest_of(level_of("vectors", "lenet-6", "cross_entropy", GPU, optimizer=optimizer)[1].final)
        for _ in range(2)
    }
    assert len(digests) == 1


def surveyor_of(problem):
    amount = problem.setting.analysis.hessian_examples
    return Surveyor(problem.network, problem.data, amount, 0, objective=problem.objective)
