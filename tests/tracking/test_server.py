"""A tracking server that is too old is refused at the start, with both versions; any other is asked no more."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from mlflow import __version__ as own_version

from lth.errors import InputError
from lth.tracking.server import check_server
from lth.tracking.store import Store


@contextmanager
def answering(status: int, text: str) -> Iterator[str]:
    """Serve one answer to everything, and give the address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("version", ["2.22.0", "2.9.1", "1.30.1", "2.22.1\n", "2.22.2.dev0"])
def test_a_server_that_is_too_old_is_refused_with_both_versions(version):
    with answering(200, version) as uri, pytest.raises(InputError) as refused:
        check_server(uri)
    said = str(refused.value)
    assert f"{uri} runs MLflow {version.strip()}," in said
    assert own_version in said
    assert "\n" not in said


@pytest.mark.parametrize("version", ["3.0.0", "3.1.4", own_version, "4.0.0.dev0"])
def test_a_server_that_is_new_enough_is_taken(version):
    with answering(200, version) as uri:
        check_server(f"{uri}/")


@pytest.mark.parametrize(
    ("status", "text"), [(404, "not found"), (401, "who are you"), (200, "<html>gateway</html>"), (200, "")]
)
def test_a_server_that_says_no_version_is_taken_as_it_is(status, text):
    with answering(status, text) as uri:
        check_server(uri)


@pytest.mark.parametrize("uri", ["sqlite:////tmp/mlflow.db", "databricks", "http://127.0.0.1:1"])
def test_other_stores_and_servers_that_do_not_answer_are_not_judged(uri):
    check_server(uri)


def test_a_store_on_a_server_that_is_too_old_is_not_opened(monkeypatch):
    with answering(200, "2.22.0") as uri:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        with pytest.raises(InputError, match=r"runs MLflow 2\.22\.0"):
            Store()
