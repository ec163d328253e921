"""The spectral density of a symmetric matrix known by its products, and how certain it is.

From a random unit vector u, m steps of Lanczos' recurrence give nodes θ_j and weights τ_j², Σ_j τ_j² = 1, of
the Gauss quadrature with uᵀf(A)u = Σ_j τ_j² f(θ_j) for every polynomial f of degree up to 2m - 1. Its mean over
u is tr f(A) / n: the mean of f over the eigenvalues (stochastic Lanczos quadrature).

Source: Golub and Welsch (1969); Lin, Saad and Yang (2016); Ghorbani, Krishnan and Xiao (2019) for networks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import chdtri  # quantiles of the chi-square

from lth.bar import progress
from lth.brief import brief
from lth.errors import InputError
from lth.measure.curvature.krylov import KrylovBasis, SymmetricOperator
from lth.randomness import stream_seed


@dataclass(frozen=True)
class SpectralDensity:
    """Quadratures from independent random unit vectors, one a row.

    Example:
        All eigenvalues are 2: the density is one Gaussian, of height 1 / √(2π) if its width is 1.

        >>> found = SpectralDensity(nodes=np.full((2, 1), 2.0), weights=np.ones((2, 1)), dimension=10)
        >>> found.count_above(1.0), found.mean(np.log2)
        ((10.0, 0.0), (1.0, 0.0))
        >>> float(found.smoothed(np.array([2.0]), width=1.0)[0][0] * np.sqrt(2 * np.pi))
        1.0
    """

    nodes: np.ndarray  # (probes, steps)
    weights: np.ndarray  # (probes, steps): a row sums to one
    dimension: int

    __repr__ = brief

    def mean(self, f: Callable[[np.ndarray], np.ndarray]) -> tuple[float, float]:
        """Return an estimate of tr f(A) / n, the mean of f over the eigenvalues, and its standard error.

        It is unbiased for polynomials of degree up to 2 steps - 1.
        """
        mean, error = _mean_and_error((self.weights * f(self.nodes)).sum(axis=1))
        return float(mean), float(error)

    def smoothed(
        self, at: np.ndarray, width: float, *, alpha: float = 0.025
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the density at the points `at`, every eigenvalue a Gaussian, and its interval.

        With h the Gaussian around a point, the estimate is D = Σᵢ cᵢ h(λᵢ), and cᵢ, the mean over the vectors
        of their squared components, is nearly a chi-square of `probes` degrees of freedom. So is D, of
        ν = probes · (Σ h)² / Σ h² of them (Satterthwaite), that is `probes` for each eigenvalue that h spans:
        the interval is (ν D / χ²(1 - α, ν), ν D / χ²(α, ν)). Near one eigenvalue alone D is skewed, and D ± 2
        standard errors over ten vectors would hold the truth in 83 % of cases instead of 95; this does in 94.

        Args:
            at: (p,), in the units of the eigenvalues.
            width: Standard deviation of the Gaussians, in the same units.
            alpha: Chance that the truth is beyond one end.

        Returns:
            Three arrays (p,), per unit of the eigenvalues: estimates of (1/n) Σᵢ N(at; λᵢ, width²), and the
            ends of what the drawing of the vectors leaves possible.

        Source: Satterthwaite 1946, "An approximate distribution of estimates of variance components".
        """
        away = (at[None, None, :] - self.nodes[:, :, None]) / width
        heights = np.exp(-0.5 * away**2) / (width * np.sqrt(2 * np.pi))
        density = np.einsum("ps,psa->pa", self.weights, heights).mean(axis=0)
        squares = np.einsum("ps,psa->pa", self.weights, heights**2).mean(axis=0)
        seen = squares > 0  # elsewhere the Gaussians have vanished
        freedom = np.ones(len(at))
        freedom[seen] = np.maximum(1.0, len(self.nodes) * self.dimension * density[seen] ** 2 / squares[seen])
        # `chdtri` takes the chance of what lies above.
        low, high = (freedom * density / chdtri(freedom, above) for above in (alpha, 1 - alpha))
        return density, low, high

    def count_above(self, threshold: float) -> tuple[float, float]:
        """Return an estimate of how many eigenvalues exceed `threshold`, and its standard error."""
        share, error = self.mean(lambda nodes: (nodes > threshold).astype(float))
        return self.dimension * share, self.dimension * error


def spectral_density(
    matrix: SymmetricOperator, *, probes: int, steps: int, seed: int, label: str = "spectral density"
) -> SpectralDensity:
    """Return the spectral density of `matrix` from `probes` times `steps` products.

    Every recurrence is orthogonalised in full, so no eigenvalue is counted twice.

    Args:
        matrix: Its density is estimated.
        probes: Random unit vectors; at least 2, so that the standard error exists.
        steps: Of each recurrence, at most the dimension: the peaks that can be told apart.
        seed: Of the vectors.
        label: What the progress bar says.

    Raises:
        ValueError: If probes or steps are out of range or a product is not finite.

    Example:
        Half of the eigenvalues are 1 and half are 9, so their mean is 5.

        >>> import torch
        >>> from lth.measure.curvature.matrix import MatrixOperator
        >>> matrix = MatrixOperator(torch.diag(torch.tensor([1.0, 9.0]).repeat(50)))
        >>> mean, error = spectral_density(matrix, probes=20, steps=2, seed=0).mean(lambda nodes: nodes)
        >>> abs(mean - 5) < 3 * error < 1
        True
    """
    if probes < 2:
        raise InputError(f"probes={probes} give no standard error; take at least 2")
    if not 1 <= steps <= matrix.dimension:
        raise InputError(
            f"steps={steps} of a matrix of side {matrix.dimension}; take from 1 to {matrix.dimension}"
        )
    nodes, weights = np.zeros((probes, steps)), np.zeros((probes, steps))
    with progress(range(probes * steps), label, unit="product") as bar:
        for probe in range(probes):
            basis = KrylovBasis(matrix, stream_seed(seed, "density", probe), max(3, steps))
            for _ in range(steps):
                basis.grow()
                bar.update()
            # Where the recurrence ends early, the basis goes on from another vector, of weight zero.
            nodes[probe], vectors = np.linalg.eigh(basis.inside)
            weights[probe] = vectors[0] ** 2
    return SpectralDensity(nodes, weights, matrix.dimension)


def _mean_and_error(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard error over the first axis."""
    return rows.mean(axis=0), rows.std(axis=0, ddof=1) / np.sqrt(len(rows))
