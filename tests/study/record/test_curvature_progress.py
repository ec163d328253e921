"""The progress of a curvature measurement among the artifacts of a real run: kept, found again, or refused."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mlflow import MlflowClient
from mlflow.utils.file_utils import local_file_uri_to_path
from problems import DOUBLE, Matrix
from tiny_problem import make_problem

from lth.measure import progress_file
from lth.measure.curvature.hessian import HessianOperator
from lth.measure.curvature.krylov import KrylovBasis
from lth.measure.curvature.spectrum import Spectrum, search
from lth.measure.kind.curvature import Curvature
from lth.measure.kind.curvature_progress import CurvatureProgress
from lth.measure.kind.take import read
from lth.measure.progress_file import KIND, VECTORS
from lth.plan.jobs import CurvatureJob
from lth.plan.place import Place, Point
from lth.sealed import step_of
from lth.study.record import curvature_progress
from lth.study.record.curvature_progress import BasisKeeper
from lth.study.record.load import load_measurement
from lth.study.study import Study
from lth.tracking import folder
from lth.tracking.client import PatientClient
from lth.tracking.folder import PROGRESS
from lth.tracking.process import PROCESS, ownership
from lth.tracking.run import LostRunError, RunLog
from lth.tracking.store import Store

pytestmark = pytest.mark.usefixtures("without_models")

SIZE, CAPACITY, K = 120, 20, 8


def matrix() -> Matrix:
    drawn = torch.randn(SIZE, SIZE, dtype=DOUBLE, generator=torch.Generator().manual_seed(0))
    eigenvalues = torch.cat([torch.linspace(3, 9, K), torch.linspace(-1.5, 1.5, SIZE - K)]).to(DOUBLE)
    turn = torch.linalg.qr(drawn)[0]
    return Matrix((turn * eigenvalues) @ turn.T)


class Kept:
    """A run, and a keeper of it for every process that measures on it."""

    def __init__(self) -> None:
        info = MlflowClient().create_run(Store().experiment_id).info
        self.run_id = info.run_id
        self.folder = Path(local_file_uri_to_path(info.artifact_uri), PROGRESS)
        self.log = RunLog(PatientClient(), self.run_id, "")
        self.said: list[str] = []

    def keeper(self, key: str = "key", environment: str = "here") -> BasisKeeper:
        return BasisKeeper(self.log, key, environment, 0.0, self.said.append)

    def find(self, **options: str) -> CurvatureProgress | None:
        self.said.clear()
        return self.keeper(**options).find(matrix(), 0, CAPACITY)

    def names(self, kind: str) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir() if step_of(path.name, kind) is not None)

    def steps(self) -> list[int | None]:
        return [step_of(name, KIND) for name in self.names(KIND)]

    def measure(self, keeper: BasisKeeper, products: int | None = None, every: int = 1) -> Spectrum | None:
        """Go on from what there is; stop as a killed process does after so many products."""
        found = keeper.find(matrix(), 0, CAPACITY) or CurvatureProgress(KrylovBasis(matrix(), 0, CAPACITY))
        basis = found.basis

        def keep() -> None:
            if basis.num_products % every == 0:
                keeper.keep(CurvatureProgress(basis))
            if basis.num_products == products:
                raise KeyboardInterrupt

        self.basis = basis
        try:
            return search(basis, K, keep=keep)
        except KeyboardInterrupt:
            return None


@pytest.fixture
def kept(experiment) -> Kept:
    return Kept()


@pytest.fixture
def undisturbed() -> Spectrum:
    return search(KrylovBasis(matrix(), 0, CAPACITY), K)


def assert_same_bits(ours: Spectrum | None, theirs: Spectrum) -> None:
    assert ours is not None
    for name, value in vars(theirs).items():
        assert np.array_equal(getattr(ours, name), value), name


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_a_run_without_progress_begins_at_the_start_and_says_nothing(kept):
    assert kept.find() is None
    assert kept.said == []


@pytest.mark.parametrize("every", [1, 7])
def test_a_measurement_that_is_killed_again_and_again_ends_with_the_same_bits(kept, undisturbed, every):
    """Before the basis is restarted, after it, in its second start, and where that has no room in the basis."""
    for products in (8, 25, 31, 44):
        assert kept.measure(kept.keeper(), products, every) is None
        assert kept.steps()[-1] == products // every * every
    assert_same_bits(kept.measure(kept.keeper(), every=20), undisturbed)
    assert undisturbed.num_products > 44
    assert len(kept.basis.state().beyond) > 0
    assert kept.basis.num_starts == 2
    assert any("going on after product" in line for line in kept.said)


def test_parts_that_are_finished_are_found_and_the_one_on_its_way_is_gone_on_with(kept, undisturbed):
    first, second = (kept.keeper().part(name) for name in ("layer 0", "layer 1"))
    assert first.finished() is None
    assert kept.measure(first, 8) is None
    first.finish(b"what came of it")
    assert kept.names(KIND) == []
    assert kept.measure(second, 12) is None
    again = kept.keeper()
    assert again.part("layer 0").finished() == b"what came of it"
    assert again.part("layer 1").finished() is None
    kept.said.clear()
    assert_same_bits(kept.measure(again.part("layer 1"), every=20), undisturbed)
    assert kept.said == ["  going on after product 12, where an earlier process stopped"]


@pytest.mark.parametrize("options", [{"key": "another"}, {"environment": "elsewhere"}])
def test_parts_of_another_measurement_or_machine_are_not_found(kept, options):
    kept.keeper().part("layer 0").finish(b"what came of it")
    assert kept.keeper(**options).part("layer 0").finished() is None
    assert "can't go on from finished-000000001" in kept.said[-1]
    damage(kept.folder / kept.names("finished")[0])
    assert kept.keeper().part("layer 0").finished() is None


def test_every_vector_is_written_once_until_the_basis_is_restarted(kept, monkeypatch):
    written: list[int] = []
    write = curvature_progress.write_vectors

    def count(start: int, vectors: torch.Tensor) -> tuple[str, bytes]:
        written.extend(range(start, start + len(vectors)))
        return write(start, vectors)

    monkeypatch.setattr(curvature_progress, "write_vectors", count)
    kept.measure(kept.keeper(), 7, every=5)
    kept.measure(kept.keeper(), 17, every=5)
    assert written == list(range(15))


def test_progress_of_an_earlier_version_is_started_over_from_and_that_is_said(kept, monkeypatch):
    with monkeypatch.context() as earlier:
        earlier.setattr(progress_file, "_FORMAT", ("lth-curvature", 1))
        kept.measure(kept.keeper(), 12)
    assert kept.find() is None
    assert any("can't go on from products" in line for line in kept.said)


def test_what_a_restart_replaced_is_deleted(kept):
    kept.measure(kept.keeper(), 20)
    before = set(kept.names(VECTORS))
    assert len(before) == 20
    kept.measure(kept.keeper(), 34)
    assert not before & set(kept.names(VECTORS))
    assert kept.steps() == [33, 34]
    assert kept.find().basis.num_products == 34


def test_where_the_latest_is_damaged_the_one_before_is_gone_on_from_and_that_is_said(kept, undisturbed):
    kept.measure(kept.keeper(), 20)
    damage(kept.folder / kept.names(KIND)[-1])
    assert kept.find().basis.num_products == 19
    assert "SHA-256 differs" in kept.said[0]
    assert_same_bits(kept.measure(kept.keeper(), every=20), undisturbed)


def test_where_a_vector_is_damaged_it_is_said_and_only_what_needs_it_is_lost(kept, undisturbed):
    kept.measure(kept.keeper(), 20)
    damage(kept.folder / kept.names(VECTORS)[-1])
    assert kept.find().basis.num_products == 19
    damage(kept.folder / kept.names(VECTORS)[3])
    assert kept.find() is None
    assert len(kept.said) == 2
    assert_same_bits(kept.measure(kept.keeper(), every=20), undisturbed)


def test_where_a_vector_is_missing_the_measurement_begins_at_the_start(kept, undisturbed):
    kept.measure(kept.keeper(), 20)
    (kept.folder / kept.names(VECTORS)[3]).unlink()
    assert kept.find() is None
    assert_same_bits(kept.measure(kept.keeper(), every=20), undisturbed)


def test_the_progress_of_another_measurement_or_environment_is_not_used_and_that_is_said(kept):
    kept.measure(kept.keeper(key="another", environment="torch 9"), 9)
    assert kept.find(environment="torch 9") is None
    assert "it is of another measurement" in kept.said[0]
    assert kept.find(key="another") is None
    assert "it was measured by torch 9; here is here" in kept.said[0]
    assert kept.find(key="another", environment="torch 9").basis.num_products == 9


def test_a_store_that_does_not_take_the_progress_is_said_and_nothing_is_lost(kept, undisturbed, monkeypatch):
    def fail(_path: str, _content: bytes) -> None:
        raise OSError("disk full")

    keeper = kept.keeper()
    kept.measure(keeper, 10)
    with monkeypatch.context() as patched:
        patched.setattr(kept.log, "file", fail)
        kept.measure(keeper, 15)
    assert "product 15 could not be kept: disk full" in kept.said[-1]
    assert kept.find().basis.num_products == 10
    assert_same_bits(kept.measure(keeper, every=20), undisturbed)


def test_a_run_that_another_process_took_over_is_left_to_it(kept):
    kept.log.tags(ownership())
    keeper = kept.keeper()
    kept.measure(keeper, 5)
    kept.log.tags({PROCESS: "machine 17 0.00"})
    with pytest.raises(LostRunError, match="was taken over by process"):
        kept.measure(keeper, 8)
    assert kept.steps() == [4, 5]


@pytest.mark.parametrize("phase", ["spectrum", "end of the spectrum", "trace"])
def test_a_curvature_job_that_was_killed_goes_on_in_its_run_to_the_same_bits(experiment, monkeypatch, phase):
    monkeypatch.setattr(folder, "_SHARE", float("inf"))  # keep after every product, whatever that takes
    job, said = CurvatureJob(Point.at(Place.imp(0))), []
    study = Study(make_problem(k="1"), Store(), said.append)
    study.solution(Place.imp(0))
    whole = study.measurement(job)
    expected: Curvature = read(load_measurement(study.store, whole), job)
    assert expected.spectrum.num_products < expected.size.dimension, "else the trace takes no products"
    total = expected.spectrum.num_products
    products = {"spectrum": 3, "end of the spectrum": total, "trace": total + 5}[phase]
    MlflowClient().delete_run(whole)
    study = Study(make_problem(k="1"), Store(), said.append, keep_every=0.0)
    multiply, count = HessianOperator.__call__, 0

    def until(self: HessianOperator, vector: torch.Tensor) -> torch.Tensor:
        nonlocal count
        count += 1
        if count > products:
            raise KeyboardInterrupt
        return multiply(self, vector)

    with monkeypatch.context() as patched:
        patched.setattr(HessianOperator, "__call__", until)
        with pytest.raises(KeyboardInterrupt):
            study.measurement(job)
    said.clear()
    study = Study(make_problem(k="1"), Store(), said.append, keep_every=0.0)
    products, count = total + 20, 0
    with monkeypatch.context() as patched:
        patched.setattr(HessianOperator, "__call__", until)
        run = study.measurement(job)
    begun = {"spectrum": 3, "end of the spectrum": total, "trace": total + 5}[phase]
    assert count == total + 20 - begun, "no product was taken twice"
    assert any(f"going on after product {begun}," in line for line in said)
    found = read(load_measurement(study.store, run), job)
    assert_same_bits(found.spectrum, expected.spectrum)
    assert np.array_equal(found.trace.samples, expected.trace.samples)
    assert found.trace.inside == expected.trace.inside
    assert study.store.run(run).info.status == "FINISHED"
    assert not MlflowClient().list_artifacts(run, PROGRESS)
