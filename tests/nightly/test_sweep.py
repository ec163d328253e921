"""A sweep that is killed and interrupted, and asked for again: one table, the one that none stopped has."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from conftest import use_fresh_store
from tiny_problem import PARAMETERS

from lth.command import sweep
from lth.tracking.store import Store

ROOT = Path(__file__).parent.parent.parent
OPTIONS = [
    *(f"--{name}={value}" for name, value in {**PARAMETERS, "levels": "1"}.items()),
    "--lr=0.05,0.1",
    "--seeds=0",
    "--workers=1",
    "--keep_every=0",
]
STEPS = {signal.SIGKILL: 12, signal.SIGTERM: 20, signal.SIGINT: 70}  # of a setting's 73 or so, and beyond

pytestmark = [pytest.mark.nightly, pytest.mark.usefixtures("without_models")]


def finish() -> Result:
    result = CliRunner().invoke(sweep.main, OPTIONS)
    assert result.exit_code == 0, result.output
    return result


def outcome() -> tuple[str, set[str]]:
    """Return the comparing table of the only sweep, and its files."""
    (run,) = Store().search("tags.kind = 'sweep'")
    path = Store().local_file(run.info.run_id, "comparison.csv")
    assert path is not None
    return path.read_text(), set(Store().files(run.info.run_id, ""))


def test_a_sweep_killed_and_interrupted_ends_in_the_table_that_none_stopped_has(
    tmp_path, monkeypatch, empty_database
):
    stores = [tmp_path / "undisturbed", tmp_path / "stopped"]
    for store in stores:
        store.mkdir()
    use_fresh_store(monkeypatch, stores[0], empty_database)
    finish()
    undisturbed = outcome()
    use_fresh_store(monkeypatch, stores[1], empty_database)
    for number, steps in STEPS.items():
        command = [sys.executable, ROOT / "tests" / "ends_itself.py", str(number.value), str(steps), "sweep"]
        process = subprocess.run(
            [*command, *OPTIONS],
            env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert process.returncode == (-number if number == signal.SIGKILL else 130), process.stdout
        assert "Traceback" not in process.stdout
        assert Store().search("tags.kind = 'sweep'") == []
    said = finish().output
    assert "found in run" in said
    assert outcome() == undisturbed
    assert not Store().search("attributes.status = 'RUNNING'")
    assert "settings: found in run" in finish().output
