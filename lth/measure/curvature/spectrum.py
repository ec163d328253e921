"""The algebraically largest eigenvalues of a symmetric matrix known by its products, and how certain they are.

Lanczos stops when the interval that the log-product of the eigenvalues lies in is as narrow as asked, not
after a fixed number of products. With V the basis, T = VᵀAV, θ the eigenvalues of T, C how A V leaves V
(`KrylovBasis`), and c no less than the largest eigenvalue of A on all that is orthogonal to V:

    T is a compression of A, so      λᵢ ≥ θᵢ                                                      (Cauchy)
    A ≤ [[T, Cᵀ], [C, c I]], so      λᵢ ≤ max(c, i-th eigenvalue of that small matrix)            (Weyl)

The second differs from θᵢ by about rᵢ² / (θᵢ - c), rᵢ = ‖A y - θᵢ y‖ of the Ritz vector y, and eigenvalues
close together are told apart in it as far as they matter: it is quadratic, and of a cluster as a whole.

c is proved, too, but for a chance of δ = 1e-6. When the eigenvalues seem to be known, from what the last
vectors tell of the rest (an estimate, which decides nothing else), a random start is drawn in what is
orthogonal to the basis as it is then. Its recurrence bounds the largest eigenvalue there (`outside`): a theorem
about what was fixed before the start was drawn, so it holds for everything that the basis is blind to, further
copies of a multiple eigenvalue included. If something large is found there instead, the search goes on, and
nothing is believed before another start, drawn afterwards, has proved its c. The starts share δ.

Assumed is that pseudorandom starts are as good as random ones, and of rounding this: what is computed is exact
for a matrix A + E with ‖E‖ at most `noise`, which is added on both sides (Weyl). E is not known, so `noise` is
an estimate: the norm of what should be symmetric in VᵀAV and is not, and for what rounds symmetrically a few
units of the products' precision times the largest eigenvalue, of float64 as many more for every restart. E
depends on the starts, and is assumed not to conspire with them: a worst case of float32 rounding could hide a
component as small as ε. Where the basis is
full, a start's recurrence goes on beyond it without being kept; what rounding does to it there is an estimate,
too (`KrylovBasis.prove`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch

from lth.bar import progress
from lth.brief import brief
from lth.errors import InputError
from lth.measure.curvature.krylov import (
    FAILURE_PROBABILITY,
    KrylovBasis,
    SymmetricOperator,
    binary_unit,
    with_rest,
)

_FORMER_NOISE = 1e-6  # of the largest eigenvalue: what counted as zero before the dtype was asked
_ROUNDING = 8  # units of the products' precision times the largest eigenvalue, that rounding may hide
_LEAST_CHECK, _LEAST_CONFIRMING = 5, 4  # products between looks at the Ritz values; more, later on
_KEPT = 2 / 3  # of the room besides k: what a restart keeps. 1/3, 1/2 and 4/5 took more products
_LEAST_GROWN = 16  # vectors between two restarts, so that the last of them tell what is outside
_STARTS = 16  # at most: each keeps a vector in float64
_MARGIN = 0.8  # of the tolerance: what is estimated is to be better, for the proof to succeed
_ROOM = 50  # vectors besides k, at least, that thick restarts need to go on


class TooFewPositiveEigenvaluesError(InputError):
    """Fewer than k of the leading eigenvalues are positive, so their log-product does not exist."""


@dataclass(frozen=True)
class Spectrum:
    """The leading eigenvalues of a symmetric matrix, largest first."""

    eigenvalues: np.ndarray  # (k,), float64: Ritz values, each a lower bound but for `noise`
    upper: np.ndarray  # (k,): upper bounds
    residuals: np.ndarray  # (k,): ‖A y - θ y‖ of each Ritz pair; an eigenvalue lies within it of θ
    noise: float  # what rounding of the products may have moved an eigenvalue by; bounds are meant up to it
    num_products: int
    converged: bool  # the bounds were as close as asked, before `noise` is added to both
    failure_probability: float = math.nan  # that an upper bound is too low; nan: they rest on an estimate

    __repr__ = brief

    @property
    def num_positive(self) -> int:
        """How many of the k are positive beyond doubt, which θ - noise > 0 proves (Cauchy)."""
        if math.isnan(self.failure_probability):  # as it was told when this spectrum was found
            noise = max(self.noise, _FORMER_NOISE * np.abs(self.eigenvalues).max())
            return int((self.eigenvalues > self.residuals + noise).sum())
        return int((self.eigenvalues > self.noise).sum())

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
        """Whether the bounds are as close as asked, but for rounding, which no further product narrows.

        That is `Σ log(upperᵢ / θᵢ) ≤ tolerance · max(1, |Σ log λ|)`; the interval holds `noise` too. Where
        a log-product does not exist, it is `upperᵢ - θᵢ ≤ tolerance · |θᵢ|`, or of a thousandth of the largest
        for those near zero.
        """
        if self.num_positive == len(self.eigenvalues):
            width = float(np.log(self.upper / self.eigenvalues).sum())
            return width <= tolerance * max(1.0, abs(self.log_eig_product))
        size = np.abs(self.eigenvalues)
        return bool((self.upper - self.eigenvalues <= tolerance * np.maximum(size, 1e-3 * size.max())).all())


def leading_spectrum(
    matrix: SymmetricOperator,
    k: int,
    *,
    seed: int,
    tolerance: float = 1e-3,
    max_products: int | None = None,
    memory_budget: int | None = None,
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


def budget_on(device: torch.device, gib: float = 10.0) -> int:
    """Return how many bytes a basis may take on a device: so many GiB, of a GPU no more than half.

    It depends on nothing else, as rounding depends on when a basis is restarted.

    Example:
        >>> budget_on(torch.device("cpu")) / 2**30  # 182 vectors of VGG-16
        10.0
    """
    budget = int(gib * 2**30)
    if device.type != "cuda":
        return budget
    return min(budget, torch.cuda.get_device_properties(device).total_memory // 2)


def basis_capacity(matrix: SymmetricOperator, k: int, memory_budget: int | None = None) -> int:
    """Return how many vectors the basis has room for in which k eigenvalues are searched.

    Args:
        matrix: Whose.
        k: How many; a basis that does not hold the whole space is to hold k + 50 vectors.
        memory_budget: Bytes that it may take when it is full, by default `budget_on` its device. It grows as
            far as the search needs it, and is restarted when full: a smaller budget costs products, and
            changes rounding.

    Raises:
        InputError: If so many vectors do not fit.

    Example:
        >>> import torch
        >>> from lth.measure.curvature.matrix import MatrixOperator
        >>> basis_capacity(MatrixOperator(torch.eye(5)), k=3)  # no more than the dimension
        5
    """
    memory_budget = budget_on(matrix.device) if memory_budget is None else memory_budget
    return vectors_in(memory_budget, matrix.dimension, matrix.dtype.itemsize, k)


def vectors_in(memory_budget: int, dimension: int, itemsize: int, k: int) -> int:
    """Return how many vectors of a space fit into so many bytes, at most its dimension.

    Args:
        memory_budget: Bytes.
        dimension: Of the space.
        itemsize: Bytes of a number.
        k: Eigenvalues to be found in it; a basis that does not hold the whole space is to hold k + 50 vectors.

    Raises:
        InputError: If it can't.

    Example:
        >>> vectors_in(2**20, dimension=1000, itemsize=4, k=100)
        262
    """
    size = dimension * itemsize
    needed = min(dimension, k + _ROOM)
    if needed * size > memory_budget:
        raise InputError(
            f"k={k} needs a basis of {needed} vectors of {size / 2**20:.3g} MiB, {needed * size / 2**30:.3g} "
            f"GiB, and {memory_budget / 2**30:.3g} GiB are allowed; lower k, or raise memory_budget (of a "
            "study basis_gib), of which a GPU gives no more than half its memory"
        )
    return min(dimension, memory_budget // size)


def search(
    basis: KrylovBasis,
    k: int,
    *,
    tolerance: float = 1e-3,
    max_products: int | None = None,
    keep: Callable[[], None] | None = None,
    label: str = "eigenvalues",
) -> Spectrum:
    """Grow `basis` until the k leading eigenvalues of its matrix are known, and return them.

    Args:
        basis: Is changed; it may have been grown before, in a search that was interrupted.
        k: As in `leading_spectrum`; so is what is raised.
        tolerance: As in `leading_spectrum`.
        max_products: As in `leading_spectrum`, those before an interruption included.
        keep: Is called after every product. From the basis as it is then a search goes on to the same bits.
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
    if not tolerance >= 0:
        raise InputError(f"tolerance={tolerance} is no relative width; give one of at least 0, such as 1e-3")
    limit = 10 * k + 100 if max_products is None else max_products
    if limit < k:
        raise InputError(f"max_products={limit} can't give k={k} eigenvalues; allow at least k")
    with progress(None, label, initial=basis.num_products, unit="product") as bar:
        while True:
            spent = basis.num_products
            is_last = spent >= limit or basis.is_complete
            if len(basis) >= k and (is_last or _is_due(basis)):
                look = _Look(basis, k, tolerance)
                seen = look.spectrum(basis.proved_outside)
                bar.set_postfix_str(_certainty(seen, tolerance), refresh=False)
                if is_last or seen.converged:
                    return seen
                _steer(basis, look)
            if len(basis) < basis.capacity:
                basis.grow()
            elif basis.is_confirming and basis.since:
                basis.prove()
            else:
                basis.restart(_kept(basis, k))
                basis.grow()
            bar.update()
            if keep is not None:
                keep()


