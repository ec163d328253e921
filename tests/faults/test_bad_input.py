"""Whatever a user gets wrong is said in one line that names the value and the remedy, before any work."""

import importlib
import re
from pathlib import Path

import pytest
from bad_input import EARLY, LATE, BadInput, table
from click.testing import CliRunner, Result
from tiny_problem import OPTIONS

from lth.command import analyze, imp_level
from lth.tracking.store import Store

pytestmark = pytest.mark.usefixtures("without_models", "with_two_blank_figures")
DOCS = Path(__file__).parent.parent.parent / "docs" / "faults.md"


def call(case: BadInput, folder: Path) -> Result:
    """Run the command with the tiny problem's parameters; the wrong one comes last, so that it wins."""
    folder.mkdir()
    command = importlib.import_module(f"lth.command.{case.command}")
    return CliRunner().invoke(command.main, [*OPTIONS, *case.line(folder)])


def check_line(result: Result, case: BadInput) -> None:
    assert isinstance(result.exception, SystemExit), "a traceback is no message"
    (line,) = [line for line in result.output.splitlines() if line.startswith("Error: ")]
    assert case.said in line, result.output


@pytest.mark.parametrize("case", EARLY, ids=str)
def test_a_wrong_input_is_named_in_one_line_before_any_run_exists(experiment, tmp_path, case):
    result = call(case, tmp_path / "data")
    check_line(result, case)
    assert result.exit_code == 2, result.output
    assert Store().search("") == []


@pytest.mark.parametrize("case", LATE, ids=str)
def test_what_does_not_fit_the_level_is_named_in_one_line_and_nothing_is_trained(experiment, tmp_path, case):
    result = call(case, tmp_path / "data")
    check_line(result, case)
    assert result.exit_code == 1, result.output
    assert Store().search("tags.kind = 'imp'") == []
    assert Store().search("attributes.status = 'RUNNING'") == []


def test_the_documentation_shows_every_wrong_input():
    assert table() in DOCS.read_text(), "run `python tests/bad_input.py` and put its table there"


def test_every_test_that_the_documentation_names_exists():
    named = set(re.findall(r"`(test_\w+)`", DOCS.read_text()))
    written = {
        name
        for path in DOCS.parent.parent.joinpath("tests").rglob("test_*.py")
        for name in re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE)
    }
    assert len(named) > 20
    assert named <= written


@pytest.mark.parametrize("network", ["shared_weights", "lazy_layers", "without_batchnorm", "with_dropout"])
def test_odd_networks_that_can_be_trained_pruned_and_measured_are(experiment, network):
    options = [*OPTIONS, f"--network=odd_problem:{network}"]
    assert CliRunner().invoke(imp_level.main, ["--level=1", *options]).exit_code == 0
    result = CliRunner().invoke(analyze.main, ["--level=1", *options])
    assert result.exit_code == 0, result.output
    (level,) = Store().search("tags.kind = 'imp' AND tags.level = '1'")
    assert level.data.metrics["density"] == pytest.approx(0.8, abs=0.01)
