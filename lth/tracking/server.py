"""Whether a tracking server knows all that is asked of it; one that is too old is refused before any work.

Logged models, which every training ends with, came with MLflow 3. A server of before answers a search for them
with 404, after hours of training, and again each time that is repeated.
"""

from __future__ import annotations

import re

from mlflow import __version__ as own_version
from mlflow.exceptions import MlflowException
from mlflow.utils.credentials import get_default_host_creds
from mlflow.utils.rest_utils import http_request

from lth.errors import InputError
from lth.tracking.client import without_password

OLDEST_SERVER = 3  # its first number
_SECONDS = 10


def check_server(uri: str) -> None:
    """Check the version of the tracking server at an address; of other stores nothing is asked.

    A server that does not say its version, as one behind a gateway may not, is taken as it is; one that does
    not answer is waited for by whoever asks it next.

    Raises:
        InputError: If it is too old.
    """
    if not uri.startswith(("http://", "https://")):
        return
    version = _version(uri)
    number = re.match(r"(\d+)\.\d", version)
    if number is not None and int(number[1]) < OLDEST_SERVER:
        raise InputError(
            f"the tracking server {without_password(uri)} runs MLflow {version}, which has no logged models; "
            f"let it run MLflow {OLDEST_SERVER}.0 or later (here is {own_version}), or set MLFLOW_TRACKING_URI "
            "to another store"
        )


def _version(uri: str) -> str:
    """Return what a server answers to the question for its version; nothing if it does not answer."""
    credentials = get_default_host_creds(uri.rstrip("/"))
    try:
        answer = http_request(
            credentials, "/version", "GET", timeout=_SECONDS, max_retries=0, raise_on_status=False
        )
        return str(answer.text).strip() if answer.status_code == 200 else ""
    except (MlflowException, OSError):
        return ""
