"""`stability` as users type it: what it asks for, and what it refuses before anything is done."""

import pytest
from click.testing import CliRunner, Result
from tiny_problem import OPTIONS

from lth.command import stability
from lth.tracking.store import KEY, Store

pytestmark = pytest.mark.usefixtures("tracking")


def call(*arguments: str) -> Result:
    given = [option for option in OPTIONS if not option.startswith("--levels")]
    return CliRunner().invoke(stability.main, [*arguments, *given])


def test_levels_are_those_whose_masks_copies_have_and_a_plan_does_nothing():
    told = call("--plan", "--levels", "0,2", "--steps", "0,2", "--seeds", "0,1")
    assert told.exit_code == 0, told.output
    rows = {line[:18].strip(): line[18:].split()[1] for line in told.output.splitlines() if "  " in line}
    assert (rows["dense trainings"], rows["other trainings"]) == ("2", "2")  # of level 0 and 1, a seed each
    assert (rows["dense states"], rows["copies"], rows["lines"]) == ("2", "16", "8")
    assert Store().search(f"tags.`{KEY}` LIKE '%'") == []


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["--levels", "1,a"], "levels='1,a' are not levels; write whole numbers from 0"),
        (["--levels", "99"], "prunes none of the"),
        (["--steps", "0,5%,100ep"], "100ep is step 300, but training ends at step 9"),
        (["--steps", "later"], "steps='later': 'later' is not a step"),
        (["--copies", "1"], "copies='1' is out of range; expected a whole number from 2 to 16"),
        (["--fresh"], "fresh=true would train everything again"),
        (["--seeds", "0,0"], "names seed 0 twice; give each once"),
        (["--from_run", "0"], "from_run has no meaning here"),
        (["--step", "3"], "--steps"),
    ],
)
def test_what_cannot_be_probed_is_refused_in_one_line_before_anything_is_trained(given, expected):
    told = call(*given, "--plan")
    assert told.exit_code != 0
    assert expected in " ".join(told.output.split())
    assert "Traceback" not in told.output
    assert Store().search(f"tags.`{KEY}` LIKE '%'") == []
