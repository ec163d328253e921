import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import lth

FACES = ["lth", *(f"lth.{room}" for room in lth._ROOMS), "lth.measure.curvature"]
PACKAGE = Path(lth.__file__).parent


def prints(code: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.parametrize("room", lth._ROOMS)
def test_one_import_reaches_every_room(room, monkeypatch):
    monkeypatch.delattr(lth, room, raising=False)  # as before it is first asked for
    assert getattr(lth, room).__name__ == f"lth.{room}"


def test_what_only_plans_loads_no_torch():
    modules = "lth, lth.plan.jobs, lth.plan.keys, lth.setting.preset"
    assert prints(f"import sys, {modules}; print(*({{'torch', 'mlflow'}} & set(sys.modules)))") == []


def test_lth_has_no_room_of_a_name_it_does_not_know():
    with pytest.raises(AttributeError, match="no attribute 'cellar'"):
        _ = lth.cellar


@pytest.mark.parametrize("face", FACES)
def test_a_face_shows_what_it_lists(face):
    module = importlib.import_module(face)
    assert len(set(module.__all__)) == len(module.__all__)
    assert {name for name in module.__all__ if hasattr(module, name)} == set(module.__all__)
    assert set(module.__all__) <= set(dir(module))


@pytest.mark.parametrize("face", [face for face in FACES if face != "lth"])
def test_a_face_hides_no_module_behind_a_name(face):
    folder = PACKAGE.joinpath(*face.split(".")[1:])
    modules = {path.stem for path in folder.iterdir()}
    assert not modules & set(importlib.import_module(face).__all__)
