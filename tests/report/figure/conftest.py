import numpy as np
import pytest
import torch

from lth.evidence.analysis import LevelAnalysis
from lth.measure.curvature.spectrum import Spectrum
from lth.measure.radius import BasinRadii


@pytest.fixture
def make_spectrum():
    def make(eigenvalues, *, converged=True):
        values = np.array(eigenvalues, dtype=np.float64)
        return Spectrum(values, values, np.zeros_like(values), 0.0, 40, converged)

    return make


@pytest.fixture
def make_radii():
    def make(radii, *, censored=(), plain=False, cutoff=0.125):
        values = np.array(radii, dtype=np.float64)
        mask = np.isin(np.arange(len(values)), censored)
        return BasinRadii(values, np.full(len(values), 1.0 if plain else 7.0), mask, cutoff, 0.02, 500, 99)

    return make


@pytest.fixture
def make_analysis():
    def make(level, *, spectra=None, radii=None):
        return LevelAnalysis(level, 0.8**level, spectra or {}, radii or {}, None, torch.arange(3))

    return make


@pytest.fixture
def legend_texts():
    return lambda axes: [text.get_text() for text in axes.get_legend().get_texts()]


@pytest.fixture
def line_labelled():
    def find(axes, start):
        (line,) = [line for line in axes.lines if str(line.get_label()).startswith(start)]
        return line

    return find
