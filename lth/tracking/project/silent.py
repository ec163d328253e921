"""Runs that `mlflow run` made for a command of ours which was killed before it said a word.

`mlflow run` makes the run, prepares the environment, and starts the command, which marks the run as its own
within seconds. One killed in between leaves a run that is RUNNING for ever, of no process that could be looked
up. So a run is taken for such a one only by what a living command can't look like: hours old, without any sign
of life, and of a checkout of lth, whose commands all give one.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import unquote, urlsplit

from mlflow.entities import Run

from lth.setting.door import is_checkout
from lth.tracking.process import names_process

_ENTRY_POINT = "mlflow.project.entryPoint"  # on every run that `mlflow run` made
_SOURCE = "mlflow.source.name"  # where its project is
_SILENCE = timedelta(hours=6)  # an environment with torch is made in minutes, at worst in an hour or two


def never_started(run: Run) -> str | None:
    """Return why no command can be at a RUNNING run that `mlflow run` made; None if one may be."""
    tags, age = run.data.tags, _age(run)
    if _ENTRY_POINT not in tags or names_process(tags) or run.data.metrics or age <= _SILENCE:
        return None
    if not is_checkout(directory_of(tags.get(_SOURCE, ""))):
        return None  # of another project, or on another machine
    hours = age / timedelta(hours=1)
    return f"{tags[_ENTRY_POINT]} was launched {hours:.0f} hours ago and gave no sign of life since"


def _age(run: Run) -> timedelta:
    return datetime.now(UTC) - datetime.fromtimestamp(run.info.start_time / 1000, UTC)


def directory_of(source: str) -> Path:
    """Return where a project is: MLflow writes a path, or `file://`, a git repository, `#` and a path in it."""
    parts = urlsplit(source)
    if parts.scheme == "file":
        return Path(unquote(parts.path)) / parts.fragment.lstrip("/")
    return Path(source)
