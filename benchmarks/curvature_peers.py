"""The peers as contenders of `benchmarks.curvature`; each needs its package, and runs in its own process."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from scipy.sparse.linalg import LinearOperator, eigsh
from torch import Tensor
from torch.nn.functional import cross_entropy

from benchmarks.curvature_setup import CurvatureSetup, Found, load_problem


def plain(setup: CurvatureSetup, _variant: str) -> Callable[[str], Found]:
    """One product by double backward, the graph of the gradient kept: the unit that others are counted in."""
    problem = load_problem(setup)
    parameters = tuple(problem.network.parameters())
    vector = [torch.randn_like(parameter) for parameter in parameters]

    def act(_command: str) -> Found:
        loss = cross_entropy(problem.network(problem.inputs), problem.labels)
        gradient = torch.autograd.grad(loss, parameters, create_graph=True)
        torch.autograd.grad(gradient, parameters, vector, retain_graph=True)
        began = time.perf_counter()
        torch.autograd.grad(gradient, parameters, vector, retain_graph=True)
        return Found.since(began, 1)

    return act


def curvlinops(setup: CurvatureSetup, variant: str) -> Callable[[str], Found]:
    """The Hessian of curvlinops in ARPACK, to the tolerance `variant` of ARPACK's own."""
    from curvlinops import HessianLinearOperator

    problem = load_problem(setup)

    def act(command: str) -> Found:
        began = time.perf_counter()
        hessian = HessianLinearOperator(
            problem.network,
            torch.nn.CrossEntropyLoss(),
            list(problem.network.parameters()),
            [(problem.inputs, problem.labels)],
            check_deterministic=False,
        ).to_scipy()
        if command == "one":
            vector = np.random.default_rng(0).standard_normal(hessian.shape[1]).astype(hessian.dtype)
            hessian @ vector
            began = time.perf_counter()
            hessian @ vector
            return Found.since(began, 1)
        count = 0

        def multiply(vector: np.ndarray) -> np.ndarray:
            nonlocal count
            count += 1
            product: np.ndarray = hessian @ vector
            return product

        counted = LinearOperator(hessian.shape, matvec=multiply, dtype=hessian.dtype)
        values = eigsh(counted, setup.k, which="LA", tol=float(variant), return_eigenvectors=False)
        return Found.since(began, count, tuple(sorted(map(float, values), reverse=True)))

    return act


def eigenthings(setup: CurvatureSetup, variant: str) -> Callable[[str], Found]:
    """Lanczos of hessian-eigenthings with reorthogonalisation and `variant` steps."""
    from hessian_eigenthings import HessianOperator, lanczos, supervised_loss

    problem = load_problem(setup)

    def act(command: str) -> Found:
        began = time.perf_counter()
        loss = supervised_loss(torch.nn.CrossEntropyLoss())
        operator = HessianOperator(problem.network, [(problem.inputs, problem.labels)], loss)
        if command == "one":
            vector = torch.randn(sum(p.numel() for p in problem.network.parameters()))
            operator.matvec(vector)
            began = time.perf_counter()
            operator.matvec(vector)
            return Found.since(began, 1)
        steps = int(variant)
        found = lanczos(operator, k=setup.k, max_iter=steps, reorthogonalize=True, which="LA", seed=0)
        values = sorted(map(float, found.eigenvalues), reverse=True)
        return Found.since(began, found.iterations, tuple(values))

    return act


def pyhessian(setup: CurvatureSetup, variant: str) -> Callable[[str], Found]:
    """Power iteration with deflation of PyHessian, for the `variant` leading eigenvalues by magnitude."""
    module = importlib.import_module("pyhessian.hessian")
    multiply = module.hessian_vector_product
    count = 0

    def counted(gradients: Any, parameters: Any, vector: list[Tensor]) -> Any:
        nonlocal count
        count += 1
        return multiply(gradients, parameters, vector)

    module.hessian_vector_product = counted  # type: ignore[attr-defined]
    problem = load_problem(setup)

    def act(command: str) -> Found:
        nonlocal count
        count, began = 0, time.perf_counter()
        problem.network.zero_grad(set_to_none=True)  # it would add this Hessian to the one before
        data = (problem.inputs, problem.labels)
        hessian = module.hessian(problem.network, torch.nn.CrossEntropyLoss(), data=data, cuda=False)
        if command == "one":
            vector = [torch.randn_like(parameter) for parameter in hessian.params]
            counted(hessian.gradsH, hessian.params, vector)
            began = time.perf_counter()
            counted(hessian.gradsH, hessian.params, vector)
            return Found.since(began, 1)
        values, _ = hessian.eigenvalues(top_n=int(variant))
        return Found.since(began, count, tuple(sorted(map(float, values), reverse=True)))

    return act
