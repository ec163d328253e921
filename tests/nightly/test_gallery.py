"""Every program of the gallery draws its picture, and every notebook runs, each with what it asserts."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PROGRAMS = sorted((ROOT / "examples" / "gallery").glob("[a-z]*.py"))
NOTEBOOKS = sorted((ROOT / "examples" / "notebooks").glob("*.py"))

pytestmark = pytest.mark.nightly


def run(*arguments: str, folder: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_a_program_of_the_gallery_draws_its_picture_in_sixty_lines(program, tmp_path):
    run("-m", f"examples.gallery.{program.stem}", "picture.png", folder=tmp_path)
    assert (tmp_path / "picture.png").stat().st_size > 5000
    assert len(program.read_text().splitlines()) <= 60


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_from_its_first_cell_to_its_last(notebook, tmp_path):
    run(str(notebook), folder=tmp_path)