def _kept(basis: KrylovBasis, k: int) -> int:
    return max(k, min(k + int(_KEPT * (basis.capacity - k)), basis.capacity - _LEAST_GROWN))


def _certainty(found: Spectrum, tolerance: float) -> str:
    """Return how far a spectrum is known, and how far it is asked for."""
    if found.num_positive < len(found.eigenvalues):
        return f"{found.num_positive} of {len(found.eigenvalues)} eigenvalues known to be positive"
    asked = tolerance * max(1.0, abs(found.log_eig_product))
    return f"log_eig_product within {found.log_eig_width:.2g}, asked {asked:.2g}"


def _is_due(basis: KrylovBasis) -> bool:
    """Whether to look at the Ritz values, whose cost grows with the cube of the basis."""
    if basis.since == 0:  # a recurrence that ended has seen all it can
        return True
    if basis.is_confirming:
        return _is_step(basis.since, _LEAST_CONFIRMING, 8)
    # Before a restart too, or the numbers of products looked at might all be shortly after one.
    is_full = len(basis) == basis.capacity
    return basis.is_informed and (is_full or _is_step(basis.num_products, _LEAST_CHECK, 25))


def _is_step(count: int, least: int, part: int) -> bool:
    """Whether `count` is among the numbers `least` apart, or by that part of themselves if it is more."""
    step = least
    while step < count:
        step += max(least, step // part)
    return step == count


def _steer(basis: KrylovBasis, look: _Look) -> None:
    """Choose what grows next: a new start once it seems that it will prove all, or what is least known."""
    if basis.since == 0:
        return
    if basis.is_confirming:
        if look.suffices(basis.ritz_outside):
            return  # what is outside may be small enough
    elif basis.num_starts < _STARTS and look.suffices(min(basis.seen_outside, basis.proved_outside), _MARGIN):
        if len(basis) == basis.capacity:
            basis.restart(_kept(basis, look.k))  # the start is to find room; its recurrence goes on without
        basis.start_afresh()
        return
    basis.lead(look.heaviest_end)


class _Look:
    """The Ritz values of a basis, and what follows from them for one bound or another of what is outside."""

    def __init__(self, basis: KrylovBasis, k: int, tolerance: float) -> None:
        self.k = k
        self._basis, self._tolerance = basis, tolerance
        values, vectors = np.linalg.eigh(basis.inside)
        self._ritz, self._size = values[::-1][:k].copy(), float(np.abs(values).max())
        self._vectors = vectors[:, ::-1][:, :k]

    def suffices(self, rest: float, share: float = 1.0) -> bool:
        """Whether the bounds are as close as asked, if what is outside the basis is at most `rest`."""
        if rest == math.inf:
            return False
        # No bounds are closer than these, which cost nothing.
        best = self._spectrum(np.maximum(self._ritz, rest), 0.0)
        return best.meets(share * self._tolerance) and self.spectrum(rest).meets(share * self._tolerance)

    def spectrum(self, rest: float) -> Spectrum:
        """Return what is known if no eigenvalue outside the basis is larger than `rest`."""
        inside, leaving = self._basis.inside, self._basis.leaving
        upper = np.maximum(self._ritz, rest)
        if len(leaving) and rest < math.inf:
            upper = np.maximum(upper, np.linalg.eigvalsh(with_rest(inside, leaving, rest))[::-1][: self.k])
        found = self._spectrum(upper, self._basis.noise + self._floor)
        return replace(found, converged=found.meets(self._tolerance))

    @property
    def heaviest_end(self) -> int:
        """The open end along which the leading Ritz vectors leave the basis most, against their value."""
        size = np.maximum(np.abs(self._ritz), 1e-3 * self._size)
        return int(((self._basis.leaving_by_end @ self._vectors / size) ** 2).sum(axis=1).argmax())

    @property
    def _floor(self) -> float:
        """Return what rounding may hide: of a product, or of float64 each time the basis was recombined."""
        recombined = (1 + self._basis.num_restarts) * torch.finfo(torch.float64).eps
        return (
            _ROUNDING
            * max(torch.finfo(self._basis.matrix.dtype).eps, recombined)
            * max(self._size, self._basis.magnitude)
        )

    def _spectrum(self, upper: np.ndarray, noise: float) -> Spectrum:
        leaving = self._basis.leaving @ self._vectors
        unit = binary_unit(float(np.abs(leaving).max(initial=0)))
        residuals = unit * np.linalg.norm(leaving / unit, axis=0)
        return Spectrum(
            self._ritz,
            upper,
            np.maximum(residuals, noise),
            noise,
            self._basis.num_products,
            converged=False,
            failure_probability=FAILURE_PROBABILITY,
        )
