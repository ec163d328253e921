"""A checkpoint of another network, level or version is refused by name, and nothing in it is executed."""

import hashlib
import io
import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from conftest import use_fresh_store
from finished_study import copy_store
from hypothesis import given, settings
from hypothesis import strategies as st
from mlflow import MlflowClient
from tiny_problem import OPTIONS

import lth
from lth.command import analyze, imp_level, train_dense
from lth.sealed import CheckpointError
from lth.solution.checkpoint import _manifest_digest, read_solution, write_solution
from lth.tracking.store import Store

FROZEN = Path(__file__).parent.parent / "stored" / "checkpoints"


pytestmark = pytest.mark.usefixtures("without_models", "with_two_blank_figures")


def call(command: object, *arguments: str) -> Result:
    return CliRunner().invoke(command.main, [*OPTIONS, *arguments])


def refused(result: Result, *said: str) -> None:
    assert result.exit_code != 0
    assert isinstance(result.exception, SystemExit), "a traceback is no message"
    for part in said:
        assert part in " ".join(result.output.split()), result.output


def trained(kind: str = "imp", level: int = 0) -> str:
    (run,) = Store().search(f"tags.kind = '{kind}' AND tags.level = '{level}'")
    return str(run.info.run_id)


@pytest.fixture(scope="module")
def dense_store(tmp_path_factory, empty_database) -> Path:
    folder = tmp_path_factory.mktemp("dense")
    with pytest.MonkeyPatch.context() as patched:
        use_fresh_store(patched, folder, empty_database)
        patched.setattr("lth.study.training.log_solution_model", lambda *_: None)
        assert call(train_dense).exit_code == 0
    return folder


@pytest.fixture
def dense(dense_store, tracking) -> str:
    copy_store(dense_store, tracking)
    return trained()


def test_the_run_of_another_network_is_refused(dense):
    result = call(imp_level, "--level=1", f"--from_run={dense}", "--network=odd_problem:without_batchnorm")
    refused(result, "from_run holds tiny_problem:network", "name a run of the same network and data set")


def test_the_run_of_another_data_set_is_refused(dense):
    result = call(imp_level, "--level=1", f"--from_run={dense}", "--dataset=odd_problem:fewer_images")
    refused(result, "name a run of the same network and data set")


def test_the_run_of_another_level_is_refused(dense):
    refused(call(imp_level, "--level=3", f"--from_run={dense}"), "holds dense; a run of level 2 is needed")


def test_the_run_of_a_measurement_is_refused(dense):
    assert call(analyze, "--level=0", "--measures=spectra").exit_code == 0
    (run,) = Store().search("tags.kind = 'measurement'")
    refused(call(imp_level, "--level=1", f"--from_run={run.info.run_id}"), "holds no solution; name a run of")


def test_a_deleted_run_and_one_that_did_not_finish_are_refused(dense):
    MlflowClient().set_terminated(dense, "FAILED")
    refused(
        call(imp_level, "--level=1", f"--from_run={dense}"), "is FAILED; only finished runs hold a solution"
    )
    MlflowClient().delete_run(dense)
    refused(call(imp_level, "--level=1", f"--from_run={dense}"), "is deleted; only finished runs")


def checkpoint_of(run_id: str, directory: Path) -> Path:
    (path,) = directory.rglob(f"{run_id}/artifacts/checkpoint")
    return path


