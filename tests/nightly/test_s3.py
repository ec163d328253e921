"""Artifacts in an object store: away, without a bucket, without credentials.

Clients reach it directly, or a tracking server hands on to it.
"""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import use_fresh_store
from mlflow import MlflowClient
from problems import assert_same_weights
from servers import MlflowServer, free_port
from tiny_problem import OPTIONS, make_study

from lth.plan.place import Place
from lth.study.record.load import load_solution
from lth.tracking.client import StoreError
from lth.tracking.store import KEY, Store

pytest.importorskip("boto3")
moto_server = pytest.importorskip("moto.server")

pytestmark = pytest.mark.nightly

ROOT = Path(__file__).parent.parent.parent


class ObjectStore:
    """An S3 on this machine, to stop and start again with what it holds."""

    def __init__(self) -> None:
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self._server = None

    def start(self) -> None:
        if self._server is not None:
            return
        self._server = moto_server.ThreadedMotoServer("127.0.0.1", self._port, verbose=False)
        self._server.start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.stop()
            self._server = None


@pytest.fixture
def objects(monkeypatch, tmp_path) -> Iterator[ObjectStore]:
    import boto3
    from mlflow.store.artifact import s3_artifact_repo

    objects = ObjectStore()
    objects.start()
    monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", objects.url)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):  # those of who runs the tests
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # which would keep the credentials of the first client
    s3_artifact_repo._cached_get_s3_client.cache_clear()
    session = boto3.session.Session()
    session.client("s3", endpoint_url=objects.url).create_bucket(Bucket="there")
    yield objects
    objects.stop()
    s3_artifact_repo._cached_get_s3_client.cache_clear()


def store_in(bucket: str, patience: float = 0.0, said: list[str] | None = None) -> Store:
    """Return the store of an experiment whose artifacts are in a bucket."""
    MlflowClient().create_experiment(bucket, f"s3://{bucket}/lth")
    return Store(patience, (said if said is not None else []).append, experiment=bucket)


def test_what_is_written_is_listed_read_and_removed(tracking, objects, tmp_path):
    store = store_in("there")
    with store.open("a run", {KEY: "key"}) as run:
        run.file("folder/file.txt", b"content")
        assert run.files("folder") == ["file.txt"]
        assert run.read("folder/file.txt") == b"content"
        run.remove("folder/file.txt")
        assert run.files("folder") == []
        with pytest.raises(FileNotFoundError):
            run.read("folder/file.txt")


def test_an_object_store_that_is_away_for_a_while_is_waited_for(tracking, objects):
    said: list[str] = []
    store = store_in("there", 60.0, said)
    with store.open("a run", {KEY: "key"}) as run:
        objects.stop()
        back = threading.Timer(3.0, objects.start)
        back.start()
        run.file("folder/file.txt", b"content")
        back.join()
        assert run.read("folder/file.txt") == b"content"
    assert any("trying again for up to 60 s" in line for line in said)


def test_a_bucket_that_is_not_there_is_said_in_one_line(tracking, objects):
    store = store_in("gone")
    with pytest.raises(StoreError, match="make the bucket") as error, store.open("a run", {KEY: "key"}) as run:
        run.file("folder/file.txt", b"content")
    assert "\n" not in str(error.value)


def test_missing_credentials_are_said_in_one_line(tracking, objects, monkeypatch):
    store = store_in("there")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    with pytest.raises(StoreError, match="credentials") as error, store.open("a run", {KEY: "key"}) as run:
        run.file("folder/file.txt", b"content")
    assert "\n" not in str(error.value)


@pytest.fixture(params=["direct", "proxied"])
def root(request, tracking, objects, monkeypatch) -> Iterator[str]:
    """Return what an artifact's address begins with where clients reach the bucket, or a server does."""
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "there")
    if request.param == "direct":
        MlflowClient().create_experiment("there", "s3://there/lth")
        yield "s3://there/lth/"
        return
    server = MlflowServer(tracking, artifacts="s3://there/lth")
    server.start()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "MLFLOW_S3_ENDPOINT_URL"):
        monkeypatch.delenv(name)  # the server has them
    yield "mlflow-artifacts:/"
    server.stop()


def begin(*options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "entrypoints.imp_level", *OPTIONS, "--level=1", *options],
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_levels_are_trained_on_with_a_bucket_that_is_away_for_a_while_to_the_bits_of_files(
    root, objects, tmp_path, monkeypatch, empty_database
):
    process, said = begin("--epochs=60", "--milestones=none", "--keep_every=0"), ""
    for line in process.stdout:
        said += line
        if "training level 1" in line:
            objects.stop()
        if "trying again for up to 300 s" in line or "could not be kept" in line:
            objects.start()
    assert process.wait() == 0, said
    assert "Traceback" not in said
    assert "the tracking store answers again" in said or "could not be kept" in said
    (run,) = Store().search("tags.kind = 'imp' AND tags.level = '1'")
    assert run.info.artifact_uri.startswith(root)
    there = load_solution(Store(), run.info.run_id)
    beside = tmp_path / "beside"
    beside.mkdir()
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME")
    use_fresh_store(monkeypatch, beside, empty_database)
    alone = make_study(epochs="60", milestones="none").solution(Place.imp(1))
    assert_same_weights(there.final, load_solution(Store(), alone).final)


def test_what_a_killed_process_kept_in_a_bucket_is_gone_on_from(root):
    process = begin("--epochs=3000", "--milestones=none", "--keep_every=0")
    for line in process.stdout:
        if "training dense" in line:
            break
    while not (runs := Store().search("tags.kind = 'imp'")) or not kept(runs[0].info.run_id):
        assert process.poll() is None
    process.kill()
    process.communicate()
    process = begin("--epochs=3000", "--milestones=none", "--keep_every=0")
    for line in process.stdout:
        if "going on after step" in line:
            break
    else:
        pytest.fail("it began anew")
    process.kill()
    process.communicate()


def kept(run_id: str) -> bool:
    return bool(MlflowClient().list_artifacts(run_id, "progress"))
