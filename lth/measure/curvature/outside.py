"""An upper bound of the largest eigenvalue of a matrix, from a Lanczos recurrence that began at random.

Let w be a unit vector, α and β the coefficients of m steps of the recurrence of the symmetric matrix B from
w, and p_0 … p_m its orthonormal polynomials: p_j(B) w is the j-th vector. Of all polynomials q of degree m
with q(t) = 1, the least ‖q(B) w‖² is 1 / K(t), K(t) = Σ_j p_j(t)² (Christoffel). If (b, u) is an eigenpair of
B, then ‖q(B) w‖ ≥ |⟨u, w⟩| |q(b)|, therefore

    K(b) ≤ 1 / ⟨u, w⟩²    for every eigenpair, whatever else the spectrum holds.

Let w be drawn uniformly from the unit sphere of the space of d dimensions that B acts on, independently of B.
Then ⟨u, w⟩² is Beta(½, (d - 1)/2) for the leading eigenvector u, and with chance 1 - δ at least the quantile
ε² of δ. K grows beyond the largest Ritz value, which is no larger than B's largest eigenvalue. So with chance
1 - δ

    λ_max(B) ≤ the t beyond all Ritz values where K(t) = 1 / ε²,

for all m at once: it is one event, so that looking again and again costs nothing. It holds in exact arithmetic.

Source: van Dorsselaer, Hochstenbach and van der Vorst 2000, "Computing probabilistic bounds for extreme
eigenvalues of symmetric matrices with the Lanczos method", theorem 3.1, who take p_m alone for the sum (their
bound is hardly wider); Kuczyński and Woźniakowski 1992 for the distribution of the start's component.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.optimize import brentq
from scipy.special import betaincinv

_TINY, _HUGE = 1e-300, 1e300


def largest_eigenvalue_bound(
    alphas: np.ndarray, betas: np.ndarray, dimension: int, failure_probability: float
) -> float:
    """Return what the largest eigenvalue of B exceeds with no more than the given chance, over the starts.

    Args:
        alphas: (m,): the diagonal of the recurrence's tridiagonal matrix.
        betas: (m,): beside it, and last the norm of what is left over; where that is zero, the recurrence has
            seen all that its start had a part in.
        dimension: d, of the space that B acts on.
        failure_probability: δ.

    Returns:
        The bound, at least the largest Ritz value; infinite if m is 0.

    Example:
        The largest of a thousand eigenvalues from -1 to 1, from recurrences of 20 and of 80 vectors.

        >>> import torch
        >>> from lth.measure.curvature.krylov import KrylovBasis
        >>> from lth.measure.curvature.matrix import MatrixOperator
        >>> spread = MatrixOperator(torch.linspace(-1, 1, 1000).double().diag())
        >>> for size in (20, 80):
        ...     basis = KrylovBasis(spread, seed=0, capacity=90)
        ...     for _ in range(size):
        ...         basis.grow()
        ...     basis.start_afresh()
        ...     print(f"{basis.proved_outside:.2f}")
        1.41
        1.02
    """
    if not len(alphas):
        return math.inf
    ritz = float(np.linalg.eigvalsh(_tridiagonal(alphas, betas[:-1]))[-1])
    if betas[-1] == 0:
        return ritz
    wanted = -math.log(betaincinv(0.5, (dimension - 1) / 2, failure_probability)) if dimension > 1 else 0.0
    scale = max(float(np.abs(alphas).max()), float(betas.max()), abs(ritz), _TINY)
    # K(t) ≥ p_1(t)², so the root lies no further than this; below the first, K is above 1 / ε² at a Ritz value.
    nearest = ritz + 4 * np.finfo(np.float64).eps * scale
    furthest = max(float(alphas[0] + betas[0] * math.exp(wanted / 2)), nearest) + scale

    def excess(log_distance: float) -> float:
        return _log_kernel(ritz + math.exp(log_distance), alphas, betas) - wanted

    low, high = math.log(nearest - ritz), math.log(furthest - ritz)
    if excess(low) >= 0:
        return nearest
    return ritz + math.exp(float(brentq(excess, low, high, xtol=1e-6)) + 1e-6)


def _log_kernel(t: float, alphas: np.ndarray, betas: np.ndarray) -> float:
    """Return log Σ_j p_j(t)² for t beyond the Ritz values, where every p_j is positive.

    It is summed over the quotients p_j / p_{j-1}, which can't overflow.
    """
    logs, before, quotient = [0.0], 0.0, math.inf
    for alpha, beta in zip(alphas.tolist(), betas.tolist(), strict=True):
        quotient = min(max((t - alpha - before / quotient) / max(beta, _TINY), _TINY), _HUGE)
        logs.append(logs[-1] + 2 * math.log(quotient))
        before = beta
    return float(np.logaddexp.reduce(logs))


def _tridiagonal(diagonal: np.ndarray, beside: np.ndarray) -> np.ndarray:
    return np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1)
