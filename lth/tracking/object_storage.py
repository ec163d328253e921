"""What the libraries of object stores raise (S3, Azure, Google), in words and as what can be done about it.

A client meets them where the artifacts of an experiment lie there directly: with a server that hands artifacts
on, the server meets them. None of the libraries is needed by lth, so they are told by their names.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_LIBRARIES = ("azure", "boto3", "botocore", "google", "s3transfer")
_PACKAGES = {"boto3": "boto3", "azure": "azure-storage-blob", "google": "google-cloud-storage"}
_CODE = re.compile(r"An error occurred \((\w+)\)")  # as botocore and boto3 say it
_NO_CREDENTIALS = re.compile("Credential|Profile|ClientAuthentication|Refresh|Token")  # in names of errors
_UNREACHED = re.compile("Connect|Timeout|Transport|ServiceRe|HTTPClient|Retry|SSLError|ResponseStreaming")
_UNKNOWN = ("InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "401")
_FORBIDDEN = ("AccessDenied", "AllAccessDisabled", "AccountProblem", "403")
_MISSING = ("404", "NoSuchKey", "NotFound")
_PASSES = ("SlowDown", "InternalError", "ServiceUnavailable", "RequestTimeout", "Throttling", "429")
_NO_BUCKET = re.compile("NoSuchBucket|bucket does not exist|ContainerNotFound|container does not exist")
_NO_ACCESS = re.compile("Access ?Denied")
_LET = "let these credentials read and write there"


@dataclass(frozen=True)
class StorageTrouble:
    """Why artifacts can't be reached in an object store.

    Args:
        remedy: What a user can do.
        passes: Whether it may be over after a while.
    """

    remedy: str
    passes: bool


def storage_trouble(error: Exception) -> StorageTrouble | None:
    """Return what is wrong with the object store; None if it answered that something is not there, or is none.

    >>> class NoCredentialsError(Exception):
    ...     __module__ = "botocore.exceptions"
    >>> storage_trouble(NoCredentialsError("Unable to locate credentials")).passes
    False
    >>> storage_trouble(ValueError("of something else")) is None
    True
    """
    text = str(error)
    if isinstance(error, ModuleNotFoundError) and (error.name or "").split(".")[0] in _PACKAGES:
        package = _PACKAGES[str(error.name).split(".")[0]]
        return StorageTrouble(f"install it where this command runs: pip install {package}", passes=False)
    if _NO_BUCKET.search(text):
        return StorageTrouble("make the bucket, or correct the artifact root of the server", passes=False)
    if not _is_of_library(error):
        denied = _NO_ACCESS.search(text) is not None
        return StorageTrouble(_LET, passes=False) if denied else None
    code, name = _code(error), type(error).__name__
    if code in _MISSING:
        return None
    if code in _UNKNOWN or (not code and _NO_CREDENTIALS.search(name)):
        said = "give this process its credentials, such as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        return StorageTrouble(said, passes=False)
    if code == "RequestTimeTooSkewed":
        return StorageTrouble("set the clock of this machine", passes=False)
    if code in _FORBIDDEN:
        return StorageTrouble(_LET, passes=False)
    if code in _PASSES or code.startswith("5") or (not code and _UNREACHED.search(name)):
        return StorageTrouble("see that it is there and, on S3, MLFLOW_S3_ENDPOINT_URL names it", passes=True)
    return StorageTrouble("see what it says of the artifact root of the experiment", passes=False)


def is_not_there(error: Exception) -> bool:
    """Say whether an object store answered that it has nothing of this name."""
    return _is_of_library(error) and _code(error) in _MISSING


def _is_of_library(error: Exception) -> bool:
    return any(kind.__module__.split(".")[0] in _LIBRARIES for kind in type(error).__mro__)


def _code(error: Exception) -> str:
    """Return the code that an object store answered with, in words or as an HTTP status; empty if none."""
    if said := _CODE.search(str(error)):
        return said[1]
    status = getattr(error, "status_code", None) or getattr(error, "code", None)
    return str(getattr(status, "value", status)) if isinstance(status, int) else ""
