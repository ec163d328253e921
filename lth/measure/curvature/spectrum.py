"""The algebraically largest eigenvalues of a symmetric matrix known by its products, and how certain they are.

Lanczos stops when the interval that the log-product of the eigenvalues lies in is as narrow as asked, not
after a fixed number of products. With Y the k leading Ritz vectors, Θ = YᵀAY their Ritz values, R = A Y - Y Θ
what is left over, and c no less than the largest eigenvalue of A on what is orthogonal to Y:

    Θ is a compression of A, so      λᵢ ≥ θᵢ                                                (Cauchy)
    A ≤ [[Θ, Rᵀ], [R, c I]], so      λᵢ ≤ max(c, i-th eigenvalue of that small matrix)      (Weyl)

All of it is proved but c, which products can only estimate: it is the next Ritz value with its residual, or
what is seen outside the basis if that is larger (`KrylovBasis.projection`). Eigenvalues close together look
like one until they are told apart, which misleads that estimate: so the upper bound is made no less than
θᵢ + 2 rᵢ, rᵢ = ‖A y - θᵢ y‖, and a tenth of the tolerance is added. A direction that the start vector had no
part in, as further copies of a multiple eigenvalue, would be missed: a second random start, orthogonal to all
that was found, looks for them before an interval is believed. Copies that stand out are found so; of others
too close to tell apart one may be missed, which changes the product little.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from lth.bar import progress
from lth.brief import brief
from lth.errors import InputError
from lth.measure.curvature.krylov import KrylovBasis, Projection, SymmetricOperator

_NOISE = 1e-6  # of the largest eigenvalue: float32 products resolve no smaller one
_CHECK_EVERY = 5  # products between looks at the Ritz values, whose cost grows with the cube of the basis
_STARTS = 4  # at most: what is outside is told from 8 vectors a start, and that many must fit between restarts
MEMORY_BUDGET = 10 * 2**30  # bytes: 182 vectors of VGG-16
_ROOM = 50  # vectors besides k, at least, that thick restarts need to go on


class TooFewPositiveEigenvaluesError(InputError):
    """Fewer than k of the leading eigenvalues are positive, so their log-product does not exist."""


@dataclass(frozen=True)
class Spectrum:
    """The leading eigenvalues of a symmetric matrix, largest first."""

    eigenvalues: np.ndarray  # (k,), float64: Ritz values, each a lower bound but for `noise`
    upper: np.ndarray  # (k,): upper bounds
    residuals: np.ndarray  # (k,): ‖A y - θ y‖ of each Ritz pair; an eigenvalue lies within it of θ
    noise: float  # rounding seen in the products; bounds are meant up to it
    num_products: int
    converged: bool  # the bounds were as close as asked

    __repr__ = brief

    @property
    def num_positive(self) -> int:
        """How many of the k are positive beyond doubt: above their residual and the noise of the products."""
        noise = max(self.noise, _NOISE * np.abs(self.eigenvalues).max())
        return int((self.eigenvalues > self.residuals + noise).sum())

    @property
    def log_eig_product(self) -> float:
        """Σ log λᵢ over the k eigenvalues, natural logarithm (the inverse basin volume; docs/protocol.md).

        Raises:
            TooFewPositiveEigenvaluesError: If one of them is not positive beyond doubt.
        """
        self._require_positive()
        return float(np.log(self.eigenvalues).sum())

    def _require_positive(self) -> None:
        if self.num_positive < len(self.eigenvalues):
            raise TooFewPositiveEigenvaluesError(
                f"only {self.num_positive} of the {len(self.eigenvalues)} leading eigenvalues are positive "
                f"beyond rounding; set k to at most {self.num_positive}"
            )

    @property
    def log_eig_interval(self) -> tuple[float, float]:
        """What Σ log λᵢ lies between: (Σ log(θᵢ - noise), Σ log(upperᵢ + noise)).

        Raises:
            TooFewPositiveEigenvaluesError: If one of them is not positive beyond doubt.
        """
        self._require_positive()
        lower, upper = self.eigenvalues - self.noise, self.upper + self.noise
        return float(np.log(lower).sum()), float(np.log(upper).sum())

    @property
    def log_eig_width(self) -> float:
        """Width of `log_eig_interval`; infinite if products were spent before anything was certain.

        Raises:
            TooFewPositiveEigenvaluesError: If one of them is not positive beyond doubt.
        """
        lower, upper = self.log_eig_interval
        return upper - lower

    def meets(self, tolerance: float) -> bool:
        """Whether the bounds are as close as asked.

        That is `upper - lower ≤ tolerance · max(1, |Σ log λ|)` of the interval; where a log-product does not
        exist, `upperᵢ - θᵢ ≤ tolerance · |θᵢ|`, or of a thousandth of the largest for those near zero.
        """
        if self.num_positive == len(self.eigenvalues):
            return self.log_eig_width <= tolerance * max(1.0, abs(self.log_eig_product))
        size = np.abs(self.eigenvalues)
        return bool((self.upper - self.eigenvalues <= tolerance * np.maximum(size, 1e-3 * size.max())).all())


def leading_spectrum(
    matrix: SymmetricOperator,
    k: int,
    *,
    seed: int,
    tolerance: float = 1e-3,
    max_products: int | None = None,
    memory_budget: int = MEMORY_BUDGET,
    label: str = "eigenvalues",
) -> Spectrum:
    """Return the k algebraically largest eigenvalues of `matrix`.

    Args:
        matrix: The basis is kept in the precision of its products, the recurrence is float64.
        k: How many, at most the dimension.
        seed: Of the random start vectors.
        tolerance: Largest width of the interval that the log-product lies in, relative to it.
        max_products: Give up after so many; by default `10 k + 100`.
        memory_budget: Bytes that the basis may take; see `basis_capacity`.
        label: What the progress bar says.

    Returns:
        The spectrum; `converged` is False if `max_products` were spent before the tolerance was met, or before
        a second start had looked for what the first was blind to.

    Raises:
        ValueError: If k is out of range, does not fit the budget, or a product is not finite.

    Example:
        >>> import torch
        >>> from lth.measure.curvature.matrix import MatrixOperator
        >>> found = leading_spectrum(MatrixOperator(torch.diag(torch.arange(100.0) + 1)), k=3, seed=0)
        >>> found.eigenvalues.round(2).tolist(), found.converged
        ([100.0, 99.0, 98.0], True)
        >>> round(float(np.exp(found.log_eig_product)) / (100 * 99 * 98), 3)
        1.0
    """
    basis = KrylovBasis(matrix, seed, basis_capacity(matrix, k, memory_budget))
    return search(basis, k, tolerance=tolerance, max_products=max_products, label=label)


def basis_capacity(matrix: SymmetricOperator, k: int, memory_budget: int = MEMORY_BUDGET) -> int:
    """Return how many vectors the basis has room for in which k eigenvalues are searched.

    Args:
        matrix: Whose.
        k: How many; a basis that does not hold the whole space is to hold k + 50 vectors.
        memory_budget: Bytes that it may take when it is full. It grows as far as the search needs it, and is
            restarted when full: a smaller budget costs products, and changes rounding.

    Raises:
        InputError: If so many vectors do not fit.

    Example:
        >>> import torch
        >>> from lth.measure.curvature.matrix import MatrixOperator
        >>> basis_capacity(MatrixOperator(torch.eye(5)), k=3)  # no more than the dimension
        5
    """
    size = matrix.dimension * matrix.dtype.itemsize
    needed = min(matrix.dimension, k + _ROOM)
    if needed * size > memory_budget:
        raise InputError(
            f"k={k} needs a basis of {needed} vectors of {size / 2**20:.3g} MiB, {needed * size / 2**30:.3g} "
            f"GiB, and memory_budget is {memory_budget / 2**30:.3g} GiB; lower k, or raise memory_budget"
        )
    return min(matrix.dimension, memory_budget // size)


def search(
    basis: KrylovBasis,
    k: int,
    *,
    tolerance: float = 1e-3,
    max_products: int | None = None,
    claimed: np.ndarray | None = None,
    keep: Callable[[np.ndarray | None], None] | None = None,
    label: str = "eigenvalues",
) -> Spectrum:
    """Grow `basis` until the k leading eigenvalues of its matrix are known, and return them.

    Args:
        basis: Is changed; it may have been grown before, in a search that was interrupted.
        k: As in `leading_spectrum`; so is what is raised.
        tolerance: As in `leading_spectrum`.
        max_products: As in `leading_spectrum`, those before an interruption included.
        claimed: Of an interrupted search: what `keep` was called with.
        keep: Is called after every product. From the basis as it is then, and the upper bounds, (k,), that a
            new start is to confirm, a search goes on to the same bits.
        label: What the progress bar says.

    Example:
        >>> import torch
        >>> from lth.measure.curvature.matrix import MatrixOperator
        >>> basis = KrylovBasis(MatrixOperator(torch.diag(torch.arange(100.0) + 1)), seed=0, capacity=60)
        >>> search(basis, k=2).eigenvalues.round(2).tolist()
        [100.0, 99.0]
    """
    dimension = basis.matrix.dimension
    if not 1 <= k <= dimension:
        raise InputError(f"k={k} eigenvalues of a matrix of side {dimension}; choose k from 1 to {dimension}")
    limit = 10 * k + 100 if max_products is None else max_products
    if limit < k:
        raise InputError(f"max_products={limit} can't give k={k} eigenvalues; allow at least k")
    with progress(None, label, initial=basis.num_products, unit="product") as bar:
        while True:
            spent, informed = basis.num_products, basis.is_informed
            is_last = spent >= limit or basis.is_complete
            if len(basis) >= k and (is_last or (informed and spent % _CHECK_EVERY == 0)):
                found = _spectrum(basis.projection(), k, spent, tolerance)
                bar.set_postfix_str(_certainty(found, tolerance), refresh=False)
                confirmed = basis.is_complete or (claimed is not None and _within(found, claimed))
                if is_last or (found.converged and confirmed):
                    certain = confirmed and (informed or basis.is_complete)
                    return replace(found, converged=found.converged and certain)
                if found.converged:
                    claimed = found.upper + found.noise
                    if basis.num_starts < _STARTS:
                        basis.start_afresh()
            if len(basis) == basis.capacity:
                basis.restart(k + (basis.capacity - k) // 3)
            basis.grow()
            bar.update()
            if keep is not None:
                keep(claimed)


def _spectrum(known: Projection, k: int, num_products: int, tolerance: float) -> Spectrum:
    values, vectors = np.linalg.eigh(known.inside)
    values, vectors = values[::-1], vectors[:, ::-1]
    leaving = known.leaving @ vectors  # (e, m): how A y leaves the basis, for every Ritz vector y
    residuals = np.linalg.norm(leaving, axis=0)
    ritz, upper = values[:k], values[:k]
    if len(known.leaving):
        rest = values[k] + residuals[k] if len(values) > k else np.inf
        rest = max(rest, known.outside)
        if rest < np.inf:
            corner = rest * np.eye(len(leaving))
            around = np.block([[np.diag(ritz), leaving[:, :k].T], [leaving[:, :k], corner]])
            upper = np.maximum(np.linalg.eigvalsh(around)[::-1][:k], rest)
            # Eigenvalues not told apart yet look like one, at their mean; the residual is how far they spread.
            upper = np.maximum(upper, ritz + 2 * residuals[:k])
            upper = upper + 0.1 * tolerance * _share(ritz) * np.abs(upper)
        else:
            upper = np.full(k, np.inf)
    found = Spectrum(ritz, upper, residuals[:k], known.noise, num_products, converged=False)
    return replace(found, converged=found.meets(tolerance))


def _certainty(found: Spectrum, tolerance: float) -> str:
    """Return how far a spectrum is known, and how far it is asked for."""
    if found.num_positive < len(found.eigenvalues):
        return f"{found.num_positive} of {len(found.eigenvalues)} eigenvalues known to be positive"
    asked = tolerance * max(1.0, abs(found.log_eig_product))
    return f"log_eig_product within {found.log_eig_width:.2g}, asked {asked:.2g}"


def _share(values: np.ndarray) -> float:
    """Return an eigenvalue's share in the interval that is allowed, were it spread evenly, in tolerances."""
    return max(1.0, abs(float(np.log(values).sum()))) / len(values) if (values > 0).all() else 1.0


def _within(found: Spectrum, claimed: np.ndarray) -> bool:
    """Whether no eigenvalue has left the bounds that were given before the new start."""
    return bool((found.eigenvalues <= claimed).all())
