"""What the eigenvectors of a study's points say, against dense Hessians and spans made by hand."""

from collections.abc import Mapping

import numpy as np
import pytest
import torch
from problems import DOUBLE, SPEC, Matrix, dense_solution, imp_solution, tiny_setting, training_data

from lth.errors import InputError
from lth.measure.curvature.krylov import KrylovBasis
from lth.measure.curvature.spectrum import search
from lth.measure.curvature.subspace import leading_eigenvectors, nested_overlaps, nested_shares
from lth.measure.eigenvector_files import EigenvectorFiles, eigenvector_files, read_eigenvectors
from lth.measure.kind.site import Site
from lth.measure.kind.subspaces import Subspaces
from lth.measure.kind.take import numbers, read, take
from lth.measure.packed import Packed, pack
from lth.measure.surveyor import MaskedPoint, Surveyor, masked_point
from lth.network import build_network
from lth.plan.jobs import CurvatureJob, SubspaceJob, suffixes
from lth.plan.place import Place, Point
from lth.sealed import CheckpointError
from lth.solution.solution import Solution

K = 3
JOB = SubspaceJob(Point.at(Place.imp(2)))
SETTING = tiny_setting(k=K, trace_probes=2, vectors="on")


def load(place: Place) -> Solution:
    return imp_solution(place.level) if place.level else dense_solution()


def at(point: Point) -> MaskedPoint:
    return masked_point(point, {place: load(place) for place in point.needs}, SETTING.pruning)


def subspaces(vectors: Mapping[Point, torch.Tensor]) -> Subspaces:
    surveyor = Surveyor(build_network(SPEC, 0), training_data(), SETTING.analysis.hessian_examples, seed=0)
    site = Site(load, surveyor, SETTING.deciding("subspaces"), vectors=vectors.__getitem__)
    return read(Packed(pack(take(JOB, site))), JOB)


def in_all(point: Point, vectors: torch.Tensor) -> torch.Tensor:
    space = at(point).space
    return torch.stack([space.flatten(space.embed(vector)) for vector in vectors]).double()


@pytest.fixture(scope="module")
def kept() -> dict[Point, torch.Tensor]:
    """Eigenvectors of each point's Hessian, as a measurement keeps them."""
    surveyor = Surveyor(build_network(SPEC, 0), training_data(), SETTING.analysis.hessian_examples, seed=0)
    found = {}
    for point in suffixes(2):
        files: dict[str, bytes] = {}
        job, setting = CurvatureJob(point), SETTING.deciding("spectra")
        site = Site(load, surveyor, setting, keep_file=files.__setitem__)
        names = take(job, site)["eigenvectors"]
        by_name = {path.rpartition("/")[2]: content for path, content in files.items()}
        found[point] = read_eigenvectors(names, by_name.__getitem__)
    return found


def test_what_is_said_of_eigenvectors_is_what_their_spans_in_all_parameters_say(kept):
    found = subspaces(kept).compared
    here, projection, reverse, before = (in_all(point, kept[point]) for point in suffixes(2))
    pairs = {
        "levels": (before, here),
        "spaces": (reverse, here),
        "retrained": (before, reverse),
        "projected": (projection, here),
    }
    for name, (first, second) in pairs.items():
        expected = [float((first[:j] @ second[:j].T).square().sum()) / j for j in range(1, K + 1)]
        np.testing.assert_allclose(getattr(found, name), expected, atol=1e-6, err_msg=name)
    space, wide = at(JOB.point).space, at(Point.at(Place.imp(1))).space
    ends = [wide.flatten(load(Place.imp(level)).final.parameters).double() for level in (1, 2)]
    moved = ends[1] - ends[0]
    within = space.project(moved)
    for name, span, way in (("moved_before", before, moved), ("moved_after", reverse, moved)):
        shares = [float((span[:j] @ way).square().sum() / way.square().sum()) for j in range(1, K + 1)]
        np.testing.assert_allclose(getattr(found, name), shares, atol=1e-6, err_msg=name)
    np.testing.assert_allclose(
        found.moved_within[-1], float((here @ within).square().sum() / (within @ within))
    )
    mask = space.project(torch.ones(space.full_dimension)) > 0
    np.testing.assert_allclose(found.kept, before[:, mask].square().sum(dim=1), atol=1e-6)
    assert (found.dimension, found.dimension_before) == (space.dimension, wide.dimension)


def test_keeping_eigenvectors_changes_no_number_of_a_spectrum():
    surveyor = Surveyor(build_network(SPEC, 0), training_data(), SETTING.analysis.hessian_examples, seed=0)
    job, files = CurvatureJob(JOB.point), dict[str, bytes]()
    without, beside = (
        take(job, Site(load, surveyor, setting.deciding("spectra"), keep_file=files.__setitem__))
        for setting in (tiny_setting(k=K, trace_probes=2), SETTING)
    )
    assert set(beside) - set(without) == {"eigenvectors"}
    np.testing.assert_array_equal(without["spectrum"].eigenvalues, beside["spectrum"].eigenvalues)
    np.testing.assert_array_equal(without["trace"].samples, beside["trace"].samples)
    assert [f"eigenvectors/{name}" for name in beside["eigenvectors"].names] == list(files)


