"""The commands as users type them: what they do, what they refuse, and what they leave behind."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import mlflow.projects
import pytest
from click.testing import CliRunner, Result
from mlflow import MlflowClient
from mlflow.exceptions import ExecutionException
from tiny_problem import OPTIONS

from lth.command import analyze, baseline, imp_level, report, study, train_dense
from lth.plan.place import BASELINES, METHODS
from lth.setting.preset import PRESETS
from lth.tracking.store import Store

ROOT = Path(__file__).parent.parent.parent

pytestmark = pytest.mark.usefixtures("without_models", "with_two_blank_figures")


def call(command: object, *arguments: str) -> Result:
    return CliRunner().invoke(command.main, [*arguments, *OPTIONS])


def test_imp_level_trains_the_chain_and_the_second_call_finds_it(tracking):
    first = call(imp_level, "--level", "1")
    assert first.exit_code == 0, first.output
    assert "level 1 needs dense, which is missing" in first.output
    second = call(imp_level, "--level", "1")
    assert second.exit_code == 0
    assert "nothing to compute" in second.output
    assert "training" not in second.output


def test_study_ends_with_a_row_per_solution_the_verdicts_and_how_to_open_the_ui(finished):
    for name in ("dense", "level 1", "level 2", "one_shot at level 2", "prune_larger at level 2"):
        assert f"\n{name}" in finished.said
    assert "| R4b " in finished.said
    (told,) = [line for line in finished.said.splitlines() if line.startswith("The report: ")]
    assert Path(told.removeprefix("The report: ")).name == "report.html"
    *_, solutions, last = finished.said.splitlines()
    assert "/runs?workflowType=machine_learning&viewStateShareKey=solutions" in solutions
    assert last.startswith("The runs: http://127.0.0.1:5000/#/experiments/")
    assert last.endswith("/runs?workflowType=machine_learning&viewStateShareKey=runs (lth ui opens it)")
    assert "drawing the report" in call(report, "--seeds", "0").output
    assert "nothing to compute" in call(study, "--seeds", "0").output


def test_report_draws_figures_by_number_and_refuses_what_is_none(finished):
    drawn = call(report, "--figures", "3,table1")
    assert drawn.exit_code == 0, drawn.output
    run_id = re.search(r"drawing the report, in run (\w+)", " ".join(drawn.output.split()))[1]
    files = {file.path for file in MlflowClient().list_artifacts(run_id, "seed_0")}
    assert files == {
        f"seed_0/{name}"
        for name in (
            "fig03_travel.csv",
            "fig03_travel.pdf",
            "fig03_travel.png",
            "fig03_travel.svg",
            "table1_projection.csv",
        )
    }
    refused = call(report, "--figures", "77")
    assert refused.exit_code == 2
    assert "figures='77' is unknown; there are 1, 2," in " ".join(refused.output.split())


def test_study_does_what_a_figure_is_drawn_of_and_nothing_else(tracking):
    drawn = call(study, "--figures", "1")
    assert drawn.exit_code == 0, drawn.output
    kinds = {run.data.tags["kind"] for run in Store().search("tags.kind != ''")}
    assert kinds == {"study", "imp", "part of a report"}  # no baseline, no measurement
    (run_id,) = re.findall(r"drawing the report, in run (\w+)", " ".join(drawn.output.split()))
    files = {file.path for file in MlflowClient().list_artifacts(run_id, "seed_0")}
    assert {"seed_0/fig01_levels.png", "seed_0/fig01_levels.csv"} <= files
    assert "Figures alone; claims are judged of the whole study" in " ".join(
        drawn.output.replace("*", "").split()
    )
    page = Path(MlflowClient().download_artifacts(run_id, "report.md")).read_text()
    assert "The rest of the study" in page
    assert "Not complete" not in page
    assert call(study, "--figures", "77").exit_code == 2
    assert "leave plan and declare out" in call(study, "--figures", "1", "--plan").output


def test_report_of_a_study_that_is_not_complete_says_what_is_missing_and_how_to_get_it(finished):
    for run in Store().search("tags.measure = 'surface'"):
        MlflowClient().delete_run(run.info.run_id)
    told = " ".join(call(report).output.split())
    assert "Not complete yet" in told
    assert "seed 0 lacks 1 of" in told
    assert "surface through dense, level 2 and random_init" in told
    assert "To complete it: lth study -P preset=digits" in told


def test_analyze_trains_what_it_measures_and_says_its_numbers(tracking):
    result = call(analyze, "--level", "1", "--measures", "lines")
    assert result.exit_code == 0, result.output
    assert re.search(r"barrier, training loss +w\(0\) → w\(1\) +[\d.e-]+ +nats", result.output)
    kinds = {run.data.tags["kind"] for run in Store().search("attributes.status = 'FINISHED'")}
    assert kinds == {"study", "imp", "analysis", "measurements", "measurement"}


def test_analyze_takes_parts_of_a_whole_study(finished):
    for run in Store().search("tags.kind = 'measurement'"):
        MlflowClient().delete_run(run.info.run_id)
    result = call(analyze, "--measures", "distances")
    assert result.exit_code == 0, result.output
    assert {run.data.tags["measure"] for run in Store().search("tags.kind = 'measurement'")} == {"distances"}


def test_analyze_takes_the_spectral_density_of_a_level_when_asked(finished):
    arguments = ("--level", "1", "--measures", "density", "--density_probes", "2", "--density_steps", "5")
    result = call(analyze, *arguments)
    assert result.exit_code == 0, result.output
    (run,) = Store().search("tags.measure = 'density'")
    assert run.info.run_name == "spectral density at level 1"
    assert run.data.metrics["landscape/eigenvalues_standing_out"] > 0
    assert run.data.metrics["solver/hessian_trace_of_density_standard_error"] > 0
    assert "spectral_density.png" in [
        file.path for file in MlflowClient().list_artifacts(run.info.run_id, None)
    ]
    assert "nothing to compute" in call(analyze, *arguments).output
    assert call(analyze, *arguments[2:]).exit_code == 0
    assert len(Store().search("tags.measure = 'density'")) == 3  # of every level


@pytest.mark.parametrize("level", ["1", "all"])
@pytest.mark.parametrize(
    ("measure", "how"), [("matched", "matched_loss=on"), ("subspaces", "vectors=on"), ("parts", "halvings=2")]
)
def test_analyze_says_which_parameter_asks_for_what_is_named_and_not_asked_for(level, measure, how, tracking):
    result = call(analyze, "--level", level, "--measures", measure)
    assert result.exit_code == 1
    assert f"{measure} is measured with {how}; add that" in result.output


def test_analyze_takes_what_eigenvectors_and_parts_say_of_a_level_when_asked(finished):
    arguments = ("--level", "0", "--measures", "subspaces,parts", "--vectors", "on", "--halvings", "1")
    result = call(analyze, *arguments)
    assert result.exit_code == 0, result.output
    assert re.search(r"spread of an eigenvector +at w\(0\) +[\d.e-]+ +of its coordinates", result.output)
    assert len(re.findall(r"log_eig_product over 8 examples +at w\(0\)", result.output)) == 2


@pytest.mark.parametrize("measure", ["function", "path"])
def test_what_only_a_whole_study_has_is_not_measured_of_a_level_without_a_word(measure, finished):
    result = call(analyze, "--level", "1", "--measures", measure)
    assert result.exit_code == 1
    assert f"level 1 has no {measure} of its own" in " ".join(result.output.split())


def test_parameters_are_spelled_with_underscores_or_hyphens(tracking):
    assert call(train_dense, "--prune-fraction", "0.3").exit_code == 0
    assert call(train_dense, "--prune_fraction", "0.3").exit_code == 0


def test_more_examples_than_there_are_are_refused_where_they_are_measured_and_before_training(tracking):
    too_many = ["--hessian_examples", "1000"]
    assert CliRunner().invoke(train_dense.main, [*OPTIONS, *too_many]).exit_code == 0
    result = CliRunner().invoke(analyze.main, ["--level", "2", *OPTIONS, *too_many])
    assert result.exit_code == 1
    assert "hessian_examples=1000: 1000 examples were asked for, but there are 48" in result.output
    assert Store().search("tags.kind = 'imp' AND tags.level != '0'") == []


def test_from_run_of_another_level_is_refused(tracking):
    call(imp_level, "--level", "1")
    (dense,) = Store().search("tags.kind = 'imp' AND tags.level = '0'")
    result = call(imp_level, "--level", "3", "--from_run", dense.info.run_id)
    assert result.exit_code == 2
    assert "holds dense; a run of level 2 is needed" in " ".join(result.output.split())


def test_from_run_takes_its_setting_from_that_run_when_no_preset_is_named(tracking):
    call(imp_level, "--level", "1")
    (level,) = Store().search("tags.kind = 'imp' AND tags.level = '1'")
    arguments = ["--level", "2", "--from_run", level.info.run_id]
    result = CliRunner().invoke(imp_level.main, arguments)
    assert result.exit_code == 0, result.output
    (trained,) = Store().search("tags.kind = 'imp' AND tags.level = '2'")
    assert trained.data.params["epochs"] == "3"


@pytest.mark.parametrize("command", [analyze, baseline, imp_level, report, study, train_dense])
def test_every_command_takes_every_parameter_of_a_study(command):
    assert {option.name for option in command.main.params} >= set(PRESETS["digits"].flat())


def test_the_baselines_that_can_be_trained_are_those_of_the_library():
    (kind,) = (option for option in baseline.main.params if option.name == "kind")
    assert tuple(kind.type.choices) == (*BASELINES, *METHODS)


def runs_without_torch_or_mlflow(code: str) -> bool:
    checked = f"import sys\n{code}\nsys.exit(bool({{'torch', 'mlflow'}} & set(sys.modules)))"
    return subprocess.run([sys.executable, "-c", checked], cwd=ROOT, check=False).returncode == 0


def test_help_answers_without_importing_torch_or_mlflow():
    assert runs_without_torch_or_mlflow(
        "from lth.command import analyze, baseline, imp_level, main, train_dense"
    )


@pytest.mark.parametrize(
    ("command", "arguments", "told"),
    [
        ("analyze", ["--measures", "spektra"], "'spektra' unknown; known are spectra"),
        ("analyze", ["--level", "x"], "is not a level"),
        ("baseline", ["--kind", "one_short", "--level", "1"], "is not one of"),
    ],
)
def test_a_misspelt_task_is_refused_without_importing_torch_or_mlflow(command, arguments, told):
    assert runs_without_torch_or_mlflow(
        "from click.testing import CliRunner\n"
        f"from lth.command import {command}\n"
        f"result = CliRunner().invoke({command}.main, {arguments!r})\n"
        f"assert result.exit_code == 2 and {told!r} in ' '.join(result.output.split()), result.output"
    )


@pytest.fixture
def mlflow_run(tracking: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Run the project as `mlflow run` does; loading its command line would take as long again."""
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:/usr/bin:/bin")
    monkeypatch.setenv("HOME", str(tracking))
    monkeypatch.setenv("PYTHONPATH", f"{ROOT / 'tests'}:{ROOT}")
    Store()  # makes the experiment

    def run(entry_point: str, **parameters: str) -> None:
        mlflow.projects.run(
            str(ROOT), entry_point, parameters=parameters, experiment_name="lth", env_manager="local"
        )

    return run


@pytest.mark.nightly
def test_mlflow_run_with_a_wrong_parameter_fails_and_the_run_says_why(mlflow_run):
    with pytest.raises(ExecutionException):
        mlflow_run("imp_level", level="3", prune_fraction="1.5")
    (run,) = Store().search("attributes.status = 'FAILED'")
    assert "prune_fraction=1.5 is out of range" in run.data.tags["lth.failure"]
    assert Store().search("attributes.status = 'RUNNING'") == []


@pytest.mark.nightly
def test_mlflow_run_with_an_unknown_parameter_fails_and_the_run_says_why(mlflow_run):
    with pytest.raises(ExecutionException):
        mlflow_run("train_dense", epoch="3")
    (run,) = Store().search("attributes.status = 'FAILED'")
    assert "--epoch" in run.data.tags["lth.failure"]
