"""The trace of a symmetric matrix known by its products, with its standard error.

At a minimum of a loss that is quadratic there, the mean of uᵀHu over random unit directions u is tr(H)/n: basin
radii along random directions measure the trace, and the leading eigenvalues something else.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from lth.measure.krylov import SymmetricOperator
from lth.progress import progress
from lth.randomness import generator


@dataclass(frozen=True)
class Trace:
    """Hutchinson's estimate of a trace."""

    samples: np.ndarray  # (probes,): zᵀAz, each an unbiased estimate

    @property
    def estimate(self) -> float:
        """Mean of the samples."""
        return float(self.samples.mean())

    @property
    def standard_error(self) -> float:
        """Standard deviation of the samples over the root of their number."""
        return float(self.samples.std(ddof=1) / np.sqrt(len(self.samples)))


def hutchinson_trace(matrix: SymmetricOperator, probes: int, *, seed: int, label: str = "trace") -> Trace:
    """Return E[zᵀAz] over `probes` vectors z of independent signs, which is tr(A).

    The variance of one sample is 2 Σ_{i≠j} A_ij². The signs depend on the seed and the dimension alone.

    Args:
        matrix: One product a probe is taken.
        probes: At least 2, so that the standard error exists.
        seed: Of the signs.
        label: What the progress bar says.

    Raises:
        ValueError: If `probes` is below 2 or a product is not finite.

    Source: Hutchinson (1989), with the variance of Avron and Toledo (2011).
    """
    if probes < 2:
        raise ValueError(f"probes={probes} give no standard error; take at least 2")
    samples = []
    for index in progress(range(probes), label):
        stream = generator(seed, "trace", index)
        bits = torch.randint(2, (matrix.dimension,), generator=stream, dtype=torch.int8)
        signs = (2 * bits - 1).double().to(matrix.device)
        samples.append(float(signs @ matrix(signs).double()))
    found = np.array(samples)
    if not np.isfinite(found).all():
        raise ValueError("a Hessian-vector product is not finite; the point is outside the network's range")
    return Trace(found)
