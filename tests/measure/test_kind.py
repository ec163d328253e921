"""The room of each kind reads what the version before this layout stored, and what it stores itself."""

from collections.abc import Callable
from dataclasses import fields, is_dataclass

import numpy as np
import pytest
import torch
from problems import SPEC, dense_solution, imp_solution, tiny_setting, training_data
from stored_store import measurements, unpack

from lth.measure.kind.site import Site
from lth.measure.kind.surface import LevelSurface
from lth.measure.kind.take import KINDS, numbers, read, take
from lth.measure.packed import Packed, PackedResultError, pack
from lth.measure.surveyor import Surveyor, masked_point
from lth.network import build_network
from lth.plan.jobs import (
    AlignedJob,
    CurvatureJob,
    DensityJob,
    DistanceJob,
    ForecastJob,
    FunctionJob,
    Job,
    LayersJob,
    MarkersJob,
    MassJob,
    PartJob,
    PathJob,
    RadiiJob,
    SharpnessJob,
    SubspaceJob,
    SurfaceJob,
    VolumeJob,
    reverse_matched,
    shared_space_points,
    study_jobs,
    successive_line,
)
from lth.plan.place import Place, Point
from lth.setting.setting import AnalysisSetting
from lth.solution.solution import Solution

LEVELS = tuple(map(Place.imp, range(3)))
SETTING = tiny_setting(
    k=2, trace_probes=2, directions=2, density_probes=2, density_steps=4, grid=3, volume_directions=3
)
ONE_OF_EACH: tuple[Job, ...] = (
    CurvatureJob(Point.projection(1)),
    DensityJob(Point.at(Place.imp(1))),
    RadiiJob(shared_space_points(1)[1], "plain"),
    successive_line(2),
    SurfaceJob((LEVELS[0], LEVELS[1], LEVELS[2]), LEVELS),
    DistanceJob(LEVELS),
    reverse_matched(1),
    SubspaceJob(Point.at(Place.imp(1))),
    PartJob(Point.projection(1), 2, 4),
    FunctionJob(LEVELS),
    SharpnessJob(Point.projection(1)),
    PathJob((LEVELS[0], LEVELS[1], LEVELS[2]), LEVELS),
    ForecastJob(Point.at(Place.imp(1))),
    VolumeJob(Point.projection(1), (Point.at(Place.imp(1)),)),
    VolumeJob(Point.projection(1), (), from_kept=True),
    MassJob(Point.projection(1)),
    AlignedJob(Point.at(LEVELS[1]), Point.at(LEVELS[2])),
    LayersJob(Point.projection(1)),
)


@pytest.fixture(scope="session")
def of_version_1(tmp_path_factory) -> dict[str, bytes]:
    return measurements(unpack(tmp_path_factory.mktemp("version_1")))


@pytest.fixture(scope="module")
def site_of() -> Callable[[Job], Site]:
    """Return the site of a job, which holds the parameters that decide it and no others."""
    surveyor = Surveyor(
        build_network(SPEC, 0), training_data(), SETTING.analysis.hessian_examples, seed=SETTING.seed
    )

    def load(place: Place) -> Solution:
        return imp_solution(place.level) if place.level else dense_solution()

    def vectors(point: Point) -> torch.Tensor:
        space = masked_point(point, {place: load(place) for place in point.needs}, SETTING.pruning).space
        return torch.eye(space.dimension)[:2]

    return lambda job: Site(load, surveyor, SETTING.deciding(job.measure), vectors=vectors)


def arrays(found: object) -> list[np.ndarray]:
    """Return every array in a result, however deep."""
    if isinstance(found, np.ndarray):
        return [found]
    if isinstance(found, dict):
        return [array for value in found.values() for array in arrays(value)]
    if is_dataclass(found):
        return [array for field in fields(found) for array in arrays(getattr(found, field.name))]
    return []


@pytest.mark.parametrize("job", study_jobs(2, AnalysisSetting()), ids=lambda job: job.name)
def test_what_version_1_stored_is_read_by_the_room_of_its_kind(job, of_version_1):
    found = read(Packed(of_version_1[job.name]), job)
    assert all(len(array) > 0 for array in arrays(found))
    assert len(arrays(found)) >= 3
    assert all(np.isfinite(value) for value in numbers(job, found).values())


def test_a_surface_of_version_1_has_its_solutions_as_places(of_version_1):
    (job,) = (job for job in study_jobs(2, AnalysisSetting()) if isinstance(job, SurfaceJob))
    found: LevelSurface = read(Packed(of_version_1[job.name]), job)
    assert found.corners == (Place.imp(0), Place.imp(2), Place("random_init", 2))
    assert [marker.place for marker in found.surface.markers] == list(job.needs)


def test_every_type_of_job_has_a_room():
    assert set(KINDS) == {MarkersJob, *(type(job) for job in ONE_OF_EACH)} == set(Job.__args__)


def test_markers_over_a_plane_are_those_of_the_surface_through_it(site_of):
    corners = LEVELS[:3]
    surface, markers = SurfaceJob(corners, LEVELS), MarkersJob(corners, LEVELS[::-1])
    over, alone = (read(Packed(pack(take(job, site_of(job)))), job) for job in (surface, markers))
    assert alone == over.surface.markers[::-1]


@pytest.mark.parametrize("job", ONE_OF_EACH, ids=lambda job: job.measure)
def test_what_a_room_takes_is_read_back_from_what_is_stored(job, site_of):
    taken = take(job, site_of(job))
    found = read(Packed(pack(taken)), job)
    stored = [array for result in taken.values() for array in arrays(result)]
    assert len(stored) >= len(arrays(found)) > 0
    assert all(any(np.array_equal(array, one) for one in stored) for array in arrays(found))


@pytest.mark.parametrize(
    ("job", "other"),
    [
        (
            SurfaceJob((LEVELS[0], LEVELS[1], LEVELS[2]), LEVELS),
            SurfaceJob((Place("one_shot", 1), *LEVELS[:2]), ()),
        ),
        (MarkersJob(LEVELS[:3], LEVELS), MarkersJob(LEVELS[:3], LEVELS[:2])),
        (DistanceJob(LEVELS), DistanceJob(LEVELS[:2])),
        (FunctionJob(LEVELS), FunctionJob(LEVELS[:2])),
        (PathJob((LEVELS[0], LEVELS[1], LEVELS[2]), LEVELS), PathJob(LEVELS, LEVELS[:2])),
    ],
    ids=lambda job: job.measure,
)
def test_results_that_name_other_solutions_than_the_job_are_refused(job, other, site_of):
    content = Packed(pack(take(job, site_of(job))))
    with pytest.raises(PackedResultError, match="which was not to be measured"):
        read(content, other)
