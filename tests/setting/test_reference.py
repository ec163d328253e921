import sys
from pathlib import Path

import pytest

from lth.setting.reference import is_reference, load_reference


@pytest.mark.parametrize("name", ["module:function", "package.module:function", "_a.b2:_c"])
def test_these_are_references(name):
    assert is_reference(name)


@pytest.mark.parametrize("name", ["resnet20", "a:b:c", "a.:b", ":b", "a:", "a b:c", "a/b:c", "1a:b", "a:b\n"])
def test_these_are_not(name):
    assert not is_reference(name)


def test_a_function_of_the_working_directory_is_found(tmp_path: Path, monkeypatch):
    (tmp_path / "written_for_this_test.py").write_text("def answer():\n    return 42\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])  # which load_reference appends to
    assert load_reference("written_for_this_test:answer")() == 42


@pytest.mark.parametrize("name", ["no_such_module:f", "math:no_such_function", "json.no_such:f"])
def test_what_is_not_there_raises_and_is_named(name):
    with pytest.raises(ValueError, match=f"{name} can't be loaded"):
        load_reference(name)


def test_what_is_no_function_raises():
    with pytest.raises(ValueError, match="math:pi is a float; expected a function"):
        load_reference("math:pi")
