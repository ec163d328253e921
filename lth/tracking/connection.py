"""MLflow's plugin point for what is sent along with a request: a connection of its own for each.

A server of several uvicorn workers, as `mlflow server` is by default, sends the head of an answer and its body
apart on sockets without TCP_NODELAY (uvicorn #3149). On a connection that is kept, the body then waits for the
client to acknowledge the head, which it does after 40 ms. On a new one it does so at once, and that is made in
a round trip; under TLS in several, but there a proxy stands before the server, which does not stall.

MLflow loads this module while it is itself being imported, so nothing but the abstract class may be imported
at the top.
"""

from __future__ import annotations

from typing import ClassVar

from mlflow.tracking.request_header.abstract_request_header_provider import RequestHeaderProvider


class ConnectionProvider(RequestHeaderProvider):  # type: ignore[misc]
    """Closes a connection after its answer, in a process that has opened a store of lth's on an http server."""

    is_wanted: ClassVar[bool] = False

    def in_context(self) -> bool:
        """Return whether this process tracks studies on a server without TLS."""
        from mlflow import get_tracking_uri

        return ConnectionProvider.is_wanted and get_tracking_uri().startswith("http://")

    def request_headers(self) -> dict[str, str]:
        """Return the header."""
        return {"Connection": "close"}
