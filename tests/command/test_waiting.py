import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.parametrize(("given", "expected"), [(None, "passive"), ("active", "active")])
def test_a_command_lets_waiting_threads_leave_their_core_before_torch_is_loaded(given, expected):
    """OpenMP reads it when torch is loaded, and never again; what the user says stays."""
    program = (
        "import os, sys; from lth.command.options import _given; _given({});"
        "print(os.environ['OMP_WAIT_POLICY'], 'torch' in sys.modules)"
    )
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    if given is not None:
        environment["OMP_WAIT_POLICY"] = given
    python = [sys.executable, "-c", program]
    done = subprocess.run(python, cwd=ROOT, env=environment, check=True, capture_output=True, text=True)
    assert done.stdout.split() == [expected, "False"]
