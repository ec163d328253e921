"""lth as a contender of `benchmarks.curvature`."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

from benchmarks.curvature_setup import CurvatureSetup, Found, load_problem
from lth.data import Examples
from lth.measure.curvature.hessian import HessianOperator
from lth.measure.curvature.spectrum import leading_spectrum
from lth.network.mask import Mask
from lth.network.space import LevelSpace
from lth.network.weights import Weights


def prepare(setup: CurvatureSetup, variant: str) -> Callable[[str], Found]:
    """Return a function that finds the eigenvalues to the tolerance `variant`, which none but 0 may miss."""
    problem = load_problem(setup)
    zero, one = torch.zeros(3, 1, 1), torch.ones(3, 1, 1)
    examples = Examples(problem.inputs, problem.labels, zero, one)
    weights = Weights.of(problem.network)
    space = LevelSpace(Mask.dense(problem.network), weights)

    def act(command: str) -> Found:
        began = time.perf_counter()
        operator = HessianOperator(problem.network, weights, space, examples)
        if command == "one":
            vector = torch.randn(operator.dimension)
            operator(vector)
            began = time.perf_counter()
            operator(vector)
            return Found.since(began, 1)
        most = None if float(variant) > 0 else 4 * setup.k
        seed = 0 if most is None else 1  # the truth starts elsewhere than what it judges
        found = leading_spectrum(operator, setup.k, seed=seed, tolerance=float(variant), max_products=most)
        told = Found.since(began, operator.num_products, tuple(found.eigenvalues.tolist()))
        if float(variant) > 0 and not found.converged:
            raise RuntimeError(f"it did not converge in {found.num_products} products")
        return told

    return act