def test_shares_of_layers_sum_to_one_and_a_coordinate_vector_lies_in_one_place(kept):
    space = at(JOB.point).space
    found = subspaces({**kept, JOB.point: torch.eye(space.dimension)[:K]}).localised
    np.testing.assert_allclose(found.shares.sum(axis=0), 1)
    np.testing.assert_array_equal(found.participation, 1)
    assert found.shares[0].tolist() == [1.0] * K
    assert (found.sizes.sum(), len(found.sizes)) == (space.dimension, len(found.parameters))


def test_at_level_0_there_is_nothing_to_compare_with():
    job = SubspaceJob(Point.at(Place.imp(0)))
    space = at(job.point).space
    surveyor = Surveyor(build_network(SPEC, 0), training_data(), SETTING.analysis.hessian_examples, seed=0)
    site = Site(
        load, surveyor, SETTING.deciding("subspaces"), vectors=lambda _point: torch.eye(space.dimension)[:K]
    )
    found = read(Packed(pack(take(job, site))), job)
    assert found.compared is None
    assert numbers(job, found) == {"subspace/participation": pytest.approx(1 / space.dimension)}


def test_a_training_that_did_not_move_lies_nowhere(kept):
    still = Site(
        lambda _place: imp_solution(1),
        Surveyor(build_network(SPEC, 0), training_data(), SETTING.analysis.hessian_examples, seed=0),
        SETTING.deciding("subspaces"),
        vectors=lambda _point: kept[Point.at(Place.imp(1))],
    )
    found = read(Packed(pack(take(JOB, still))), JOB).compared
    assert np.isnan(found.moved_after).all()
    np.testing.assert_allclose(found.levels, 1, atol=1e-6)


def test_without_eigenvectors_the_remedy_is_told():
    surveyor = Surveyor(build_network(SPEC, 0), training_data(), SETTING.analysis.hessian_examples, seed=0)
    with pytest.raises(InputError, match="keep them with vectors=on"):
        take(JOB, Site(load, surveyor, SETTING.deciding("subspaces")))


@pytest.mark.parametrize("dtype", [DOUBLE, torch.float32])
@pytest.mark.parametrize("k", [1, 16, 40])
def test_files_hold_the_eigenvectors_in_the_order_of_their_values_as_float32(k, dtype):
    basis = KrylovBasis(Matrix(torch.diag(torch.arange(120.0, dtype=DOUBLE)), dtype), 0, 120)
    search(basis, k)
    files = dict(eigenvector_files(basis, k))
    vectors = read_eigenvectors(EigenvectorFiles(tuple(files)), files.__getitem__)
    assert (vectors.dtype, vectors.shape) == (torch.float32, (k, 120))
    assert vectors.abs().argmax(dim=1).tolist() == list(range(119, 119 - k, -1))
    torch.testing.assert_close(vectors, leading_eigenvectors(basis, k).float(), rtol=0, atol=0)


def test_a_damaged_file_is_refused():
    basis = KrylovBasis(Matrix(torch.diag(torch.arange(9.0, dtype=DOUBLE))), 0, 9)
    search(basis, 2)
    ((name, content),) = eigenvector_files(basis, 2)
    with pytest.raises(CheckpointError, match="is not what was written"):
        read_eigenvectors(EigenvectorFiles((name,)), lambda _name: content[:-1] + b"?")


def test_more_files_than_one_hold_the_same(monkeypatch):
    monkeypatch.setattr("lth.measure.eigenvector_files._LEAST_ROWS", 2)
    monkeypatch.setattr("lth.measure.eigenvector_files._FILE_BYTES", 1)
    basis = KrylovBasis(Matrix(torch.diag(torch.arange(30.0, dtype=DOUBLE))), 0, 30)
    search(basis, 5)
    files = dict(eigenvector_files(basis, 5))
    vectors = read_eigenvectors(EigenvectorFiles(tuple(files)), files.__getitem__)
    assert len(files) == 3
    torch.testing.assert_close(vectors, leading_eigenvectors(basis, 5).float(), rtol=0, atol=1e-6)


def test_the_first_vectors_of_two_spans_are_compared_as_the_whole_is():
    drawn = torch.randn(40, 8, dtype=DOUBLE, generator=torch.Generator().manual_seed(0))
    first, second = torch.linalg.qr(drawn[:, :4])[0].T, torch.linalg.qr(drawn[:, 4:])[0].T
    overlaps = nested_overlaps(first, second)
    assert overlaps[0] == pytest.approx(float(first[0] @ second[0]) ** 2)
    np.testing.assert_allclose(nested_overlaps(first, first), 1)
    way = drawn @ torch.arange(8, dtype=DOUBLE)
    shares = nested_shares(first, way)
    assert (np.diff(shares) >= 0).all()
    assert shares[-1] == pytest.approx(float((first @ way).square().sum() / way.square().sum()))
