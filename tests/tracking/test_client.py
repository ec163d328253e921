"""A store that does not answer is waited for; what it will never take is said at once, with the remedy."""

import errno
import shutil
from types import SimpleNamespace

import pytest
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST, TEMPORARILY_UNAVAILABLE
from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository

from lth.tracking import client as client_module
from lth.tracking.client import PatientClient, StoreError, told, without_password

LOCKED = MlflowException("(sqlite3.OperationalError) database is locked", TEMPORARILY_UNAVAILABLE)
DOWN = MlflowException("API request to http://lab/api failed with exception Connection refused")
BAD_GATEWAY = MlflowException("API request to endpoint /api failed with error code 502 != 200. Body: ''")
FULL = OSError(errno.ENOSPC, "No space left on device", "/mlruns/1")
FULL_TREE = shutil.Error([("a", "/mlruns/1/a", "[Errno 28] No space left on device: '/mlruns/1/a'")])
# What MLflow makes of errors while it downloads, and the requests library of a request without an answer.
FULL_IN_WORDS = MlflowException(
    "The following failures occurred: {'a': OSError(28, '[Errno 28] No space left')}"
)
BROKEN = OSError("Connection aborted")
BROKEN.response = None
READ_ONLY = OSError(errno.EROFS, "Read-only file system", "/mlruns/1")
FORBIDDEN = PermissionError(errno.EACCES, "Permission denied", "/mlruns/1")
MISSING = FileNotFoundError(errno.ENOENT, "No such file or directory", "/mlruns/1/weights")
UNKNOWN = MlflowException("Run 'x' not found", RESOURCE_DOES_NOT_EXIST)
NOT_FOUND = OSError("404 Client Error: NOT FOUND for url: http://lab/api")


