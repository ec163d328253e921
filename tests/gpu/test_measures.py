"""Measurements on a GPU agree with those of a CPU, at the same point."""

from __future__ import annotations

from functools import cache, partial

import numpy as np
import pytest
import torch
from gpu_problem import CPU, GPU, NETWORKS, Geometry, Run, examples, measure

from lth.measure import Evaluator, HessianOperator, LevelSpace, Weights
from lth.network import build_network
from lth.training.capture import CapturedStep
from lth.training.determinism import fix_workspaces

pytestmark = pytest.mark.gpu


@pytest.fixture(autouse=True)
def _workspaces():
    fix_workspaces([GPU])


@cache
def points(name: str) -> tuple[Weights, Weights, Weights]:
    """Return three points, trained on the CPU."""
    run = Run(name)
    trained = run.train(CPU, capture_at=3)
    assert trained.captured is not None
    return trained.final, trained.captured.weights, Weights.of(build_network(run.spec, 7))


@cache
def geometry(name: str, device: torch.device) -> Geometry:
    return measure(Run(name), points(name), device)


def both(name: str) -> tuple[Geometry, Geometry]:
    return geometry(name, GPU), geometry(name, CPU)


of_every_network = pytest.mark.parametrize("name", NETWORKS)


@of_every_network
def test_losses_and_accuracies_agree(name):
    network = build_network(Run(name).spec, 0)
    ours, theirs = (
        Evaluator(network, examples(device).train)(points(name)[0].to(device)) for device in (GPU, CPU)
    )
    assert ours.loss == pytest.approx(theirs.loss, rel=1e-5)
    assert ours.accuracy == theirs.accuracy


@of_every_network
def test_a_product_agrees(name):
    ours, theirs = (found.product for found in both(name))
    assert float((ours - theirs).norm()) <= 1e-4 * float(theirs.norm())


@of_every_network
def test_a_product_agrees_with_float64(name):
    run = Run(name)
    network, point = build_network(run.spec, 0), points(name)[0]
    space = LevelSpace(run.mask, point)
    exact = HessianOperator(network, point, space, examples(CPU).train, dtype=torch.float64)
    ones = torch.ones(space.dimension)
    truth = exact(ones.double())
    assert float((geometry(name, GPU).product.double() - truth).norm()) <= 1e-4 * float(truth.norm())


@of_every_network
def test_the_intervals_of_the_spectrum_overlap(name):
    ours, theirs = (found.spectrum for found in both(name))
    assert ours.converged
    assert theirs.converged
    slack = 1e-5 * theirs.eigenvalues.max()  # float32 products
    assert (ours.eigenvalues - slack <= theirs.upper + slack).all()
    assert (theirs.eigenvalues - slack <= ours.upper + slack).all()


@of_every_network
def test_the_trace_agrees_within_its_standard_error(name):
    ours, theirs = (found.trace for found in both(name))
    error = np.hypot(ours.standard_error, theirs.standard_error)
    assert abs(ours.estimate - theirs.estimate) <= 4 * error + 1e-4 * abs(theirs.estimate)


@of_every_network
def test_radii_agree_along_the_same_draws(name):
    ours, theirs = (found.radii for found in both(name))
    np.testing.assert_allclose(ours.radii, theirs.radii, rtol=5e-3)  # of which 1e-3 is the search's tolerance


@of_every_network
def test_losses_on_a_plane_agree(name):
    ours, theirs = (found.surface for found in both(name))
    np.testing.assert_allclose(ours.loss, theirs.loss, rtol=1e-4)


@of_every_network
def test_graphs_that_are_computed_again_give_the_bits_of_those_that_are_kept(name):
    run = Run(name)
    point = points(name)[0].to(GPU)
    space = LevelSpace(run.mask, point)
    network, data = build_network(run.spec, 0), examples(GPU).train
    ones = torch.ones(space.dimension, device=GPU)
    kept = HessianOperator(network, point, space, data)(ones)
    rebuilt = HessianOperator(network, point, space, data, graph_budget_bytes=0)(ones)
    assert torch.equal(kept, rebuilt)


@of_every_network
def test_a_captured_product_gives_the_bits_of_one_that_is_launched_kernel_by_kernel(name, monkeypatch):
    run = Run(name)
    point = points(name)[0].to(GPU)
    space = LevelSpace(run.mask, point)
    network, data = build_network(run.spec, 0), examples(GPU).train
    ones = torch.ones(space.dimension, device=GPU)
    captured = HessianOperator(network, point, space, data)
    first, again = captured(ones), captured(2 * ones)
    by_launch = partial(CapturedStep, record=lambda work: work)
    monkeypatch.setattr("lth.measure.curvature.hessian.CapturedStep", by_launch)
    plain = HessianOperator(network, point, space, data)
    assert torch.equal(first, plain(ones))
    assert torch.equal(again, plain(2 * ones))
