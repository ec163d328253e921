"""The Hessian of the training loss: products, leading eigenvalues, trace and spectral density.

What is asked of a matrix (`leading_spectrum`, `deflated_trace`, `spectral_density`) knows it by its products
alone: any `SymmetricOperator` will do, of which `HessianOperator` is one.
"""

from lth.measure.curvature.density import SpectralDensity, spectral_density
from lth.measure.curvature.hessian import HessianOperator
from lth.measure.curvature.krylov import KrylovBasis, SymmetricOperator
from lth.measure.curvature.matrix import MatrixOperator
from lth.measure.curvature.second_derivative_check import check_second_derivative
from lth.measure.curvature.spectrum import (
    Spectrum,
    TooFewPositiveEigenvaluesError,
    leading_spectrum,
    search,
)
from lth.measure.curvature.subspace import (
    chance_overlap,
    in_all_parameters,
    leading_eigenvectors,
    mask_overlap,
    participation_ratio,
    share_inside,
    shares_by_parameter,
    subspace_overlap,
)
from lth.measure.curvature.trace import Trace, deflated_trace

__all__ = [
    "HessianOperator",
    "KrylovBasis",
    "MatrixOperator",
    "SpectralDensity",
    "Spectrum",
    "SymmetricOperator",
    "TooFewPositiveEigenvaluesError",
    "Trace",
    "chance_overlap",
    "check_second_derivative",
    "deflated_trace",
    "in_all_parameters",
    "leading_eigenvectors",
    "leading_spectrum",
    "mask_overlap",
    "participation_ratio",
    "search",
    "share_inside",
    "shares_by_parameter",
    "spectral_density",
    "subspace_overlap",
]
