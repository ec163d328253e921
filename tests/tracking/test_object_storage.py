"""What an object store raises is waited for where it may pass, and else said at once with what to do."""

from types import SimpleNamespace

import pytest
from mlflow.exceptions import MlflowException

from lth.tracking import client as client_module
from lth.tracking.client import PatientClient, StoreError


def raised(module: str, name: str, text: str, **attributes: object) -> Exception:
    """Return an error as a library raises it, which need not be installed."""
    error = type(name, (Exception,), {"__module__": module})(text)
    for attribute, value in attributes.items():
        setattr(error, attribute, value)
    return error


def s3(code: str, operation: str = "PutObject") -> Exception:
    text = f"An error occurred ({code}) when calling the {operation} operation: said at length\nin two lines"
    return raised("botocore.exceptions", "ClientError", text)


PASSING = [
    raised("botocore.exceptions", "EndpointConnectionError", 'Could not connect to "http://s3/there/x"'),
    raised("botocore.exceptions", "ReadTimeoutError", 'Read timeout on endpoint URL: "http://s3/there/x"'),
    raised("botocore.exceptions", "ConnectionClosedError", "Connection was closed before a valid response"),
    raised("azure.core.exceptions", "ServiceRequestError", "Failed to establish a new connection"),
    raised("google.auth.exceptions", "TransportError", "Failed to retrieve"),
    raised("google.api_core.exceptions", "ServiceUnavailable", "503", code=503),
    s3("SlowDown"),
    s3("InternalError"),
    s3("503", "HeadObject"),
]
LASTING = [
    (raised("botocore.exceptions", "NoCredentialsError", "Unable to locate credentials"), "its credentials"),
    (raised("botocore.exceptions", "PartialCredentialsError", "Partial credentials"), "its credentials"),
    (raised("google.auth.exceptions", "DefaultCredentialsError", "not found"), "its credentials"),
    (s3("InvalidAccessKeyId"), "its credentials"),
    (s3("SignatureDoesNotMatch"), "its credentials"),
    (s3("ExpiredToken"), "its credentials"),
    (s3("AccessDenied"), "read and write there"),
    (s3("403", "HeadObject"), "read and write there"),
    (raised("azure.core.exceptions", "HttpResponseError", "no", status_code=403), "read and write there"),
    (s3("RequestTimeTooSkewed"), "set the clock of this machine"),
    (s3("NoSuchBucket"), "make the bucket"),
    (
        raised(
            "boto3.exceptions", "S3UploadFailedError", "Failed to upload f: An error occurred (NoSuchBucket) …"
        ),
        "make the bucket",
    ),
    (MlflowException("Failed to list artifacts in s3://x: The specified bucket does not exist"), "the bucket"),
    (ModuleNotFoundError("No module named 'boto3'", name="boto3"), "pip install boto3"),
]
NOT_THERE = [
    s3("404", "HeadObject"),
    s3("NoSuchKey", "GetObject"),
    raised("google.x", "NotFound", "", code=404),
]


class Clock:
    """Time that passes only while something sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch) -> Clock:
    clock = Clock()
    time = SimpleNamespace(monotonic=lambda: clock.now, sleep=clock.sleep)
    monkeypatch.setattr(client_module, "time", time)
    return clock


def failing(error: Exception, clock: Clock, until: float = 1e9) -> object:
    def call() -> str:
        if clock.now < until:
            raise error
        return "done"

    return call


@pytest.mark.parametrize("error", PASSING, ids=repr)
def test_what_may_pass_is_waited_for_with_one_line_and_given_up_with_one(tracking, clock, error):
    said: list[str] = []
    assert PatientClient(300, said.append).persist(failing(error, clock, until=60)) == "done"
    assert [line.count("\n") for line in said] == [0, 0]
    assert "trying again for up to 300 s" in said[0]
    with pytest.raises(StoreError, match="MLFLOW_S3_ENDPOINT_URL"):
        PatientClient(300).persist(failing(error, clock))


@pytest.mark.parametrize(("error", "remedy"), LASTING, ids=repr)
def test_what_no_waiting_mends_is_said_at_once_in_one_line_with_the_remedy(tracking, clock, error, remedy):
    with pytest.raises(StoreError, match=remedy) as refused:
        PatientClient(300).persist(failing(error, clock))
    assert clock.now == 0
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("error", NOT_THERE, ids=repr)
def test_what_is_not_there_is_missing_as_a_file_would_be(tracking, clock, error):
    with pytest.raises(FileNotFoundError):
        PatientClient(300).persist(failing(error, clock))


@pytest.mark.parametrize("error", [ValueError("another"), KeyError("another"), RuntimeError("404")], ids=repr)
def test_what_has_nothing_to_do_with_a_store_is_raised_as_it_is(tracking, clock, error):
    with pytest.raises(type(error)):
        PatientClient(300).persist(failing(error, clock))


def test_a_server_that_cannot_hand_artifacts_on_is_told_from_one_that_is_away(tracking, clock):
    url = "http://lab:5000/api/2.0/mlflow-artifacts/artifacts/1/x/artifacts/f.txt"
    pool = (
        "HTTPConnectionPool(host='lab', port=5000): Max retries exceeded with url: /mlflow-artifacts/artifacts"
    )
    failed = f"API request to {url} failed with exception {pool}"
    handing = MlflowException(f"{failed} (Caused by ResponseError('too many 500 error responses'))")
    away = MlflowException(f"{failed} (Caused by NewConnectionError('Connection refused'))")
    for error, remedy in ((handing, "its log says why"), (away, "see that it runs")):
        with pytest.raises(StoreError, match=remedy):
            PatientClient(0).persist(failing(error, clock))
