import shlex

import pytest

from lth.setting.door import command_line, is_checkout, short_line


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    (tmp_path / "MLproject").write_text("name: lth\n\nentry_points: {}\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_in_a_checkout_a_command_is_called_by_mlflow_run(checkout):
    assert command_line("imp_level", "level=3") == "mlflow run . -e imp_level -P level=3"
    assert short_line("ui") == "make ui"


@pytest.mark.parametrize("project", [None, "name: other\n", ""])
def test_elsewhere_a_command_is_called_by_lth(project, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if project is not None:
        (tmp_path / "MLproject").write_text(project)
    assert not is_checkout(tmp_path)
    assert command_line("relocate") == "lth relocate"
    assert short_line("ui") == "lth ui"


def test_what_a_shell_would_read_is_quoted(checkout):
    line = command_line("study", "data_dir=/my images", "dataset=a.b:c")
    assert shlex.split(line)[-3:] == ["data_dir=/my images", "-P", "dataset=a.b:c"]
