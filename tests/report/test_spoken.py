"""What `analyze` says: every number of a measurement with its unit, and what is wrong with it."""

from dataclasses import replace

import numpy as np
import pytest
from made_evidence import made_evidence

from lth.measure.curvature.density import SpectralDensity
from lth.measure.kind.take import KINDS
from lth.plan.jobs import (
    AlignedJob,
    CurvatureJob,
    DensityJob,
    ForecastJob,
    FunctionJob,
    LayersJob,
    MarkersJob,
    MassJob,
    MatchedJob,
    PartJob,
    PathJob,
    RadiiJob,
    SharpnessJob,
    SubspaceJob,
    VolumeJob,
    level_jobs,
    study_jobs,
    successive_line,
)
from lth.plan.place import Place, Point
from lth.report.spoken import said

EVIDENCE = made_evidence(last=2)
SOLUTION = Point.at(Place.imp(2))
DENSITY = SpectralDensity(np.array([[1.0, 2.0], [1.5, 2.5]]), np.array([[0.6, 0.4], [0.5, 0.5]]), 40)


_UNITS = (
    "nats",
    "L2",
    "Σ ln λ",
    "× direction",
    "points",
    "largest",
    "by chance",
    "coordinates",
    "test examples",
    "variance",
    "axes are fixed",
    "variance",
    "in the plane",
)


def found(jobs):
    return [(job, EVIDENCE.measured[job]) for job in jobs]


def test_every_kind_of_measurement_says_its_numbers_with_their_units():
    jobs = study_jobs(2, EVIDENCE.setting.analysis)
    one_of_each = {type(job): job for job in jobs}
    told = {kind: said(found([job])) for kind, job in one_of_each.items()}
    told[DensityJob] = said([(DensityJob(SOLUTION), DENSITY)])
    at_one_loss = made_evidence(last=2, matched_loss="on").matched
    told[MatchedJob] = said(at_one_loss.items())
    told[SubspaceJob] = said(made_evidence(last=2, vectors="on").subspaces.items())
    told[VolumeJob] = said(made_evidence(last=2, beyond=("volume",)).volumes.items())
    masses = made_evidence(last=2, beyond=("volume",)).masses
    told[MassJob] = said((MassJob(point), found) for point, found in masses.items())
    told[PartJob] = said(made_evidence(last=2, halvings=1).parts.items())
    told[FunctionJob] = said([*made_evidence(last=2, beyond="function").measured.items()][-1:])
    sharp = made_evidence(last=2, beyond="sharpness").sharpness
    told[SharpnessJob] = said((SharpnessJob(point), found) for point, found in sharp.items())
    told[PathJob] = said([*made_evidence(last=2, beyond="path").measured.items()][-1:])
    forecasts = made_evidence(last=2, beyond="forecast").forecasts
    told[ForecastJob] = said((ForecastJob(point), found) for point, found in forecasts.items())
    told[AlignedJob] = said(made_evidence(last=2, beyond="aligned").aligned.items())
    layers = made_evidence(last=2, beyond="layers").layers
    told[LayersJob] = said((LayersJob(point), found) for point, found in layers.items())
    markers = made_evidence(last=2, methods="snip").measured.items()
    told[MarkersJob] = said((job, found) for job, found in markers if isinstance(job, MarkersJob))
    assert told.keys() == KINDS.keys()
    for text in told.values():
        for line in text.splitlines():
            assert any(unit in line for unit in _UNITS), line


def test_a_level_says_its_products_radii_and_barriers_as_they_were_measured():
    text = said(found(level_jobs(2)))
    curvature, radii = EVIDENCE.curvature[SOLUTION], EVIDENCE.radii_at(2, SOLUTION)
    assert f"{curvature.spectrum.log_eig_product:.2f}" in text
    assert f"{radii.mean:.4f}" in text
    assert f"up to {radii.cutoff:.4g} nats" in text
    assert f"{EVIDENCE.lines[successive_line(2)].stored.barrier_loss:.4g}  nats" in text
    assert "w(1) → w(2)" in text


def test_what_does_not_exist_is_a_bound_or_did_not_converge_is_said():
    curvature = EVIDENCE.curvature[SOLUTION]
    spectrum = replace(curvature.spectrum, eigenvalues=np.array([5.0, 3, 2, 1, -0.1, -2]), converged=False)
    text = said([(CurvatureJob(SOLUTION), replace(curvature, spectrum=spectrum))])
    assert "none: only 4 of 6 eigenvalues are surely positive" in text
    assert "NOT CONVERGED" in text
    job = next(job for job in level_jobs(2) if isinstance(job, RadiiJob))
    bounded = {
        point: replace(radii, censored=np.arange(len(radii.radii)) < 3)
        for point, radii in EVIDENCE.radii[job].items()
    }
    assert "≥ " in said([(job, bounded)])
    assert "3 of 20 never cross" in said([(job, bounded)])
    line = EVIDENCE.lines[successive_line(2)]
    losses = np.where(np.arange(len(line.stored.train_loss)) == 3, np.nan, line.stored.train_loss)
    broken = replace(line, stored=replace(line.stored, train_loss=losses), anew=None)
    assert "none: 1 points are not finite" in said([(successive_line(2), broken)])


@pytest.mark.parametrize("jobs", [[], ()])
def test_nothing_measured_says_nothing(jobs):
    assert said(jobs) == ""


def test_a_mean_that_is_not_estimated_is_said_as_a_bound():
    evidence = made_evidence(last=1, beyond=("volume",))
    (job, found), *_ = evidence.volumes.items()
    volume = next(iter(found.values()))
    heavy = replace(volume, log_volumes=volume.log_volumes + np.linspace(0, 900, len(volume.log_volumes)))
    assert "≥ " not in said([(job, {SOLUTION: volume})])
    assert "≥ " in said([(job, {SOLUTION: heavy})])
