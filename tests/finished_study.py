"""One whole study of the tiny problem, run once by the commands a user types, to copy."""

from __future__ import annotations

import fcntl
import json
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from click.testing import CliRunner
from tiny_problem import OPTIONS

# Where a store names its artifacts by their address.
_ADDRESSES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
)


@dataclass(frozen=True)
class FinishedStudy:
    """A store with a finished study of two levels and its report."""

    folder: Path
    begun: str  # the study's run, as training one level by itself made it
    said: str  # by the command that completed it

    def copy(self, folder: Path) -> None:
        """Put a copy of the store into `folder`."""
        copy_store(self.folder, folder)


def copy_store(source: Path, target: Path) -> None:
    """Copy a store of `mlflow.db` and artifacts, and let it name the copied ones."""
    shutil.copytree(source, target, dirs_exist_ok=True)
    with sqlite3.connect(target / "mlflow.db") as database:
        for table, column in _ADDRESSES:
            database.execute(
                f"UPDATE {table} SET {column} = replace({column}, ?, ?)", (str(source), str(target))
            )
    database.close()


def run_study(folder: Path) -> FinishedStudy:
    """Train one level and then complete the study, in the present store, which lies in `folder`."""
    from lth.command import imp_level, study
    from lth.tracking.store import Store

    first = CliRunner().invoke(imp_level.main, ["--level=1", *OPTIONS])
    assert first.exit_code == 0, first.output
    (begun,) = Store().search("tags.kind = 'study'")
    completed = CliRunner().invoke(study.main, OPTIONS)
    assert completed.exit_code == 0, completed.output
    return FinishedStudy(folder, begun.info.run_id, completed.output)


def run_once(folder: Path, make: Callable[[Path], FinishedStudy]) -> FinishedStudy:
    """Let the first process of pytest-xdist that asks make the study in `folder`; others wait for it."""
    folder.mkdir(exist_ok=True)
    done = folder / "done.json"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # ends with the process that holds it
        if done.exists():
            return FinishedStudy(folder / "store", **json.loads(done.read_text()))
        shutil.rmtree(folder / "store", ignore_errors=True)
        (folder / "store").mkdir()
        study = make(folder / "store")
        done.write_text(json.dumps({"begun": study.begun, "said": study.said}))
        return study
