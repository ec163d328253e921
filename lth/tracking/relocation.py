"""A store that was moved or copied: MLflow writes down where artifacts are, as absolute paths.

Where they are now is found by looking: the folder of an experiment is one that ends as the old one did and
holds folders of its runs.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from mlflow import get_tracking_uri

from lth.errors import InputError
from lth.tracking.address import database_of, local_folder, opening, store_name

# Where MLflow writes down the place of artifacts: table, its key, column.
_ADDRESSES = (
    ("experiments", "experiment_id", "artifact_location"),
    ("runs", "run_uuid", "artifact_uri"),
    ("logged_models", "model_id", "artifact_location"),
)


@dataclass(frozen=True)
class Relocation:
    """What a store says of where its artifacts are, and what it should say.

    Args:
        folders: Of each experiment that was moved, from where to where.
        changes: New values of each address, by table and key.
        missing: Runs whose files are in neither place.
        backup: The store as it was, if it was changed.
    """

    folders: Mapping[Path, Path]
    changes: Mapping[tuple[str, str], str]
    missing: int
    backup: Path | None = None


def relocate(folder: Path | None = None, *, dry_run: bool = False) -> Relocation:
    """Let an SQLite store name its artifacts where they are now: all that changes at once, after a backup.

    Args:
        folder: Where they are; by default, the folder of the store and those in it.
        dry_run: Look, and change nothing.

    Raises:
        InputError: If there is no such store, or its artifacts are not there.
    """
    database = database_of(get_tracking_uri())
    if database is None or not database.is_file():
        raise InputError(
            f"{store_name()} is no SQLite store that is there; set MLFLOW_TRACKING_URI to "
            "sqlite:////path/to/mlflow.db of the store that was moved"
        )
    root = database.parent if folder is None else folder.absolute()
    if not root.is_dir():
        raise InputError(f"folder={str(folder)!r} is no folder; name the one that the artifacts are in")
    with opening(get_tracking_uri()), closing(sqlite3.connect(database)) as store:
        found = _look(store, root)
        if dry_run or not found.changes:
            return found
        backup = _backup(store, database)
        with store:
            for table, key, column in _ADDRESSES:
                new = [(value, row) for (of, row), value in found.changes.items() if of == table]
                store.executemany(f"UPDATE {table} SET {column} = ? WHERE {key} = ?", new)  # noqa: S608
        return Relocation(found.folders, found.changes, found.missing, backup)


def moved_to(location: str, root: Path) -> Path | None:
    """Return where in a folder an artifact location lies that is not where it says; None if it does not."""
    said = local_folder(location)
    if said is None:
        return None
    found = (path for path in _endings(said, root) if path not in (root, said) and path.is_dir())
    return next(found, None)


def _look(store: sqlite3.Connection, root: Path) -> Relocation:
    folders: dict[Path, Path] = {}
    for number, location in store.execute("SELECT experiment_id, artifact_location FROM experiments"):
        said = local_folder(location or "")
        runs = {run for (run,) in store.execute("SELECT run_uuid FROM runs WHERE experiment_id = ?", (number,))}
        if said is not None and (now := _holding(runs, said, root)) not in (None, said):
            folders[said] = now
    changes: dict[tuple[str, str], str] = {}
    missing = 0
    for table, key, column in _ADDRESSES:
        for row, location in store.execute(f"SELECT {key}, {column} FROM {table}").fetchall():  # noqa: S608
            said = local_folder(location or "")
            if said is None:
                continue
            now = _now(said, folders)
            missing += table == "runs" and not said.exists() and not (now is not None and now.exists())
            if now is not None and (now.exists() or not said.exists()):
                changes[table, str(row)] = now.as_uri() if location.startswith("file:") else str(now)
    return Relocation(folders, changes, missing)


def _holding(runs: set[str], said: Path, root: Path) -> Path | None:
    """Return the folder at or below `root` that ends as an experiment's does and holds one of its runs."""
    for path in _endings(said, root):
        if path.is_dir() and any(entry.name in runs for entry in path.iterdir()):
            return path
    return None


def _endings(said: Path, root: Path) -> Iterator[Path]:
    """Yield the folder, and what would be in it if ever more of the path lay there."""
    parts = said.parts[1:]
    yield from (root.joinpath(*parts[len(parts) - count :]) for count in range(len(parts) + 1))


def _now(said: Path, folders: Mapping[Path, Path]) -> Path | None:
    for before, after in folders.items():
        if said.is_relative_to(before):
            return after / said.relative_to(before)
    return None


def _backup(store: sqlite3.Connection, database: Path) -> Path:
    taken = [database.with_name(f"{database.name}.before-relocation-{number}") for number in range(1, 1000)]
    backup = next(path for path in taken if not path.exists())
    with closing(sqlite3.connect(backup)) as copy:
        store.backup(copy)
    return backup
