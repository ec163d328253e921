"""A tracking server in this process, as `mlflow server` has it but without its start, that counts requests."""

from __future__ import annotations

import re
import threading
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from mlflow.tracking._tracking_service import utils as service
from werkzeug.serving import WSGIRequestHandler, make_server

_ID = re.compile(r"m-[0-9a-f]{32}|[0-9a-f]{32}")


class _Silent(WSGIRequestHandler):
    def log(self, *_what: Any) -> None:
        """Say nothing."""


class CountedServer:
    """Requests to a server by method and path, since the last `reset`."""

    def __init__(self, answer: Callable[..., Iterable[bytes]]) -> None:
        self._answer = answer
        self.counts: Counter[str] = Counter()

    def __call__(self, request: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        """Answer a request."""
        self.counts[f"{request['REQUEST_METHOD']} {_ID.sub('*', request['PATH_INFO'])}"] += 1
        return self._answer(request, start)

    @property
    def total(self) -> int:
        """How many there were."""
        return self.counts.total()

    @property
    def files(self) -> int:
        """How many of them were for a file each: artifacts go and come by themselves."""
        return sum(count for request, count in self.counts.items() if "/mlflow-artifacts/" in request)

    @property
    def calls(self) -> int:
        """How many were not, and so may carry much at once."""
        return self.total - self.files

    def reset(self) -> None:
        """Begin anew."""
        self.counts.clear()


@contextmanager
def counted_server(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CountedServer]:
    """Serve the store `mlflow.db` in a folder, and let it be the one that is tracked on."""
    monkeypatch.setenv("_MLFLOW_SERVER_FILE_STORE", f"sqlite:///{folder}/mlflow.db")
    monkeypatch.setenv("_MLFLOW_SERVER_REGISTRY_STORE", f"sqlite:///{folder}/mlflow.db")
    monkeypatch.setenv("_MLFLOW_SERVER_ARTIFACT_ROOT", "mlflow-artifacts:/")
    monkeypatch.setenv("_MLFLOW_SERVER_ARTIFACT_DESTINATION", str(folder / "artifacts"))
    monkeypatch.setenv("_MLFLOW_SERVER_SERVE_ARTIFACTS", "true")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own imports, some at the first request
        from mlflow.server import app, fastapi_app, handlers  # noqa: F401
    for cached in ("_tracking_store", "_model_registry_store", "_artifact_repo"):
        monkeypatch.setattr(handlers, cached, None, raising=False)
    monkeypatch.setattr(service, "_tracking_uri", None)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    handlers._get_tracking_store()  # which takes its store for that of the whole process
    service._tracking_uri = None
    counted = CountedServer(app.wsgi_app)
    server = make_server("127.0.0.1", 0, counted, threaded=True, request_handler=_Silent)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    try:
        yield counted
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
