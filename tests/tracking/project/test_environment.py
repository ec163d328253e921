"""The lists of what lth needs agree, and a plain `mlflow run` finds the environment that is there."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from tiny_problem import PARAMETERS

from lth.tracking.store import Store

ROOT = Path(__file__).parent.parent.parent.parent


@pytest.fixture(scope="module")
def dependencies() -> list[str]:
    return sorted(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"])


def test_conda_yaml_lists_the_dependencies_of_pyproject(dependencies):
    listed = yaml.safe_load((ROOT / "conda.yaml").read_text())["dependencies"]
    (pip,) = [entry["pip"] for entry in listed if isinstance(entry, dict)]
    assert sorted(pip) == sorted([*dependencies, "-e ."])


def test_python_env_yaml_lists_the_dependencies_of_pyproject(dependencies):
    assert sorted(yaml.safe_load((ROOT / "python_env.yaml").read_text())["dependencies"]) == dependencies


def test_every_dependency_has_a_lower_and_an_upper_bound(dependencies):
    for requirement in dependencies:
        assert ">=" in requirement, requirement
        assert "<" in requirement, requirement


def test_the_lowest_versions_that_are_tested_are_the_lower_bounds_of_pyproject(dependencies):
    lines = (ROOT / "requirements-lowest.txt").read_text().splitlines()
    lowest = [line for line in lines if "==" in line]
    assert sorted(lowest) == [requirement.split(",")[0].replace(">=", "==") for requirement in dependencies]


def test_registering_twice_changes_nothing_and_leaves_foreign_environments_alone(tmp_path, monkeypatch):
    from lth.tracking.project.environment import register

    monkeypatch.setenv("MLFLOW_ENV_ROOT", str(tmp_path))
    directory = register(ROOT)
    activate = directory / "bin" / "activate"
    written = activate.read_text()
    assert register(ROOT) == directory
    assert activate.read_text() == written
    activate.write_text("# built by MLflow\n")
    register(ROOT)
    assert activate.read_text() == "# built by MLflow\n"


@pytest.mark.parametrize("gone", ["_PythonEnv", "_get_virtualenv_name"])
def test_the_environment_is_called_alike_without_the_private_helpers_of_mlflow(gone, monkeypatch):
    from mlflow.utils import environment, virtualenv

    from lth.tracking.project.environment import environment_name

    name = environment_name(ROOT)
    assert name == virtualenv._get_virtualenv_name(
        environment._PythonEnv.from_yaml(ROOT / "python_env.yaml"), ROOT
    )
    monkeypatch.delattr(environment if gone == "_PythonEnv" else virtualenv, gone)
    assert environment_name(ROOT) == name


def test_a_plain_mlflow_run_without_conda_and_pyenv_logs_to_the_run_it_created(tmp_path, tracking):
    """The user's own line, in a shell that has nothing but the environment lth is installed in."""
    binaries = Path(sys.executable).parent
    environment = {
        "PATH": f"{binaries}:/usr/bin:/bin",
        "HOME": str(tmp_path),
        "VIRTUAL_ENV": str(binaries.parent),
        "PYTHONPATH": str(ROOT / "tests"),
        "MLFLOW_ENV_ROOT": str(tmp_path / "envs"),
        "MLFLOW_TRACKING_URI": os.environ["MLFLOW_TRACKING_URI"],
        "OMP_NUM_THREADS": "1",
    }
    project = tmp_path / "project"
    project.mkdir()
    for name in ("MLproject", "python_env.yaml", "entrypoints", "lth"):
        (project / name).symlink_to(ROOT / name)
    register = [sys.executable, "-m", "lth.tracking.project.environment"]
    subprocess.run(register, cwd=project, env=environment, check=True, capture_output=True)
    given = [part for name, value in PARAMETERS.items() for part in ("-P", f"{name}={value}")]
    line = ["mlflow", "run", ".", "-e", "train_dense", *given]
    done = subprocess.run(line, cwd=project, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (run,) = Store().search("tags.kind = 'imp'")
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "dense"
    assert run.data.tags["mlflow.project.entryPoint"] == "train_dense"
    assert (run.data.params["epochs"], run.data.params["lr"]) == ("3", "0.1")
    assert Store().search("attributes.status = 'RUNNING'") == []
