"""Nothing lth starts listens to other machines, and what runs code is documented.

That nothing it reads is executed is a rule of ruff (pyproject.toml), and shown by `test_bad_checkpoint`. That
what users can name is escaped is shown by `test_report` and `test_interactive_surface`.
"""

import re
from pathlib import Path

from lth.setting.parameter import BY_NAME

ROOT = Path(__file__).parent.parent.parent


def test_every_server_that_make_starts_listens_to_this_machine_alone():
    started = [
        line for line in (ROOT / "Makefile").read_text().splitlines() if re.search(r"mlflow (ui|server)", line)
    ]
    assert started
    for line in started:
        if not line.startswith("#"):
            assert "--host 127.0.0.1" in line


def test_running_code_by_name_is_documented_where_it_is_named():
    assert "Naming a function runs its code" in (ROOT / "README.md").read_text().replace("\n", " ")
    for option in ("network", "dataset"):
        assert "runs it" in BY_NAME[option].help
