"""Every Python block of the documentation runs, and prints what stands behind its `print(…)`."""

import re
import runpy
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parent.parent
PAGES = sorted((ROOT / "docs").rglob("*.md"))
BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
# What says `needs a study` above it is run where there is one (tests/test_docs_of_a_study.py).
OF_A_STUDY = "<!-- after a study -->\n```python"


def blocks(page: Path) -> list[str]:
    return BLOCK.findall(page.read_text().replace(OF_A_STUDY, "```of_a_study"))


BLOCKS = [
    pytest.param(block, id=f"{page.relative_to(ROOT / 'docs')}-{number}")
    for page in PAGES
    for number, block in enumerate(blocks(page))
]


def promised(block: str) -> list[str]:
    """Return what the comments behind a block's `print(…)` say, up to a colon."""
    return [said.strip() for said in re.findall(r"^ *print\(.*\)  # ([^:\n]*)", block, re.MULTILINE)]


@pytest.mark.parametrize("block", BLOCKS)
def test_a_python_block_of_a_page_runs_and_prints_what_it_says(block, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    script = tmp_path / "block.py"
    script.write_text(block)
    with torch.random.fork_rng(devices=[]):
        runpy.run_path(str(script), run_name="__main__")
    assert capsys.readouterr().out.splitlines() == promised(block)
