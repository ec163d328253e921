"""The script for a machine with a GPU and little else, with stand-ins for `python` and for the study."""

import os
import subprocess
import tarfile
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent / "studies" / "on_a_gpu.sh"
PYTHON = """#!/bin/sh
echo "$@ $MLFLOW_TRACKING_URI" >> asked
[ "$1" != -c ] || exit "$LACKS_MLFLOW"
"""

# The time is over as soon as the study has begun, however slowly: it says so by a file.
TIMEOUT = """#!/bin/bash
echo "$1 $2" > limit
shift 2
set -m
"$@" &
until [ -e begun ]; do sleep 0.05; done
kill -TERM -- "-$!"
wait "$!"
exit 124
"""


@pytest.fixture
def machine(tmp_path):
    """Return what runs a study of some lines on a machine, whose checkout is a folder with the script."""
    checkout = tmp_path / "checkout"
    (checkout / "studies").mkdir(parents=True)
    (checkout / "studies" / SCRIPT.name).write_bytes(SCRIPT.read_bytes())
    python = tmp_path / "python"
    python.write_text(PYTHON)
    python.chmod(0o755)

    def run(study: str, **variables: str) -> int:
        (checkout / "study.sh").write_text(study)
        given = {"PYTHON": str(python), "STORE": str(tmp_path / "store.tar"), "LACKS_MLFLOW": "0", **variables}
        environment = {name: value for name, value in os.environ.items() if not name.startswith("LTH_")}
        ended = subprocess.run(
            ["bash", checkout / "studies" / SCRIPT.name, "study.sh"],
            env={**environment, **given},
            check=False,
            capture_output=True,
        )
        return ended.returncode

    return checkout, run


WRITES = 'mkdir -p "$LTH_EVIDENCE/mine"; echo done >> "$LTH_EVIDENCE/mine/mlflow.db"; '


def packed(folder: Path) -> str:
    with tarfile.open(folder / "store.tar") as archive:
        content = archive.extractfile("./mine/mlflow.db")
        assert content is not None
        return content.read().decode()


@pytest.mark.parametrize("status", [0, 1, 130])
def test_what_was_done_is_packed_however_the_study_ends(machine, tmp_path, status):
    _, run = machine
    assert run(f"{WRITES} exit {status}") == status
    assert packed(tmp_path) == "done\n"


def test_a_study_is_ended_a_minute_before_the_time_is_over_and_packed_when_it_has_kept_all(machine, tmp_path):
    checkout, run = machine
    timeout = tmp_path / "bin" / "timeout"
    timeout.parent.mkdir()
    timeout.write_text(TIMEOUT)
    timeout.chmod(0o755)
    ending = f"trap 'sleep 0.3; {WRITES} exit 130' TERM"
    (checkout / "command").write_text(f"{ending}; touch begun; while :; do sleep 0.05; done")
    path = f"{timeout.parent}:{os.environ['PATH']}"
    assert run("set -e; bash command; exit 0", MINUTES="9", PATH=path) == 124
    assert (checkout / "limit").read_text() == "--kill-after=45 480\n", "seconds: a minute less than the nine"
    assert packed(tmp_path) == "done\n"


def test_the_next_call_goes_on_from_the_store_on_another_machine(machine, tmp_path):
    checkout, run = machine
    run(WRITES)
    (checkout / "store").rename(tmp_path / "elsewhere")
    (checkout / "asked").unlink()
    assert run(WRITES) == 0
    assert packed(tmp_path) == "done\ndone\n"
    relocated = f"-m entrypoints.relocate sqlite:///{checkout}/store/mine/mlflow.db"
    assert relocated in (checkout / "asked").read_text().splitlines()


@pytest.mark.parametrize(("lacks", "installed"), [("0", False), ("1", True)])
def test_wheels_are_installed_where_mlflow_is_not(machine, lacks, installed):
    checkout, run = machine
    assert run("exit 0", LACKS_MLFLOW=lacks, WHEELS="carried", LTH_EVIDENCE=str(checkout)) == 0
    asked = (checkout / "asked").read_text()
    assert ("pip install --quiet --no-index --find-links carried --target .wheels" in asked) == installed
