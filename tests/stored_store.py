"""The tracking store that an earlier version wrote (`tests/stored/README.md`), unpacked."""

from __future__ import annotations

import sqlite3
import zipfile
from pathlib import Path

WRITTEN_IN = "/tmp/store1"
STORE_OF_VERSION_1 = Path(__file__).parent / "stored" / "store_of_version_1.zip"


def unpack(folder: Path) -> Path:
    """Unpack the store into a folder, and return it."""
    with zipfile.ZipFile(STORE_OF_VERSION_1) as archive:
        archive.extractall(folder)
    return folder


def measurements(store: Path) -> dict[str, bytes]:
    """Return what each finished measurement of the store's study of seed 0 stored, by the job's name."""
    with sqlite3.connect(store / "mlflow.db") as database:
        runs = database.execute(
            "SELECT runs.run_uuid, runs.name FROM runs "
            "JOIN tags AS kind ON kind.run_uuid = runs.run_uuid "
            "AND kind.key = 'kind' AND kind.value = 'measurement' WHERE runs.status = 'FINISHED'"
        ).fetchall()
    return {
        name: (store / "artifacts" / run / "artifacts" / "measurement.npz").read_bytes() for run, name in runs
    }
