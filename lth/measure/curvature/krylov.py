"""A growing orthonormal basis and the projection of a symmetric matrix on it, by Lanczos' recurrence.

A V = V T + F C, where the rows of C say how A V leaves the basis along the few unit vectors F at its open
ends: one for every random start. The vectors of F are orthogonal to the basis, not to each other, so that each
start's own recurrence goes on undisturbed: from its first vector on it is Lanczos' recurrence of the matrix on
all that was outside the basis then, and bounds its largest eigenvalue there (`outside`). What is outside later
is a part of that, with no larger an eigenvalue. Every new vector is orthogonalised against all of the basis
until that changes it no more, so no ghost copies of converged eigenvalues appear (Paige 1976 explains how they
do). When the basis is full it is replaced by its leading Ritz vectors and goes on (thick restart: Wu and Simon
2000); or, where a start proves what is outside, that start's recurrence goes on without being kept: it needs
its last two vectors and all of the basis as it was, and a restart would end it (`prove`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from lth.errors import InputError
from lth.measure.curvature.outside import largest_eigenvalue_bound
from lth.randomness import generator

FAILURE_PROBABILITY = (
    1e-6  # δ: the chance, over the random starts, that what is proved of what is outside fails
)
_INVARIANT = 1e-14  # a remainder this small against the matrix is rounding
_PASSES = 4  # of orthogonalisation; a vector that still shrinks after them was inside but for rounding
# Vectors that tell what is outside: of 5 to 40, on spectra like those of trained networks, 8 gave estimates
# that were never too low and closest to the truth; longer ones lag behind what is outside now.
_WINDOW = 8
_BLOCK = 32  # vectors allocated at once, so that memory grows with the basis
_COLUMNS = 2**16  # of the basis, rotated or summed over at once


class SymmetricOperator(Protocol):
    """A symmetric matrix that can only be multiplied with."""

    @property
    def dimension(self) -> int:
        """Side of the matrix."""

    @property
    def device(self) -> torch.device:
        """Where vectors live."""

    @property
    def dtype(self) -> torch.dtype:
        """Precision of the products, in which vectors are kept."""

    def __call__(self, vector: Tensor) -> Tensor:
        """Return the product with `vector`, (dimension,)."""


@dataclass(frozen=True)
class BasisState:
    """All that a basis of m vectors goes on from to the same bits, but for the vectors themselves."""

    capacity: int
    inside: np.ndarray  # (m, m)
    ends: Tensor  # (e, n), float64: unit vectors
    leaving: np.ndarray  # (e, m): a row for each end, as it is
    asymmetry: np.ndarray  # (m, m)
    since: int  # vectors of the recurrence that grows, since its start or the last restart
    unbroken: bool  # it has grown alone since its start
    proved: float
    num_products: int
    num_starts: int
    num_restarts: int  # vectors never change between two
    beyond: np.ndarray = field(
        default_factory=lambda: np.zeros((0, 2))
    )  # α and β that the basis has no room for
    tail: Tensor = field(
        default_factory=lambda: torch.zeros(0, 0, dtype=torch.float64)
    )  # (2, n), if there are any
    largest: float = 0.0  # magnitude of a Ritz value, before the last restart
    ignored: float = 0.0  # of remainders that were taken for rounding, the sum of lengths


def with_rest(inside: np.ndarray, leaving: np.ndarray, rest: float) -> np.ndarray:
    """Return [[T, Cᵀ], [C, c I]], of side m + e: A is no larger, but for directions where it is at most c.

    Args:
        inside: T = VᵀAV, (m, m).
        leaving: C, (e, m), in an orthonormal basis of where AV leaves V.
        rest: c, no less than the largest eigenvalue of A on what is orthogonal to V.

    Example:
        One vector with Rayleigh quotient 3, which A takes out of the basis by 1; all else is at most 2.

        >>> np.linalg.eigvalsh(with_rest(np.array([[3.0]]), np.array([[1.0]]), 2.0)).round(3).tolist()
        [1.382, 3.618]
    """
    return np.block([[inside, leaving.T], [leaving, rest * np.eye(len(leaving))]])


def binary_unit(largest: float) -> float:
    """Return the power of two at or below the largest magnitude of some numbers; 1 if that is 0 or no number.

    In units of it sums of their squares neither vanish nor overflow, and no bit of them is another.

    Example:
        >>> binary_unit(9.0), binary_unit(1e-200) <= 1e-200, binary_unit(0.0)
        (8.0, True, 1.0)
    """
    return math.ldexp(1.0, math.frexp(largest)[1] - 1) if 0 < largest < math.inf else 1.0


class KrylovBasis:
    """The basis, grown vector by vector.

    Args:
        matrix: What is multiplied with.
        seed: Of the random starts.
        capacity: Vectors that fit; at least 3.

    Example:
        >>> from lth.measure.curvature.matrix import MatrixOperator
        >>> basis = KrylovBasis(MatrixOperator(torch.diag(torch.tensor([1.0, 2.0, 5.0]))), seed=0, capacity=3)
        >>> while not basis.is_complete:
        ...     basis.grow()
        >>> np.linalg.eigvalsh(basis.inside).round(5).tolist()
        [1.0, 2.0, 5.0]
    """

    def __init__(self, matrix: SymmetricOperator, seed: int, capacity: int) -> None:
        self._matrix, self._seed, self._capacity = matrix, seed, capacity
        self._vectors = _Vectors(matrix.dimension, matrix.dtype, matrix.device)
        self._inside = np.zeros((0, 0))
        # A unit vector and, (m,), how A V leaves along it; the first is of the recurrence that grows.
        self._ends: list[tuple[Tensor, np.ndarray]] = []
        self._asymmetry = np.zeros((0, 0))  # differences between entries of VᵀAV that should be equal
        self._since = 0
        self._unbroken = False
        self._proved = math.inf  # by the recurrences before, of what is outside
        # Where the basis is full: α and β of the recurrence beyond it, its last vector and the next.
        self._beyond: list[tuple[float, float]] = []
        self._tail: list[Tensor] = []
        self.num_products = 0
        self.num_starts = 0
        self.num_restarts = 0
        self._largest = self._ignored = 0.0
        self._begin()

    @classmethod
    def resumed(
        cls, matrix: SymmetricOperator, seed: int, state: BasisState, vectors: Iterable[Tensor]
    ) -> KrylovBasis:
        """Return the basis that had `state`, which grows on to the same bits.

        Args:
            matrix: The same as then.
            seed: The same as then.
            state: What `state` returned.
            vectors: What `vectors` returned, in parts (p, dimension).

        Raises:
            ValueError: If state and vectors are not those of one basis of this matrix.
        """
        basis = cls(matrix, seed, state.capacity)
        for part in vectors:
            if part.dim() != 2 or part.shape[1] != matrix.dimension or part.dtype != matrix.dtype:
                found, expected = (
                    f"{tuple(part.shape)}, {part.dtype}",
                    f"(…, {matrix.dimension}), {matrix.dtype}",
                )
                raise InputError(f"vectors of shape {found}; expected {expected}")
            for vector in part.to(matrix.device):
                basis._vectors.append(vector)
        size = len(basis)
        shapes = [tuple(state.inside.shape), tuple(state.leaving.shape), tuple(state.ends.shape)]
        count = len(state.ends)
        expected_shapes = [(size, size), (count, size), (count, matrix.dimension)]
        if len(state.beyond):
            shapes.append(tuple(state.tail.shape))
            expected_shapes.append((2, matrix.dimension))
        if shapes != expected_shapes or state.asymmetry.shape != (size, size) or size > state.capacity:
            raise InputError(
                f"a basis of {size} vectors of length {matrix.dimension} has no state of shapes {shapes}"
            )
        basis._inside, basis._asymmetry = state.inside, state.asymmetry
        # Each in memory of its own, aligned as it was: routines may sum in another order otherwise.
        ends = [end.clone() for end in state.ends.to(matrix.device)]
        basis._ends = list(zip(ends, state.leaving, strict=True))
        basis._since, basis._unbroken, basis._proved = state.since, state.unbroken, state.proved
        basis.num_products, basis.num_starts = state.num_products, state.num_starts
        basis.num_restarts = state.num_restarts
        basis._largest, basis._ignored = state.largest, state.ignored
        basis._beyond = [(float(alpha), float(beta)) for alpha, beta in state.beyond]
        basis._tail = [vector.clone() for vector in state.tail.to(matrix.device)]
        return basis

    def __len__(self) -> int:
        return len(self._vectors)

    @property
    def matrix(self) -> SymmetricOperator:
        """What is multiplied with."""
        return self._matrix

    @property
    def capacity(self) -> int:
        """Vectors that fit."""
        return self._capacity

    def state(self) -> BasisState:
        """Return all that it goes on from, but for its vectors."""
        return BasisState(
            capacity=self._capacity,
            inside=self._inside,
            ends=torch.stack([end for end, _ in self._ends])
            if self._ends
            else torch.zeros(0, self._matrix.dimension, dtype=torch.float64),
            leaving=self.leaving_by_end,
            asymmetry=self._asymmetry,
            since=self._since,
            unbroken=self._unbroken,
            proved=self._proved,
            num_products=self.num_products,
            num_starts=self.num_starts,
            num_restarts=self.num_restarts,
            beyond=np.array(self._beyond).reshape(len(self._beyond), 2),
            tail=torch.stack(self._tail) if self._tail else torch.zeros(0, 0, dtype=torch.float64),
            largest=self._largest,
            ignored=self._ignored,
        )

    @property
    def magnitude(self) -> float:
        """The largest entry of VᵀAV, or Ritz value before a restart, by magnitude: what rounding goes by."""
        return max(self._largest, float(np.abs(self._inside).max(initial=0)))

    @property
    def inside(self) -> np.ndarray:
        """VᵀAV, (m, m), float64; not to be written to."""
        return self._inside

    def vectors(self, start: int, stop: int) -> Tensor:
        """Return a copy of the vectors from `start` to before `stop`, (stop - start, dimension)."""
        return self._vectors.rows(start, stop)

    def combined(self, coefficients: np.ndarray) -> Tensor:
        """Return combinations of the vectors, (k, dimension), from their coefficients, (size, k)."""
        return self._vectors.combined(torch.from_numpy(np.ascontiguousarray(coefficients)))

    def outside(self, vector: Tensor) -> Tensor:
        """Return the part of `vector`, (dimension,) and float64, that is orthogonal to the basis."""
        return self._vectors.minus(vector, self._vectors.inner(vector))

    @property
    def is_informed(self) -> bool:
        """Whether the recurrence that grows has enough vectors to tell what is outside."""
        return self._since >= _WINDOW

    @property
    def is_complete(self) -> bool:
        """Whether the basis spans everything."""
        return len(self) == self._matrix.dimension

    @property
    def is_confirming(self) -> bool:
        """Whether a second or later start's recurrence has grown alone since: what it proves is improving."""
        return self._unbroken and self.num_starts > 1

    @property
    def since(self) -> int:
        """Vectors of the recurrence that grows, inside and beyond, since its start or the last restart."""
        return self._since + len(self._beyond)

    def start_afresh(self) -> None:
        """Go on from a random vector orthogonal to the basis: it sees what others were blind to.

        The products of a vector stay in the span of its own eigencomponents: of an eigenspace it sees one
        direction. Where basis and open ends leave no other direction, nothing is done.
        """
        if len(self) + len(self._ends) < self._matrix.dimension:
            self._begin()

    def lead(self, end: int) -> None:
        """Let the recurrence of this open end grow from now on; what the latest start proves is settled."""
        self._conclude()
        if end > 0:
            self._since = 0
            self._ends.insert(0, self._ends.pop(end))

    def grow(self) -> None:
        """Add the leading open end to the basis and multiply with it.

        Raises:
            ValueError: If the product is not finite.
        """
        if len(self) == self._capacity:
            raise InputError(f"the basis is full with {self._capacity} vectors; restart it")
        vector, coupling = self._ends.pop(0)
        product, unit = self._product(vector)
        self._vectors.append(vector)
        along = self._vectors.inner(product)
        along[-1] = _inner(vector, product)  # the vector is rounded in the basis
        inner = along.cpu().numpy() * unit
        if not np.isfinite(inner).all():
            raise InputError("a Hessian-vector product is not finite; the point is outside the network's range")
        coupling = self._part_from_ends(vector, coupling)
        self._inside = _bordered(self._inside, coupling, inner[-1])
        self._asymmetry = _bordered(self._asymmetry, inner[:-1] - coupling, 0.0)
        self._since += 1
        size = len(self)
        remainder = self._orthogonal(self._vectors.minus(product, along))
        part = _length(remainder)
        length = part * unit
        room = self._matrix.dimension - size
        if room > 0 and length > _INVARIANT * self.magnitude:
            self._ends.insert(0, (remainder / part, np.append(np.zeros(size - 1), length)))
            return
        self._conclude(left=max(length, self._rounding))
        if room > 0:
            self._ignored += length
        self._since = 0
        if room == 0:
            self._ends = []
        elif not self._ends:
            self._begin()

    def prove(self) -> None:
        """Take the next step of a recurrence that confirms, though the basis is full; it keeps α and β alone.

        The basis stays as it is, and with it what its open ends say. A vector of the recurrence is
        orthogonalised against the basis and the two vectors before it, which in exact arithmetic makes it
        orthogonal to all. That rounding changes α and β no more than it changes eigenvalues is an estimate: it
        is argued by what Paige (1976) and Greenbaum (1989) proved of a recurrence that is not reorthogonalised
        at all, where vectors stay orthogonal until a Ritz value converges, and α and β are afterwards those of
        a larger matrix whose eigenvalues lie near. Of one that is kept orthogonal to a basis nothing is proved.

        Raises:
            ValueError: If no start confirms with a vector in the basis, or the product is not finite.
        """
        if not (self.is_confirming and self._since):
            raise InputError("no start of the basis confirms what is outside; restart the basis, and grow it")
        if not self._tail:
            self._tail = [self._vectors.rows(len(self) - 1, len(self))[0].double(), self._ends[0][0]]
        before, vector = self._tail
        product, unit = self._product(vector)
        alpha = float(_inner(vector, product)) * unit
        if not math.isfinite(alpha):
            raise InputError("a Hessian-vector product is not finite; the point is outside the network's range")
        remainder = product
        for _ in range(2):
            for other in (vector, before):
                remainder = remainder - _inner(other, remainder) * other
            remainder = self._orthogonal(remainder)
        part = _length(remainder)
        length = part * unit
        if length <= _INVARIANT * self.magnitude:
            self._beyond.append((alpha, max(length, self._rounding)))
            self._ignored += length
            self._conclude()
            return
        self._beyond.append((alpha, length))
        self._tail = [vector, remainder / part]

    def _product(self, vector: Tensor) -> tuple[Tensor, float]:
        """Return the product in units that its squares are at home in, and that unit."""
        self.num_products += 1
        product = self._matrix(vector.to(self._matrix.dtype)).double()
        unit = binary_unit(float(product.abs().max()))
        return product / unit, unit

    def _part_from_ends(self, vector: Tensor, coupling: np.ndarray) -> np.ndarray:
        """Take `vector`, which is in the basis now, out of the other ends; return all its coupling, VᵀAv."""
        parted = []
        for end, row in self._ends:
            overlap = float(_inner(end, vector))
            coupling = coupling + overlap * row
            rest = end - overlap * vector
            if abs(overlap) > 0.5:
                rest = self._orthogonal(rest)
            if (length := _length(rest)) > 0:
                parted.append((rest / length, np.append(length * row, 0.0)))
        self._ends = parted
        return coupling

    def _begin(self) -> None:
        self._conclude()
        stream = generator(self._seed, "lanczos", self.num_starts)
        drawn = torch.randn(self._matrix.dimension, dtype=torch.float64, generator=stream)
        drawn = self._orthogonal(drawn.to(self._matrix.device))
        self._ends.insert(0, (drawn / _length(drawn), np.zeros(len(self))))
        self._since, self._unbroken = 0, True
        self.num_starts += 1

    def _conclude(self, *, left: float | None = None) -> None:
        """Keep what the recurrence that grew has proved; what comes next is another.

        Args:
            left: Its last β, where it ended, which bounds what is outside as any other does: what an eigenvalue
                adds to β is smaller than itself by as much as the start has little of its direction.
        """
        self._proved, self._unbroken = self._proved_outside(left), False
        self._beyond, self._tail = [], []

    def restart(self, keep: int) -> None:
        """Replace the basis by its `keep` leading Ritz vectors."""
        values, vectors = np.linalg.eigh(self._inside)
        rotation, dropped = vectors[:, ::-1][:, :keep], vectors[:, ::-1][:, keep:]
        self._largest = max(self._largest, float(np.abs(values).max()))
        self._conclude()
        if self._proved < math.inf:
            # Outside are from now on also the dropped Ritz vectors, coupled to what was there before.
            around = with_rest(np.diag(values[::-1][keep:]), self.leaving @ dropped, self._proved)
            self._proved = max(self._proved, float(np.linalg.eigvalsh(around)[-1]))
        self._vectors.rotate(torch.from_numpy(rotation.copy()))
        self._inside = np.diag(values[::-1][:keep])
        self._asymmetry = rotation.T @ self._asymmetry @ rotation
        self._ends = [(end, row @ rotation) for end, row in self._ends]
        self._since = 0
        self.num_restarts += 1

    @property
    def _rounding(self) -> float:
        """What no β is smaller than beyond doubt: the recurrence is float64."""
        return float(np.finfo(np.float64).eps) * self.magnitude

    @property
    def noise(self) -> float:
        """Rounding of products: the norm of what differs in VᵀAV and should not, and what was taken for it."""
        return float(np.abs(np.linalg.eigvalsh(self._asymmetry)).max(initial=0)) + self._ignored

    @property
    def leaving_by_end(self) -> np.ndarray:
        """How A V leaves the basis along each of its open ends, (e, m); they are not orthogonal."""
        return np.array([row for _, row in self._ends]).reshape(len(self._ends), len(self))

    @property
    def proved_outside(self) -> float:
        """No less than the largest eigenvalue of A on all that is orthogonal to the basis, with chance 1 - δ.

        That is δ in all: the chance that the start of number s fails is 6 δ / (π s)², which sums up to δ.
        """
        if self.is_complete:
            return -math.inf
        return self._proved_outside() if self.is_confirming else self._proved

    def _proved_outside(self, left: float | None = None) -> float:
        if not self._unbroken or not self._since:
            return self._proved
        first = len(self) - self._since
        beyond = np.array(self._beyond).reshape(-1, 2)
        alphas = np.append(np.diag(self._inside)[first:], beyond[:, 0])
        last = self._ends[0][1][-1] if left is None else left
        betas = np.concatenate([np.diag(self._inside, 1)[first:], [last], beyond[:, 1]])
        failure = 6 * FAILURE_PROBABILITY / (math.pi * self.num_starts) ** 2
        return min(
            self._proved, largest_eigenvalue_bound(alphas, betas, self._matrix.dimension - first, failure)
        )

    @property
    def ritz_outside(self) -> float:
        """A lower bound of the largest eigenvalue on what was outside the basis when the latest start was made.

        It is the recurrence's own largest Ritz value; -∞ before its first vector.
        """
        if not self._since:
            return -math.inf
        block, coupling = self._inside[len(self) - self._since :, len(self) - self._since :], 0.0
        if self._beyond:
            coupling = self._ends[0][1][-1]
        for alpha, beta in self._beyond:
            block, coupling = _bordered(block, np.append(np.zeros(len(block) - 1), coupling), alpha), beta
        return float(np.linalg.eigvalsh(block)[-1])

    @property
    def leaving(self) -> np.ndarray:
        """How A V leaves the basis, (e, m): C in an orthonormal basis of the ends' span.

        That is √G C, with G the inner products of the ends.
        """
        if len(self._ends) < 2:
            return self.leaving_by_end
        ends = torch.stack([end for end, _ in self._ends])
        values, vectors = np.linalg.eigh((ends @ ends.T).cpu().numpy())
        root: np.ndarray = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
        leaving: np.ndarray = root @ self.leaving_by_end
        return leaving

    @property
    def seen_outside(self) -> float:
        """An estimate of the largest eigenvalue outside the basis; ∞ if there is none yet.

        The last vectors are a Lanczos recurrence of their own in what was outside then; the largest Ritz value
        there and its residual are added. What is outside now is a part of that, with no larger an eigenvalue.
        """
        if self.is_complete:
            return -math.inf
        if not self.is_informed:
            return math.inf
        values, vectors = np.linalg.eigh(self._inside[-_WINDOW:, -_WINDOW:])
        residual = abs(float(self._ends[0][1][-1] * vectors[-1, -1]))
        return float(values[-1]) + residual

    def _orthogonal(self, vector: Tensor) -> Tensor:
        """Return the part orthogonal to the basis; zero if only rounding is left.

        A pass that takes less than half of a vector away left no more than rounding inside (Daniel, Gragg,
        Kaufman and Stewart 1976).
        """
        length = _length(vector)
        for _ in range(_PASSES):
            vector = self.outside(vector)
            before, length = length, _length(vector)
            if length > 0.5 * before:
                return vector
        return torch.zeros_like(vector)


