"""How often a certified spectrum excludes the truth, on matrices made to mislead it.

Of every kind of matrix as many are drawn, half of them diagonal and half turned at random, in float64 and
float32 by turns. The truth is that of the matrix as it is multiplied with: Rayleigh quotients in extended
precision of LAPACK's eigenvectors, for LAPACK's eigenvalues err more than the intervals are wide. An interval
excludes it if an eigenvalue is not in [θ - noise, upper + noise], or Σ log λ not in `log_eig_interval`. The
chance of that is stated as at most 1e-6 a matrix; convergence is claimed wrongly if such an interval is called
converged.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import click
import numpy as np
import torch
from torch import Tensor

from benchmarks.environment import environment, print_table, write_results
from lth.bar import progress
from lth.measure.curvature.krylov import FAILURE_PROBABILITY, KrylovBasis
from lth.measure.curvature.spectrum import Spectrum, search
from lth.randomness import generator

_COLUMNS = ("matrices", "converged", "excluded", "wrongly converged", "products", "seconds")
_ROUNDING = np.finfo(np.float64).eps / 2  # of the largest eigenvalue: of the truth, once it is float64


@dataclass(frozen=True)
class Case:
    """A spectrum, how many of its eigenvalues are asked for, and how its products err."""

    eigenvalues: np.ndarray
    k: int
    noise: float = 0.0  # of a product's norm
    blind: int = 0  # leading eigenvectors, from the second on, that the first start has no part in
    blocks: int = 1


class Drawn:
    """The matrix of a case: diagonal, or turned at random."""

    def __init__(self, case: Case, dtype: torch.dtype, seed: int, *, turned: bool) -> None:
        self.dimension, self.dtype, self.device = len(case.eigenvalues), dtype, torch.device("cpu")
        self._noise, self._stream = case.noise, torch.Generator().manual_seed(seed)
        entries = _turned(case, seed) if turned or case.blind or case.blocks > 1 else np.diag(case.eigenvalues)
        self._entries = torch.from_numpy((entries + entries.T) / 2).to(dtype)
        self.truth = _eigenvalues(self._entries.double().numpy(), case.k)

    def __call__(self, vector: Tensor) -> Tensor:
        """Return the product, with noise of an independent direction."""
        product = self._entries @ vector
        if self._noise == 0:
            return product
        drawn = torch.randn(self.dimension, generator=self._stream, dtype=self.dtype)
        return product + self._noise * product.norm() * drawn / drawn.norm()


def _eigenvalues(entries: np.ndarray, k: int) -> np.ndarray:
    """Return the k largest: the error of a Rayleigh quotient is that of its vector squared."""
    _, vectors = np.linalg.eigh(entries)
    leading = vectors[:, ::-1][:, :k].astype(np.longdouble)
    products = entries.astype(np.longdouble) @ leading
    quotients = (leading * products).sum(axis=0) / (leading**2).sum(axis=0)
    return np.sort(quotients)[::-1].astype(np.float64)


def _turned(case: Case, seed: int) -> np.ndarray:
    stream, size = np.random.default_rng(seed), len(case.eigenvalues)
    if case.blocks > 1:
        parts = np.array_split(stream.permutation(case.eigenvalues), case.blocks)
        whole = np.zeros((size, size))
        begin = 0
        for part in parts:
            q, _ = np.linalg.qr(stream.standard_normal((len(part), len(part))))
            whole[begin : begin + len(part), begin : begin + len(part)] = (q * part) @ q.T
            begin += len(part)
        return whole
    columns = stream.standard_normal((size, size))
    if case.blind:
        # The first eigenvector holds all of the search's own start that the blind ones would.
        columns[:, 0] = torch.randn(size, dtype=torch.float64, generator=generator(seed, "lanczos", 0)).numpy()
        order = [1, *range(2, 2 + case.blind)]
        q, _ = np.linalg.qr(columns)
        mixed, _ = np.linalg.qr(stream.standard_normal((size - case.blind, size - case.blind)))
        others = [index for index in range(size) if index not in order[: case.blind]]
        q[:, others] = q[:, others] @ mixed
        largest = np.sort(case.eigenvalues)[::-1]
        values = np.empty(size)
        values[order[: case.blind]] = largest[1 : 1 + case.blind]
        values[others] = np.concatenate([largest[:1], largest[1 + case.blind :]])
        return (q * values) @ q.T
    q, _ = np.linalg.qr(columns)
    return (q * case.eigenvalues) @ q.T


def _bulk(stream: np.random.Generator, size: int = 160) -> np.ndarray:
    return 0.02 * np.abs(stream.standard_normal(size)) - 0.005


def _clusters(stream: np.random.Generator) -> Case:
    centres = stream.uniform(0.5, 30, stream.integers(2, 6))
    spread = 10.0 ** stream.uniform(-9, -1)
    parts = [c * (1 + spread * stream.standard_normal(stream.integers(1, 7))) for c in centres]
    return Case(np.concatenate([*parts, _bulk(stream)]), int(stream.integers(1, sum(map(len, parts)) + 1)))


def _multiple_at_k(stream: np.random.Generator) -> Case:
    above, copies = int(stream.integers(1, 10)), int(stream.integers(2, 26))
    values = np.concatenate([np.geomspace(50, 2, above), np.ones(copies), np.linspace(0.5, 1e-3, 150)])
    return Case(values, above + int(stream.integers(1, copies + 1)))


def _nearly_equal(stream: np.random.Generator) -> Case:
    k = int(stream.integers(2, 15))
    values = np.geomspace(30, 1, k)
    return Case(np.concatenate([values, [values[-1] * (1 - 1e-6)], _bulk(stream)]), k)


def _rank_deficient(stream: np.random.Generator) -> Case:
    rank = int(stream.integers(3, 30))
    values = np.concatenate([10 ** stream.uniform(-2, 2, rank), np.zeros(170)])
    return Case(values, int(stream.integers(1, rank + 1)))


def _blocks(stream: np.random.Generator) -> Case:
    values = np.concatenate([10 ** stream.uniform(-1, 1, 20), _bulk(stream)])
    return Case(values, int(stream.integers(1, 16)), blocks=int(stream.integers(2, 7)))


def _repeated_blocks(stream: np.random.Generator) -> Case:
    values = np.tile(np.concatenate([10 ** stream.uniform(-1, 1, 6), _bulk(stream, 50)]), 3)
    return Case(values, int(stream.integers(1, 19)))


def _dynamic_range(stream: np.random.Generator) -> Case:
    return Case(np.concatenate([np.geomspace(1, 1e-12, 40), np.zeros(120)]), int(stream.integers(5, 39)))


def _noisy(size: float) -> Callable[[np.random.Generator], Case]:
    def case(stream: np.random.Generator) -> Case:
        k = int(stream.integers(3, 15))
        values = np.concatenate([10 ** stream.uniform(0, 1.5, k), [1.0] * int(stream.integers(1, 4))])
        return Case(np.concatenate([values, _bulk(stream)]), k, noise=size)

    return case


def _blind(stream: np.random.Generator) -> Case:
    values = np.concatenate([np.geomspace(30, 1, 14), _bulk(stream)])
    return Case(values, int(stream.integers(3, 14)), blind=int(stream.integers(1, 4)))


def _small_above_zeros(stream: np.random.Generator) -> Case:
    large, small = int(stream.integers(1, 6)), int(stream.integers(1, 4))
    values = [10 ** stream.uniform(-1, 2, large), 10 ** stream.uniform(-12, -3, small), np.zeros(190)]
    return Case(np.concatenate(values), int(stream.integers(1, large + small + 1)))


def _decaying(stream: np.random.Generator) -> Case:
    values = np.geomspace(10 ** stream.uniform(0, 2), 1e-6, 200) * (1 - 2 * (stream.random(200) < 0.2))
    return Case(values, int(stream.integers(1, 25)))


KINDS: Mapping[str, Callable[[np.random.Generator], Case]] = {
    "clusters": _clusters,
    "multiple at the k-th place": _multiple_at_k,
    "λ_k ≈ λ_{k+1} to 1e-6": _nearly_equal,
    "rank-deficient": _rank_deficient,
    "block-diagonal": _blocks,
    "the same block thrice": _repeated_blocks,
    "dynamic range 1e12": _dynamic_range,
    "small ones above zeros": _small_above_zeros,
    "noise 1e-7": _noisy(1e-7),
    "noise 1e-4": _noisy(1e-4),
    "first start blind": _blind,
    "decaying, indefinite": _decaying,
}


@click.command()
@click.option("--count", default=200, show_default=True, type=click.IntRange(min=1), help="Matrices of a kind.")
@click.option(
    "--room", type=click.IntRange(min=1), help="Vectors besides k that a basis holds; by default all."
)
@click.option("--name", default="curvature_coverage", show_default=True, help="Of the file in results.")
def main(count: int, room: int | None, name: str) -> None:
    """Count intervals that exclude the truth, and convergence that is claimed wrongly."""
    torch.set_num_threads(1)
    surroundings = environment(1, {})
    rows = {kind: _of_kind(kind, count, room) for kind in KINDS}
    total = {key: sum(row[key] for row in rows.values()) for key in _COLUMNS}
    shown = [[kind, *(f"{row[key]:.6g}" for key in _COLUMNS)] for kind, row in [*rows.items(), ("all", total)]]
    print_table(f"δ = {FAILURE_PROBABILITY:g}", ["", *_COLUMNS], shown)
    parameters = {"count": count, "room": room, "failure_probability": FAILURE_PROBABILITY, "tolerance": 1e-3}
    path = write_results("curvature_coverage", name, surroundings, parameters, {"kinds": rows, "total": total})
    click.echo(f"written to benchmarks/results/{path.name}")


def _of_kind(kind: str, count: int, room: int | None) -> dict[str, float]:
    began, excluded, wrong, converged, products = time.process_time(), 0, 0, 0, 0
    for seed in progress(range(count), kind):
        stream = np.random.default_rng([seed, *kind.encode()])
        case = KINDS[kind](stream)
        dtype = (torch.float64, torch.float32)[seed // 2 % 2]
        matrix = Drawn(case, dtype, seed, turned=bool(seed % 2))
        vectors = matrix.dimension if room is None else min(case.k + room, matrix.dimension)
        found = search(KrylovBasis(matrix, seed, max(3, vectors)), case.k)
        lost = _excludes(found, matrix.truth)
        excluded += lost
        wrong += lost and found.converged
        converged += found.converged
        products += found.num_products
    return {
        "matrices": count,
        "converged": converged,
        "excluded": excluded,
        "wrongly converged": wrong,
        "products": products,
        "seconds": time.process_time() - began,
    }


def _excludes(found: Spectrum, truth: np.ndarray) -> bool:
    slack = _ROUNDING * np.abs(truth).max()
    held = (found.eigenvalues - found.noise <= truth + slack) & (truth - slack <= found.upper + found.noise)
    if not held.all():
        return True
    if found.num_positive < len(truth) or truth.min() <= slack:
        return False
    lower, upper = found.log_eig_interval
    return bool(np.log(truth + slack).sum() < lower or np.log(truth - slack).sum() > upper)


if __name__ == "__main__":
    main()
