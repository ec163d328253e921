"""What the pages tell a person to type works: their Python blocks run, their commands name what exists."""

import importlib
import re
import runpy
import shlex
from itertools import pairwise
from pathlib import Path

import click
import pytest
import torch
import yaml
from click.testing import CliRunner
from open_lth_folder import write_level

from lth.command import imp_level
from lth.command.line import main as lth_command
from lth.data import ImageData
from lth.setting.grid import grid
from lth.setting.preset import DEFAULT_PRESET, PRESETS, resolve

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PAGES = [
    ROOT / "README.md",
    ROOT / "results" / "README.md",
    *(page for page in sorted((ROOT / "docs").rglob("*.md")) if page.parent.name != "site"),
]
ENTRY_POINTS = yaml.safe_load((ROOT / "MLproject").read_text())["entry_points"]
TARGETS = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[1].split()

FENCED = re.compile(r"```(\w*)\n(.*?)```", re.DOTALL)
# What stands behind such a line needs what a study left, and has a test of its own.
AFTER = "<!-- after the command above -->\n```python"
BLOCKS = [
    pytest.param(block, id=f"{page.relative_to(ROOT)}-{number}")
    for page in PAGES
    for number, (language, block) in enumerate(FENCED.findall(page.read_text().replace(AFTER, "```after")))
    if language == "python"
]


def typed(page: str) -> list[str]:
    """Return what a page shows as to be typed: the lines of its shell blocks, and code within a sentence."""
    blocks = [block.replace("\\\n", " ") for language, block in FENCED.findall(page) if not language]
    lines = [line.split("  #")[0].strip() for block in blocks for line in block.splitlines()]
    return lines + re.findall(r"`([^`\n]+)`", FENCED.sub("", page).replace("\n", " "))


def commands(pages: list[Path], program: str) -> list[str]:
    lines = [line for page in pages for line in typed(page.read_text())]
    return sorted({line for line in lines if line == program or line.startswith(f"{program} ")})


LAUNCHED = [line for line in commands(PAGES, "mlflow run") if "…" not in line]


def parsed(command: str) -> tuple[str, dict[str, str]]:
    """Return the entry point and the parameters of a line `mlflow run . -e imp_level -P level=3`."""
    words = shlex.split(command)[2:]
    entry_point, parameters = "main", {}
    for flag, value in pairwise(words):
        if flag == "-e":
            entry_point = value
        elif flag == "-P":
            name, _, parameters[name] = value.partition("=")
    return entry_point, parameters


def promised(block: str) -> list[str]:
    """Return what the comments behind a block's `print(…)` say, up to a colon."""
    return [said.strip() for said in re.findall(r"^ *print\(.*\)  # ([^:\n]*)", block, re.MULTILINE)]


def run_block(block: str, directory: Path) -> None:
    script = directory / "block.py"
    script.write_text(block)
    with torch.random.fork_rng(devices=[]):
        runpy.run_path(str(script))


def test_there_are_blocks_and_commands_to_look_at():
    assert len(BLOCKS) > 9
    assert len(LAUNCHED) > 5


@pytest.mark.parametrize("block", BLOCKS)
def test_a_python_block_of_a_page_runs_and_prints_what_it_says(block, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    run_block(block, tmp_path)
    assert capsys.readouterr().out.splitlines() == promised(block)


def after_a_command(page: str) -> list[str]:
    text = (ROOT / "docs" / page).read_text().replace(AFTER, "```after")
    return [block for language, block in FENCED.findall(text) if language == "after"]


def test_what_a_command_trained_is_loaded_as_the_start_page_shows(tracking, without_models, capsys):
    (command,) = [line for line in LAUNCHED if "epochs=3" in line]
    entry_point, parameters = parsed(command)
    assert entry_point == "imp_level"
    trained = CliRunner().invoke(imp_level.main, [f"--{name}={value}" for name, value in parameters.items()])
    assert trained.exit_code == 0, trained.output
    (block,) = after_a_command("start.md")
    run_block(block, tracking)
    assert capsys.readouterr().out.splitlines() == promised(block) != []


def test_results_are_searched_as_their_page_shows(tmp_path, finished_study, monkeypatch):
    finished_study.copy(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    blocks = after_a_command("results.md")
    assert len(blocks) == 2
    for block in blocks:
        run_block(block, tmp_path)


def test_a_folder_of_open_lth_is_read_as_its_page_shows(tmp_path, monkeypatch):
    (block,) = after_a_command("from_open_lth.md")
    written = write_level(tmp_path, "mnist_lenet_6_5")
    named = re.search(r'"(open_lth_data/[^"]*)"', block)[1]
    images, labels = torch.zeros(6, 1, 28, 28, dtype=torch.uint8), torch.arange(6) % 3
    monkeypatch.setattr("lth.data.load_images", lambda _name: ImageData("made", images, labels, images, labels))
    run_block(block.replace(named, str(written)).replace("k=20", "k=2"), tmp_path)


@pytest.mark.parametrize("command", LAUNCHED)
def test_a_command_of_a_page_names_an_entry_point_and_parameters_it_takes(command):
    entry_point, parameters = parsed(command)
    assert entry_point in ENTRY_POINTS
    main = importlib.import_module(f"lth.command.{entry_point}").main
    assert isinstance(main, click.Command)
    with main.make_context(entry_point, [f"--{name}={value}" for name, value in parameters.items()]):
        pass
    known = PRESETS[DEFAULT_PRESET].flat().keys() - {"preset"}
    known -= {"levels"} if entry_point == "stability" else set()  # which has several of its own
    for given in grid(parameters)[1] if entry_point == "sweep" else [parameters]:
        overrides = {name: value for name, value in given.items() if name in known}
        assert resolve(given.get("preset", DEFAULT_PRESET), overrides)


@pytest.mark.parametrize("command", commands(PAGES, "lth"))
def test_an_lth_line_of_a_page_is_one_that_is_understood(command):
    arguments = ["--help"] if command == "lth" else [*shlex.split(command)[1:], "--help"]
    done = CliRunner().invoke(lth_command, arguments)
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize("command", commands(PAGES, "make"))
def test_a_make_line_of_a_page_names_a_target(command):
    targets = [word for word in command.split()[1:] if "=" not in word]
    assert set(targets) <= set(TARGETS)


def test_the_readme_lists_every_entry_point():
    assert set(re.findall(r"^\| `(\w+)` \| ", README, re.MULTILINE)) >= ENTRY_POINTS.keys()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_and_every_path_of_a_page_leads_to_a_file(page):
    text = page.read_text()  # that table names modules its own way
    links = [page.parent / link for link in re.findall(r"\]\(([^)#:]+)\)", text)]
    paths = [ROOT / path for path in re.findall(r"`((?:lth|tests|benchmarks|docs)/[\w/.]+)`", text)]
    assert [str(path) for path in links + paths if not path.exists()] == []