class Clock:
    """Time that passes only while something sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(client_module, "time", SimpleNamespace(monotonic=clock.monotonic, sleep=clock.sleep))
    return clock


class Store:
    """Fails with an error until so many seconds have passed."""

    def __init__(self, error: Exception, clock: Clock, until: float) -> None:
        self._error, self._clock, self._until = error, clock, until
        self.calls = 0

    def __call__(self, *arguments: object, **named: object) -> tuple[object, ...]:
        self.calls += 1
        if self._clock.now < self._until:
            raise self._error
        return (*arguments, *named.values())


@pytest.mark.parametrize("error", [LOCKED, DOWN, BAD_GATEWAY, FULL, FULL_TREE, FULL_IN_WORDS, BROKEN], ids=str)
def test_what_may_pass_is_waited_for_and_said_once_and_again_when_it_is_over(tracking, clock, error):
    said: list[str] = []
    store = Store(error, clock, until=60)
    assert PatientClient(300, said.append).persist(store, 1, two=2) == (1, 2)
    assert 60 <= clock.now < 75.5
    assert len(said) == 2
    assert "trying again for up to 300 s" in said[0]
    assert "answers again, after" in said[1]
    assert store.calls < 12, "pauses grow"


@pytest.mark.parametrize("errno_said", ["[Errno 111] Connection refused", "[Errno 104] Connection reset", "x"])
@pytest.mark.parametrize("path", ["api/2.0/mlflow/runs/search", "api/3.0/mlflow/server-info", "api"])
def test_a_server_that_does_not_answer_is_not_taken_for_artifacts_that_are_away(tracking, path, errno_said):
    def ask() -> None:
        raise MlflowException(f"API request to http://lab:5000/{path} failed with exception {errno_said}")

    with pytest.raises(StoreError, match="the tracking server does not answer"):
        PatientClient(0).persist(ask)


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (LOCKED, "see that it runs and is not locked or full"),
        (DOWN, "see that it runs"),
        (FULL, "make room there"),
        (FULL_TREE, "make room there"),
    ],
    ids=str,
)
def test_what_does_not_pass_is_given_up_with_cause_and_remedy(tracking, clock, error, remedy):
    with pytest.raises(StoreError, match=remedy) as raised:
        PatientClient(300).persist(Store(error, clock, until=1e9))
    assert 280 < clock.now <= 300
    assert "the same command goes on" in str(raised.value)
    assert raised.value.__cause__ is error


@pytest.mark.parametrize("error", [READ_ONLY, FORBIDDEN], ids=str)
def test_what_no_waiting_mends_is_said_at_once(tracking, clock, error):
    with pytest.raises(StoreError, match="make their folder writable"):
        PatientClient(300).persist(Store(error, clock, until=60))
    assert clock.now == 0


@pytest.mark.parametrize("error", [MISSING, UNKNOWN, NOT_FOUND, KeyError("x")], ids=str)
def test_other_errors_are_the_callers(tracking, clock, error):
    store = Store(error, clock, until=60)
    with pytest.raises(type(error)) as raised:
        PatientClient(300).persist(store)
    assert raised.value is error
    assert store.calls == 1


def test_in_a_hurry_nothing_is_waited_for_and_afterwards_it_is_again(tracking, clock):
    client = PatientClient(300)
    with pytest.raises(StoreError), client.in_a_hurry():
        client.persist(Store(DOWN, clock, until=60))
    assert clock.now == 0
    client.persist(Store(DOWN, clock, until=60))
    assert clock.now >= 60


def test_the_password_of_a_store_is_in_no_message(tracking, clock):
    down = MlflowException(
        "API request to http://lab:secret@host/api failed with exception (url: http://a:b@host)"
    )
    with pytest.raises(StoreError) as raised:
        PatientClient(0).persist(Store(down, clock, until=60))
    for said in (str(raised.value), told(down)):
        assert "secret" not in said
        assert "http://***@host" in said
    assert without_password("postgresql://lab:se:cret@host/db") == "postgresql://***@host/db"
    assert without_password("sqlite:////tmp/mlflow.db") == "sqlite:////tmp/mlflow.db"


def test_a_store_that_goes_away_during_a_download_is_waited_for(tracking, clock, monkeypatch):
    client = PatientClient(300)
    experiment = client.create_experiment("downloads")
    run_id = client.create_run(experiment, tags={}, run_name="")
    client.at_once.log_text(run_id, "content", "folder/file.txt")
    store = Store(FULL, clock, until=60)
    copy = LocalArtifactRepository._download_file

    def failing(repository, *arguments: object, **named: object) -> object:
        store()
        return copy(repository, *arguments, **named)

    monkeypatch.setattr(LocalArtifactRepository, "_download_file", failing)
    (tracking / "here").mkdir()
    path = client.fetch(run_id, "folder/file.txt", str(tracking / "here"))
    assert path.read_text() == "content"
    assert path.is_relative_to(tracking / "here"), "a copy, not the store's own"
    assert store.calls > 1
    with pytest.raises((MlflowException, OSError)):
        client.fetch(run_id, "folder/missing.txt", str(tracking / "here"))


def test_its_methods_are_those_of_the_client_it_waits_for(tracking, clock, monkeypatch):
    store = Store(LOCKED, clock, until=10)
    monkeypatch.setattr("mlflow.MlflowClient.delete_tag", lambda _self, *given: store(*given))
    PatientClient().delete_tag("run", "name")
    assert store.calls > 1


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (UNKNOWN, "the tracking store refused: Run 'x' not found"),
        (FORBIDDEN, "a file can't be read or written: [Errno 13] Permission denied"),
        (MISSING, "a file can't be read or written: [Errno 2] No such file"),
        (MemoryError("Unable to allocate 7 GiB"), "lower batch_size"),
        (RuntimeError("CUDA out of memory. Tried to allocate"), "lower batch_size"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "lower batch_size"),
        (StoreError("line\nline"), "line line"),
        (RuntimeError("a fault"), None),
        (TypeError("a fault"), None),
    ],
    ids=str,
)
def test_what_a_user_can_mend_is_one_line_and_faults_are_none(error, line):
    said = told(error)
    if line is None:
        assert said is None
    else:
        assert line in said
        assert "\n" not in said