def _inner(first: Tensor, second: Tensor) -> Tensor:
    """Return the inner product, summed in pairs: over 272,000 terms a dot product was seen to err by 94 ε."""
    return (first * second).sum()


def _length(vector: Tensor) -> float:
    """Return the Euclidean norm, summed in pairs as well; a basis of vectors a little short bounds too high."""
    return math.sqrt(float(_inner(vector, vector)))


def _bordered(matrix: np.ndarray, column: np.ndarray, corner: float) -> np.ndarray:
    """Return the symmetric matrix with one more row and column."""
    return np.block([[matrix, column[:, None]], [column[None, :], np.full((1, 1), corner)]])


class _Vectors:
    """Rows of a matrix in blocks, so that memory grows with them and nothing is copied."""

    def __init__(self, dimension: int, dtype: torch.dtype, device: torch.device) -> None:
        self._dimension, self._dtype, self._device = dimension, dtype, device
        self._blocks: list[Tensor] = []  # each (_BLOCK, dimension)
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def append(self, vector: Tensor) -> None:
        if self._size % _BLOCK == 0:
            self._blocks.append(self._new_block(_BLOCK))
        self._blocks[-1][self._size % _BLOCK] = vector
        self._size += 1

    def rows(self, start: int, stop: int) -> Tensor:
        """Return a copy of the vectors from `start` to before `stop`."""
        chosen = [self._blocks[index // _BLOCK][index % _BLOCK] for index in range(start, stop)]
        return torch.stack(chosen) if chosen else self._new_block(0)

    def inner(self, vector: Tensor) -> Tensor:
        """Return the inner products with all vectors, (size,), float64.

        Sums of 65,536 terms are float32, if the basis is, and sums of those float64: over 14.7 M terms
        float32 was seen to err by 4e-3 of the result.
        """
        rounded = torch.split(vector.to(self._dtype), _COLUMNS)
        products = [
            torch.stack([part @ other for part, other in zip(parts, rounded, strict=True)]).double().sum(0)
            for parts in (torch.split(block, _COLUMNS, dim=1) for block in self._used())
        ]
        return torch.cat(products) if products else vector.new_zeros(0)

    def minus(self, vector: Tensor, coefficients: Tensor) -> Tensor:
        """Return `vector` minus the vectors times `coefficients`, (size,), in float64."""
        taken = torch.zeros(self._dimension, dtype=self._dtype, device=self._device)
        for block, part in zip(self._used(), torch.split(coefficients.to(self._dtype), _BLOCK), strict=False):
            taken.addmv_(block.T, part)
        return vector - taken

    def combined(self, coefficients: Tensor) -> Tensor:
        """Return the combinations with these coefficients, (size, k), as rows; summed in float64."""
        turned = coefficients.T.to(self._device)
        found = torch.empty(len(turned), self._dimension, dtype=self._dtype, device=self._device)
        for start in range(0, self._dimension, _COLUMNS):
            columns = slice(start, start + _COLUMNS)
            found[:, columns] = turned @ torch.cat([block[:, columns] for block in self._used()]).double()
        return found

    def rotate(self, rotation: Tensor) -> None:
        """Replace the vectors by combinations of them, in place. `rotation` is (size, new size), no larger."""
        turned = rotation.T.to(self._device)
        for start in range(0, self._dimension, _COLUMNS):
            columns = slice(start, start + _COLUMNS)
            part = turned @ torch.cat([block[:, columns] for block in self._used()]).double()
            for index, rows in enumerate(torch.split(part, _BLOCK)):
                self._blocks[index][: len(rows), columns] = rows
        self._size = rotation.shape[1]
        del self._blocks[math.ceil(self._size / _BLOCK) :]

    def _new_block(self, rows: int) -> Tensor:
        try:
            return torch.empty(rows, self._dimension, dtype=self._dtype, device=self._device)
        except RuntimeError as error:  # of a CPU no class of its own
            if not isinstance(error, torch.OutOfMemoryError) and "memory" not in str(error):
                raise
            size = rows * self._dimension * self._dtype.itemsize / 2**30
            raise InputError(
                f"a basis of {self._size} vectors finds no memory on {self._device} for {rows} more, "
                f"{size:.3g} GiB; lower memory_budget (of a study basis_gib), so that it is restarted "
                "before, or k"
            ) from error

    def _used(self) -> Iterable[Tensor]:
        for index, block in enumerate(self._blocks):
            yield block[: self._size - index * _BLOCK]
