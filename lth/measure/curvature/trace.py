"""The trace of a symmetric matrix known by its products, with its standard error.

At a minimum of a loss that is quadratic there, the mean of uᵀHu over random unit directions u is tr(H)/n: basin
radii along random directions measure the trace, and the leading eigenvalues something else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from lth.bar import progress
from lth.brief import brief
from lth.errors import InputError
from lth.measure.curvature.krylov import KrylovBasis
from lth.randomness import generator


@dataclass(frozen=True)
class Trace:
    """An unbiased estimate of a trace: a part that is known and the mean of random samples of the rest."""

    inside: float  # tr(VᵀAV) of the basis V, exact
    samples: np.ndarray  # (probes,): zᵀPAPz with P = I - VVᵀ

    __repr__ = brief

    @property
    def estimate(self) -> float:
        """The known part and the mean of the samples."""
        return self.inside + float(self.samples.mean())

    @property
    def standard_error(self) -> float:
        """Standard deviation of the samples over the root of their number."""
        return float(self.samples.std(ddof=1) / np.sqrt(len(self.samples)))


def deflated_trace(
    basis: KrylovBasis,
    probes: int,
    *,
    seed: int,
    samples: Sequence[float] = (),
    keep: Callable[[Sequence[float]], None] | None = None,
    label: str = "trace",
) -> Trace:
    """Return tr(VᵀAV) + E[zᵀPAPz], which is tr(A), over `probes` vectors z of independent signs.

    V are the vectors of the basis, P = I - VVᵀ. This is Hutch++ whose sketch is the basis that the leading
    eigenvalues were found in, so that it costs nothing more; with an empty basis it is Hutchinson's estimate.
    The variance of one sample is 2 Σ_{i≠j} (PAP)_ij². The signs depend on the seed and the dimension alone.

    Args:
        basis: Of the matrix; is not grown.
        probes: At least 2, so that the standard error exists. One product each is taken.
        seed: Of the signs.
        samples: Of the same, in an estimate that was interrupted.
        keep: Is called with all samples so far after each; the estimate goes on from them.
        label: What the progress bar says.

    Raises:
        ValueError: If `probes` is below 2 or a product is not finite.

    Source: Hutchinson (1989); Meyer, Musco, Musco and Woodruff (2021); Chen and Hallman (2023) for the basis.

    Example:
        Of a diagonal matrix every sample is the trace.

        >>> from lth.measure.curvature.matrix import MatrixOperator
        >>> basis = KrylovBasis(MatrixOperator(torch.diag(torch.tensor([1.0, 2.0, 5.0]))), seed=0, capacity=3)
        >>> found = deflated_trace(basis, probes=2, seed=0)
        >>> found.estimate, found.standard_error
        (8.0, 0.0)
    """
    if probes < 2:
        raise InputError(f"probes={probes} give no standard error; take at least 2")
    if basis.is_complete:
        return Trace(float(np.trace(basis.inside)), np.zeros(probes))
    matrix = basis.matrix
    drawn = list(samples)
    for index in progress(range(len(drawn), probes), label, total=probes, initial=len(drawn), unit="probe"):
        stream = generator(seed, "trace", index)
        bits = torch.randint(2, (matrix.dimension,), generator=stream, dtype=torch.int8)
        probe = basis.outside((2 * bits - 1).double().to(matrix.device))
        drawn.append(float(probe @ matrix(probe.to(matrix.dtype)).double()))
        if not np.isfinite(drawn[-1]):
            raise InputError("a Hessian-vector product is not finite; the point is outside the network's range")
        if keep is not None:
            keep(drawn)
    return Trace(float(np.trace(basis.inside)), np.array(drawn))
