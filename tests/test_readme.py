"""What the README tells a person to type works: its Python blocks run, its commands name what exists."""

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

from lth.command import imp_level
from lth.command.line import main as lth_command
from lth.setting.grid import grid
from lth.setting.preset import DEFAULT_PRESET, PRESETS, resolve

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "benchmarks" / "README.md"]
ENTRY_POINTS = yaml.safe_load((ROOT / "MLproject").read_text())["entry_points"]
TARGETS = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[1].split()

FENCED = re.compile(r"```(\w*)\n(.*?)```", re.DOTALL)
PYTHON = [block for language, block in FENCED.findall(README) if language == "python"]


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


def shown_and_printed(block: str, printed: str) -> tuple[list[str], list[str]]:
    """Return what the comments behind a block's `print(…)` say, up to a colon, and what it printed."""
    shown = re.findall(r"^print\(.*\)  # ([^:\n]*)", block, re.MULTILINE)
    return shown, printed.splitlines()


def test_there_are_blocks_and_commands_to_look_at():
    assert len(PYTHON) == 2
    assert len(LAUNCHED) > 5


def run_block(block: str, directory: Path) -> None:
    script = directory / "block.py"
    script.write_text(block)
    with torch.random.fork_rng(devices=[]):
        runpy.run_path(str(script))


def test_what_a_command_trained_is_loaded_as_the_readme_shows(tracking, without_models, capsys):
    (command,) = [line for line in LAUNCHED if "epochs=3" in line]
    entry_point, parameters = parsed(command)
    assert entry_point == "imp_level"
    trained = CliRunner().invoke(imp_level.main, [f"--{name}={value}" for name, value in parameters.items()])
    assert trained.exit_code == 0, trained.output
    run_block(PYTHON[0], tracking)
    shown, printed = shown_and_printed(PYTHON[0], capsys.readouterr().out)
    assert printed == shown != []


def test_an_own_network_is_measured_as_the_readme_shows(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    run_block(PYTHON[1], tmp_path)
    shown, printed = shown_and_printed(PYTHON[1], capsys.readouterr().out)
    assert printed == shown != []
    assert PYTHON[1].count("print(") == len(shown)


@pytest.mark.parametrize("command", LAUNCHED)
def test_a_command_of_the_readme_names_an_entry_point_and_parameters_it_takes(command):
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
def test_an_lth_line_of_the_readme_is_one_that_is_understood(command):
    arguments = ["--help"] if command == "lth" else [*shlex.split(command)[1:], "--help"]
    done = CliRunner().invoke(lth_command, arguments)
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize("command", commands(PAGES, "make"))
def test_a_make_line_of_the_readme_names_a_target(command):
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
