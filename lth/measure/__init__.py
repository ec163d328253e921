"""The geometry of a solution: curvature, basin radii, straight lines and planes through weight space.

All that measuring an own network on own data takes is here, the networks, masks and examples included;
neither a study nor MLflow is needed.
"""

from lth.data import Examples, ImageData, TrainingData, load_images, prepare
from lth.measure.curvature import (
    HessianOperator,
    KrylovBasis,
    MatrixOperator,
    SpectralDensity,
    Spectrum,
    SymmetricOperator,
    TooFewPositiveEigenvaluesError,
    Trace,
    check_second_derivative,
    deflated_trace,
    leading_spectrum,
    search,
    spectral_density,
)
from lth.measure.distance import Distances, Travel, norm, pairwise, travel
from lth.measure.interpolation import Interpolation, barrier, barrier_over_mean, interpolate, rise
from lth.measure.radius import BasinRadii, basin_radii, random_directions
from lth.measure.surface import Marker, Plane, Surface, loss_surface, plane_through
from lth.network import LevelSpace, Mask, Weights, affine_combination, build_network
from lth.setting import ALL, Amount, NetworkSpec
from lth.training import Evaluation, Evaluator
from lth.training.batchnorm import StatisticsEstimator

__all__ = [
    "ALL",
    "Amount",
    "BasinRadii",
    "Distances",
    "Evaluation",
    "Evaluator",
    "Examples",
    "HessianOperator",
    "ImageData",
    "Interpolation",
    "KrylovBasis",
    "LevelSpace",
    "Marker",
    "Mask",
    "MatrixOperator",
    "NetworkSpec",
    "Plane",
    "SpectralDensity",
    "Spectrum",
    "StatisticsEstimator",
    "Surface",
    "SymmetricOperator",
    "TooFewPositiveEigenvaluesError",
    "Trace",
    "TrainingData",
    "Travel",
    "Weights",
    "affine_combination",
    "barrier",
    "barrier_over_mean",
    "basin_radii",
    "build_network",
    "check_second_derivative",
    "deflated_trace",
    "interpolate",
    "leading_spectrum",
    "load_images",
    "loss_surface",
    "norm",
    "pairwise",
    "plane_through",
    "prepare",
    "random_directions",
    "rise",
    "search",
    "spectral_density",
    "travel",
]
