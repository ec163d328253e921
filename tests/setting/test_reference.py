import sys
from pathlib import Path

import pytest

from lth.errors import InputError
from lth.setting.reference import call_reference, is_reference, load_reference


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


FAULTS = {
    "a_key_error": "raise KeyError('width')",
    "an_exit": "raise SystemExit(2)",
    "one_of_their_own": "raise type('Own', (BaseException,), {'__str__': lambda self: 1 / 0})",
    "deep_in_torch": "__import__('torch').zeros(2) @ __import__('torch').zeros(3)",
    "endless_recursion": "fail(*_)",
}


def write_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str) -> None:
    (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_whatever_a_function_raises_is_one_line_with_theirs(tmp_path: Path, monkeypatch, fault):
    write_module(tmp_path, monkeypatch, f"raising_{fault}", f"\ndef fail(*_):\n    {FAULTS[fault]}\n")
    with pytest.raises(InputError, match=rf"raised \w+.* \({tmp_path}/raising_{fault}.py, line 3\)$"):
        call_reference(f"raising_{fault}:fail", 1)


@pytest.mark.parametrize("fault", ["raise KeyError(1)", "raise SystemExit", "import no_such_module_of_theirs"])
def test_whatever_importing_a_module_raises_is_one_line_with_theirs(tmp_path: Path, monkeypatch, fault):
    name = f"failing_{fault.split()[1].partition('(')[0].lower()}"
    write_module(tmp_path, monkeypatch, name, f"\n\n{fault}\n")
    with pytest.raises(
        InputError, match=rf"{name}:net can't be loaded: \w+.* \({tmp_path}/{name}.py, line 3\)$"
    ):
        call_reference(f"{name}:net")


def test_an_interruption_of_a_function_passes(tmp_path: Path, monkeypatch):
    write_module(tmp_path, monkeypatch, "interrupted", "def net():\n    raise KeyboardInterrupt\n")
    with pytest.raises(KeyboardInterrupt):
        call_reference("interrupted:net")
