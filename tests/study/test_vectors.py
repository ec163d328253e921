"""Eigenvectors as artifacts of a study: kept with their spectra, read by what needs them, checked."""

from unittest.mock import Mock

import pytest
import torch
from mlflow import MlflowClient
from tiny_problem import make_study

from lth.measure.curvature.hessian import HessianOperator
from lth.measure.kind.take import read
from lth.plan.jobs import CurvatureJob, SubspaceJob
from lth.plan.place import Place, Point
from lth.sealed import CheckpointError
from lth.study.record.load import LostResultError, load_eigenvectors, load_measurement
from lth.study.study import Study
from lth.study.verify import Damage, verify
from lth.tracking import folder
from lth.tracking.store import Store

pytestmark = pytest.mark.usefixtures("without_models", "with_two_blank_figures")
JOB = SubspaceJob(Point.at(Place.imp(1)))
SPECTRUM = CurvatureJob(Point.at(Place.imp(0)))


def test_a_study_keeps_eigenvectors_of_what_it_compares_and_says_what_they_span(tracking):
    study = make_study(vectors="on")
    run_id = study.measurement(JOB)
    found = read(load_measurement(study.store, run_id), JOB)
    for point in JOB.points:
        vectors = study.eigenvectors(point)
        assert (vectors.shape[0], vectors.dtype) == (3, torch.float32)
        torch.testing.assert_close(vectors @ vectors.T, torch.eye(3), rtol=0, atol=1e-5)
    own, reverse = study.eigenvectors(JOB.point), study.eigenvectors(Point.reverse(1))
    assert own.shape[1] == found.compared.dimension < reverse.shape[1] == found.compared.dimension_before
    data = MlflowClient().get_run(run_id).data
    assert (data.tags["measure"], data.tags["level"]) == ("subspaces", "1")
    assert data.metrics["subspace/levels"] == found.compared.levels[-1]
    assert make_study(vectors="on").measurement(JOB) == run_id


def test_eigenvectors_that_are_altered_or_gone_are_told(tracking):
    study = make_study(vectors="on")
    run_id = study.measurement(SPECTRUM)
    (path,) = tracking.rglob("eigenvectors-*.safetensors")
    said: list[Damage] = []
    assert not verify(Store(), said.append).damages
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(CheckpointError, match="is not what was written"):
        load_eigenvectors(study.store, run_id)
    path.unlink()
    with pytest.raises(LostResultError, match="eigenvectors"):
        load_eigenvectors(study.store, run_id)
    verify(Store(), said.append)
    assert ["eigenvectors" in each.what for each in said] == [True]


def test_a_task_killed_before_its_eigenvectors_were_kept_goes_on_to_the_same_bits(tracking, monkeypatch):
    monkeypatch.setattr(folder, "_SHARE", float("inf"))  # keep after every product, whatever that takes
    multiply, taken = HessianOperator.__call__, 0

    def counted(self, vector):
        nonlocal taken
        taken += 1
        return multiply(self, vector)

    monkeypatch.setattr(HessianOperator, "__call__", counted)
    study = make_study(vectors="on")
    expected = study.eigenvectors(SPECTRUM.point)
    whole, taken = taken, 0
    MlflowClient().delete_run(study.measurement(SPECTRUM))
    room = "lth.measure.kind.curvature.eigenvector_files"
    killed = Study(study.problem, Store(), print, keep_every=0.0)
    with monkeypatch.context() as killing:
        killing.setattr(room, Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            killed.measurement(SPECTRUM)
    assert taken == whole
    found = Study(study.problem, Store(), print, keep_every=0.0).eigenvectors(SPECTRUM.point)
    assert taken == whole, "no product was taken twice"
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
