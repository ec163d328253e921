"""The page that sets lth beside other programs shows every ✓ of lth by something that there is."""

import re
from pathlib import Path

import pytest

from lth.command.line import COMMANDS

ROOT = Path(__file__).parent.parent
ROWS = re.findall(r"^\| (.*) \|$", (ROOT / "docs" / "peers.md").read_text(), re.MULTILINE)[2:]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.partition(" |")[0])
def test_what_lth_does_is_shown_by_a_command_a_script_or_a_test(row):
    *_, ours, shown = (cell.strip() for cell in row.split("|"))
    named = re.findall(r"`([^`]+)`", shown)
    assert bool(named) == (ours != "–")
    for name in named:
        file, _, test = name.partition("::")
        if name.startswith("lth "):
            assert name.split()[1] in COMMANDS
        else:
            assert f"def {test}(" in (ROOT / file).read_text() or not test
