import importlib
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
import yaml
from click.testing import CliRunner

import lth
from lth.command.help import defaults
from lth.command.line import COMMANDS, main
from lth.command.typed import spelled_out
from lth.setting.parameter import PARAMETERS
from lth.setting.preset import PRESETS

ROOT = Path(__file__).parent.parent.parent
ENTRY_POINTS = yaml.safe_load((ROOT / "MLproject").read_text())["entry_points"]
OF_A_STUDY = [name for name, command in COMMANDS.items() if any(each.name == "lr" for each in command.params)]


def said(*arguments: str, status: int = 0) -> str:
    done = CliRunner().invoke(main, arguments, prog_name="lth")
    assert done.exit_code == status, done.output
    return " ".join(done.output.split())


@pytest.mark.parametrize("entry_point", ENTRY_POINTS)
def test_every_entry_point_is_a_command(entry_point):
    assert f"Usage: lth {entry_point}" in said(entry_point, "--help")


@pytest.mark.parametrize("typed", ["train-dense", "train_dense"])
def test_a_hyphen_in_a_command_is_as_good_as_an_underscore(typed):
    assert "Train w(0)" in said(typed, "--help")


@pytest.mark.parametrize(
    ("typed", "command"),
    [("stduy", "study"), ("reprot", "report"), ("analyse", "analyze"), ("Verify", "verify")],
)
def test_a_misspelt_command_is_told_by_the_one_it_is_near(typed, command):
    assert f"did you mean {command}?" in said(typed, status=2)


def test_the_version_is_told():
    assert said("--version") == f"lth {lth.__version__}"


@pytest.mark.parametrize("command", [*COMMANDS, "main"])
def test_a_command_has_an_entry_point(command):
    entry = importlib.import_module(f"entrypoints.{command}")
    assert entry.main is importlib.import_module(f"lth.command.{command}").main


def test_a_command_is_the_same_by_module_and_by_its_other_name():
    shown = [
        subprocess.run(
            [sys.executable, "-m", module, "--level=x"], cwd=ROOT, capture_output=True, text=True, check=False
        ).stderr.replace(module, "")
        for module in ("entrypoints.imp_level", "lth.command.imp_level")
    ]
    assert shown[0] == shown[1]
    assert "is not a level" in shown[0]


@pytest.mark.parametrize("command", OF_A_STUDY)
def test_help_shows_every_option_once_under_a_heading(command):
    shown = CliRunner().invoke(main, [command, "--help"]).output
    assert [line for line in shown.splitlines() if line.endswith(":") and not line.startswith(" ")][-1] == (
        "How it runs:"
    )
    for parameter in COMMANDS[command].params:
        assert len(re.findall(rf"^  {parameter.opts[0]}\b", shown, re.MULTILINE)) == 1


@pytest.mark.parametrize("row", PARAMETERS, ids=lambda row: row.name)
def test_help_shows_the_default_that_each_preset_has(row):
    shown = defaults(row.name)
    for preset, setting in PRESETS.items():
        value = setting.flat()[row.name]
        assert shown == value or f"{preset} {value}" in shown or shown.endswith(f"others {value}")


def test_presets_are_shown_side_by_side_and_one_by_itself():
    assert all(name in said("show", "preset") for name in PRESETS)
    shown = said("show", "preset", "vgg16-cifar10")
    assert "network vgg16" in shown
    assert "resnet20-fashion-mnist" not in shown


@pytest.mark.parametrize("typed", [["--help"], ["show"], ["show", "--help"], ["show", "preset", "--help"]])
def test_help_is_there_wherever_it_is_asked_for(typed):
    assert "Usage: lth" in CliRunner().invoke(main, typed, prog_name="lth").output
    assert CliRunner().invoke(main, [*typed, *(["--help"] * (typed == ["show"]))]).exit_code == 0


def test_a_preset_that_there_is_not_is_refused():
    assert "did you mean resnet20-cifar10?" in said("show", "preset", "resnet20-cifar", status=2)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ["train_dense", "--optimizer", "adam"],
            "choose one of sgd, adamw or package.module:function; choose adamw, which is torch's Adam at",
        ),
        (["train_dense", "--optimiser", "adamw"], "did you mean --optimizer?"),
        (["train_dense", "--dampening", "1"], "optimizer=package.module:function is your own"),
        (["study", "--learning_rate=1"], "did you mean --lr?"),
        (["study", "-P", "learning_rate=1"], "did you mean --lr?"),
        (["study", "--num-seeds", "3"], "did you mean --seeds?"),
        (
            ["imp_level", "--seeds=0,1"],
            "study, sweep, stability, report, register; did you mean --seed?",
        ),
        (
            ["train_dense", "--level=1"],
            "level is taken by imp_level, baseline, analyze; did you mean --levels?",
        ),
        (["report", "--workers=2"], "workers is taken by study"),
        (["analyze", "--num_workers=2"], "workers may be meant, which is taken by study"),
        (["baseline", "--method=one_shot"], "did you mean --kind?"),
        (["study", "--zzzz"], "--help lists what there is"),
        (["study", "seeds=0,1"], "'seeds=0,1' lacks its hyphens; write --seeds=0,1"),
        (["study", "--seed=0,1,2"], "several are given as seeds"),
    ],
)
def test_what_was_typed_wrong_is_told_with_what_is_meant(arguments, told):
    assert told in said(*arguments, status=2)


@pytest.mark.parametrize(
    ("typed", "spelled"),
    [
        (["-P", "a=1"], ["--a=1"]),
        (["-Pa=1", "-P", "b=x y"], ["--a=1", "--b=x y"]),
        (["-P"], ["--"]),
        (["--a", "-1"], ["--a", "-1"]),
        ([], []),
    ],
)
def test_parameters_are_taken_as_mlflow_run_takes_them(typed, spelled):
    assert spelled_out(typed) == spelled


@pytest.mark.parametrize(
    ("command", "typed", "name", "value"),
    [
        ("train_dense", ["--fresh"], "fresh", "true"),
        ("train_dense", ["--fresh", "false"], "fresh", "false"),
        ("train_dense", ["--fresh", "--k=3"], "fresh", "true"),
        ("study", ["--declare"], "declare", "true"),
        ("study", ["--declare=only"], "declare", "only"),
        ("report", ["--open"], "opens", "true"),
        ("report", ["-P", "open=true"], "opens", "true"),
        ("relocate", ["--dry-run"], "dry_run", "true"),
    ],
)
def test_a_parameter_that_says_yes_needs_no_value(command, typed, name, value):
    with COMMANDS[command].make_context(command, list(typed)) as context:
        assert isinstance(context, click.Context)
        assert context.params[name] == value