def rewrite(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change a manifest as someone would who knows how its digest is made."""
    manifest = json.loads((path / "manifest.json").read_text())
    change(manifest)
    (path / "manifest.json").write_text(json.dumps({**manifest, "digest": _manifest_digest(manifest)}))


def test_a_later_version_is_refused_with_what_to_do(dense, tracking):
    rewrite(checkpoint_of(dense, tracking), lambda manifest: manifest.update(version=99))
    result = call(imp_level, "--level=1")
    wrote_it = f"use the version that wrote it (lth {lth.__version__})"
    refused(result, f"the checkpoint of run {dense}", "has version 99", wrote_it)


@pytest.mark.parametrize("name", ["../outside.safetensors", "/etc/passwd", "a/../../../outside.safetensors"])
def test_a_manifest_that_names_a_file_outside_the_checkpoint_is_refused(dense, tracking, name):
    rewrite(checkpoint_of(dense, tracking), lambda manifest: manifest["files"].update({name: "0" * 64}))
    refused(call(imp_level, "--level=1"), "lies outside the checkpoint")


class Executed:
    """What unpickling would call."""

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return (Path.touch, (Path("executed"),))  # type: ignore[return-value]


@pytest.mark.parametrize("writer", [torch.save, lambda what, path: path.write_bytes(pickle.dumps(what))])
def test_a_pickle_in_the_place_of_tensors_is_refused_and_not_executed(dense, tracking, writer):
    path = checkpoint_of(dense, tracking)
    writer(Executed(), path / "final.safetensors")
    digest = hashlib.sha256((path / "final.safetensors").read_bytes()).hexdigest()
    rewrite(path, lambda manifest: manifest["files"].update({"final.safetensors": digest}))
    refused(call(imp_level, "--level=1"), "final.safetensors is not a safetensors file")
    assert not list(tracking.rglob("executed"))


def test_a_pickle_in_the_place_of_a_measurement_is_refused_and_not_executed(dense, tracking):
    assert call(analyze, "--level=0", "--measures=spectra").exit_code == 0
    content = io.BytesIO()
    np.savez(content, **{"spectrum.eigenvalues": np.array([Executed()], dtype=object)})
    for path in tracking.rglob("measurement.npz"):
        path.write_bytes(content.getvalue())
    (analysis,) = Store().search("tags.kind = 'analysis'")
    MlflowClient().delete_run(analysis.info.run_id)
    refused(call(analyze, "--level=0", "--measures=spectra"), "the numbers of run", "are not usable")
    assert not list(tracking.rglob("executed"))


def test_a_checkpoint_of_the_first_version_is_read():
    """Written by lth 0.1.0 and never again: what users have on their disks."""
    solution = read_solution(FROZEN / "version-1")
    assert (solution.kind, solution.level, solution.spec.name) == ("imp", 1, "lenet-3")
    assert solution.mask.num_kept == 94
    assert sorted(solution.trajectory) == [1, 2]
    assert solution.history[-1].train.loss == pytest.approx(1.0, abs=0.5)
    solution.network(torch.zeros(2, 1, 6, 6))


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """Give a checkpoint as it is written now."""
    directory = tmp_path_factory.mktemp("checkpoint")
    write_solution(directory, read_solution(FROZEN / "version-1"))
    return directory


@given(st.data())
@settings(max_examples=300)
def test_no_bit_of_a_checkpoint_can_be_altered_unnoticed(whole, data):
    path = data.draw(st.sampled_from(sorted(path for path in whole.rglob("*") if path.is_file())))
    content = path.read_bytes()
    bit = data.draw(st.integers(0, 8 * len(content) - 1))
    altered = bytearray(content)
    altered[bit // 8] ^= 1 << bit % 8
    try:
        path.write_bytes(altered)
        try:
            found = read_solution(whole)
        except CheckpointError:
            return
        # Only what means nothing may differ: the blanks between the words of the manifest.
        assert path.name == "manifest.json"
        assert json.loads(altered) == json.loads(content)
        assert found.key == read_solution(FROZEN / "version-1").key
    finally:
        path.write_bytes(content)


def test_a_frozen_checkpoint_that_was_altered_is_refused(tmp_path):
    shutil.copytree(FROZEN / "version-1", tmp_path / "copy")
    content = bytearray((tmp_path / "copy" / "mask.safetensors").read_bytes())
    content[-1] ^= 1
    (tmp_path / "copy" / "mask.safetensors").write_bytes(content)
    with pytest.raises(CheckpointError, match="SHA-256 differs"):
        read_solution(tmp_path / "copy")


def test_solutions_load_by_run_and_their_network_code_is_not_run(dense):
    with pytest.raises(ValueError, match="build it yourself"):
        _ = lth.load_solution(dense).network
