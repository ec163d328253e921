"""The address of a tracking store; a file of this machine behind it is made by one process at a time.

MLflow makes the tables of a new SQLite store, and those that a store of before lacks, by steps that two
processes must not take at once: one of them dies, or both do and leave a store that can't be opened any more.
So whoever opens such a store holds a lock beside it meanwhile; and a new one is made under another name, so
that one whose making was interrupted is none.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from filelock import FileLock
from mlflow import MlflowClient, get_tracking_uri, set_tracking_uri
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from lth.errors import InputError
from lth.tracking.client import without_password

_ARTIFACTS = "mlruns"  # as MLflow calls the folder


def store_name() -> str:
    """Return the address of the tracking store that MLflow is configured for, for a person."""
    return without_password(get_tracking_uri())


def use_store(uri: str) -> None:
    """Let this process use the tracking store at an address."""
    set_tracking_uri(uri)


def check_address(uri: str) -> None:
    """Check what can be known of the address of a store without asking it.

    Raises:
        InputError: If it is blank, or of a database in memory, which would keep nothing.
    """
    if not uri.strip():
        raise InputError(
            f"MLFLOW_TRACKING_URI={uri!r} is blank; unset it, or write sqlite:////path/to/mlflow.db"
        )
    if uri.startswith("sqlite") and database_of(uri) is None:
        raise InputError(
            f"MLFLOW_TRACKING_URI={without_password(uri)!r} names no file, and what it got would be lost; "
            "write sqlite:////path/to/mlflow.db"
        )


def check_sound() -> None:
    """Check an SQLite store by its own means; of any other, its server keeps the database sound.

    Raises:
        InputError: If it is damaged.
    """
    database = database_of(get_tracking_uri())
    if database is None or is_missing(get_tracking_uri()):
        return
    try:
        with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as store:
            found = [str(row[0]) for row in store.execute("PRAGMA integrity_check(3)")]
    except sqlite3.DatabaseError as error:
        found = [str(error)]
    if found != ["ok"]:
        raise InputError(
            f"{store_name()} is damaged ({'; '.join(found)}); take a copy of it from before, or save what can "
            f"be read: sqlite3 {database} .recover"
        )


def database_of(uri: str) -> Path | None:
    """Return the file of an SQLite store; None for any other."""
    try:
        url = make_url(uri)
    except (ArgumentError, ValueError):
        return None
    if url.get_backend_name() != "sqlite" or url.host or url.database in (None, "", ":memory:"):
        return None
    return Path(str(url.database)).absolute()


def is_missing(uri: str) -> bool:
    """Say whether there is no store at an address yet; False where that can't be known without asking."""
    database = database_of(uri)
    return database is not None and not (database.is_file() and database.stat().st_size)


@contextmanager
def opening(uri: str) -> Iterator[None]:
    """Keep other processes of lth from opening a local store while the block lasts; a missing one is made.

    In a folder that can't be written there is nothing to make, and so no lock.
    """
    database, folder = database_of(uri), local_folder(uri)
    if database is None and (folder is None or not folder.is_dir()):
        yield
        return
    beside = folder / ".lth" if database is None and folder is not None else database
    lock = FileLock(f"{beside}.lock")
    with suppress(OSError):
        lock.acquire()
    try:
        if database is not None and is_missing(uri) and database.parent.is_dir():
            _make(database)
        yield
    finally:
        lock.release()


def _make(database: Path) -> None:
    new = database.with_name(f"{database.name}.new")
    new.unlink(missing_ok=True)  # of a process that was killed
    MlflowClient(tracking_uri=f"sqlite:///{new}").search_experiments(max_results=1)
    new.replace(database)


def artifacts_beside(uri: str, experiment: str) -> str | None:
    """Return where a new experiment's artifacts belong; None where MLflow's own choice is as good.

    MLflow puts those of an SQLite store into the working directory, wherever the store is.
    """
    database = database_of(uri)
    if database is None or database.parent == Path.cwd():
        return None
    return str(database.parent / _ARTIFACTS / quote(experiment, safe=" "))


def local_folder(location: str) -> Path | None:
    """Return the folder of an artifact location; None if it is not one of this machine."""
    parts = urlsplit(location)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    return Path(location) if location.startswith("/") else None
