"""Makes a plain `mlflow run .` use the environment that is there, with neither conda nor pyenv.

MLflow looks for a project's environment under `$MLFLOW_ENV_ROOT/mlflow-<hash of python_env.yaml>` and, where
that exists, does no more than source its `bin/activate`. Registering puts a directory there whose `activate`
hands over to the checkout's own `.venv`, else to the environment that is active already. It is the same for
all checkouts, so a second one or a deleted one does no harm.

The name comes from private helpers of MLflow, and where they are gone is computed as they do; a test holds that
both are the one `mlflow run` looks for.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import yaml  # which MLflow needs, too
from mlflow.environment_variables import MLFLOW_ENV_ROOT

_MARKER = "# written by lth"
_ACTIVATE = f"""\
{_MARKER}: `mlflow run` sources this in the project's directory
if [ -f "$PWD/.venv/bin/activate" ]; then
    . "$PWD/.venv/bin/activate"
elif [ -z "${{VIRTUAL_ENV:-}}${{CONDA_PREFIX:-}}" ]; then
    echo "lth: no .venv here and no environment is active; run 'make setup', or activate one" >&2
    false
fi
"""


def register(project: Path) -> Path:
    """Register the environment of `project` with MLflow and return the directory that was written.

    An environment that MLflow itself built there is left alone.

    Raises:
        FileNotFoundError: If `project` has no python_env.yaml.
    """
    directory = Path(MLFLOW_ENV_ROOT.get(), environment_name(project))
    activate = directory / "bin" / "activate"
    if activate.is_file() and _MARKER not in activate.read_text():
        return directory
    activate.parent.mkdir(parents=True, exist_ok=True)
    temporary = activate.with_suffix(".new")
    temporary.write_text(_ACTIVATE)
    temporary.replace(activate)
    return directory


def environment_name(project: Path) -> str:
    """Return what MLflow calls the environment of `project`, also where it lacks helpers of these names."""
    try:
        from mlflow.utils.environment import _PythonEnv
        from mlflow.utils.virtualenv import _get_virtualenv_name
    except ImportError:
        return computed_environment_name(project)
    return str(_get_virtualenv_name(_PythonEnv.from_yaml(str(project / "python_env.yaml")), project))


def computed_environment_name(project: Path) -> str:
    """Return the name as MLflow 3.17 computes it of plain requirements, with no files of them or comments."""
    content = yaml.safe_load((project / "python_env.yaml").read_text())
    described = {name: content[name] for name in ("python", "build_dependencies", "dependencies")}
    requirements = [
        f"_Requirement(req_str={line!r}, is_constraint=False)" for line in sorted(content["dependencies"])
    ]
    text = f"{described}{''.join(requirements)}"
    return f"mlflow-{hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()}"


if __name__ == "__main__":
    sys.stdout.write(f"registered with MLflow: {register(Path.cwd())}\n")
