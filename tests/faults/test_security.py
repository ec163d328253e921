"""Nothing lth starts listens to other machines, and what runs code is documented.

That nothing it reads is executed is a rule of ruff (pyproject.toml), and shown by `test_bad_checkpoint`. That
what users can name is escaped is shown by `test_report` and `test_interactive_surface`.
"""

import re
from pathlib import Path
from unittest.mock import MagicMock

from lth.setting.parameter import BY_NAME
from lth.tracking.ui import served

ROOT = Path(__file__).parent.parent.parent


def test_the_ui_listens_to_this_machine_alone(tracking, monkeypatch):
    started: list[list[str]] = []
    monkeypatch.setattr(
        "lth.tracking.ui.subprocess.Popen", lambda line, **_: started.append(line) or MagicMock()
    )
    monkeypatch.setattr("lth.tracking.ui.end_family", lambda _process: None)
    monkeypatch.setattr("lth.tracking.ui._wait", lambda *_: None)
    monkeypatch.setattr("lth.tracking.ui._check_free", lambda *_: None)
    with served(5000):
        pass
    (line,) = started
    assert line[line.index("--host") + 1] == "127.0.0.1"


def test_make_starts_no_server_of_its_own():
    assert not re.search(r"mlflow (ui|server)", (ROOT / "Makefile").read_text())


def test_running_code_by_name_is_documented_where_it_is_named():
    assert "Naming a function runs its code" in (ROOT / "docs" / "own.md").read_text().replace("\n", " ")
    for option in ("network", "dataset"):
        assert "runs it" in BY_NAME[option].help
