"""Counts what reaches the tracking store and its artifacts: over HTTP each would be a request."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

_ARTIFACTS = ("log_artifact", "log_artifacts", "list_artifacts", "_download_file", "delete_artifacts")


class StoreCalls:
    """Calls of an SQLite store and of local artifacts, by method; one that another makes does not count."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.counts: Counter[str] = Counter()
        self._depth = 0
        methods = [name for name, value in vars(SqlAlchemyStore).items() if callable(value) and name[0] != "_"]
        methods.remove("sanitize_metric_value")
        methods.append("search_runs")  # which it inherits
        for owner, names in ((SqlAlchemyStore, methods), (LocalArtifactRepository, _ARTIFACTS)):
            for name in names:
                monkeypatch.setattr(owner, name, self._counted(name, getattr(owner, name)))

    @property
    def total(self) -> int:
        """How many there were since the last `reset`."""
        return self.counts.total()

    def reset(self) -> None:
        """Begin anew."""
        self.counts.clear()

    def _counted(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(method)
        def call(*arguments: Any, **named: Any) -> Any:
            self.counts[name] += self._depth == 0
            self._depth += 1
            try:
                return method(*arguments, **named)
            finally:
                self._depth -= 1

        return call
