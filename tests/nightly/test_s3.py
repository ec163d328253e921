"""Artifacts in an object store that clients reach directly: away, without a bucket, without credentials."""

import threading
from collections.abc import Iterator

import pytest
from servers import free_port

from lth.tracking.client import StoreError
from lth.tracking.store import KEY, Store

pytest.importorskip("boto3")
moto_server = pytest.importorskip("moto.server")

pytestmark = pytest.mark.nightly


class ObjectStore:
    """An S3 on this machine, to stop and start again with what it holds."""

    def __init__(self) -> None:
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self._server = None

    def start(self) -> None:
        self._server = moto_server.ThreadedMotoServer("127.0.0.1", self._port, verbose=False)
        self._server.start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.stop()
            self._server = None


@pytest.fixture
def objects(monkeypatch) -> Iterator[ObjectStore]:
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
    s3_artifact_repo._cached_get_s3_client.cache_clear()
    boto3.client("s3", endpoint_url=objects.url).create_bucket(Bucket="there")
    yield objects
    objects.stop()
    s3_artifact_repo._cached_get_s3_client.cache_clear()


def store_in(bucket: str, patience: float = 0.0, said: list[str] | None = None) -> Store:
    """Return the store of an experiment whose artifacts are in a bucket."""
    from mlflow import MlflowClient

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
