"""How a person calls a command where they are: by `mlflow run` in a checkout, by `lth` everywhere else."""

from __future__ import annotations

import shlex
from pathlib import Path


def command_line(command: str, *given: str) -> str:
    """Return the line that runs a command with parameters, each written `name=value`.

    Args:
        command: Such as `imp_level`.
        *given: Such as `level=3`.
    """
    door = f"mlflow run . -e {command}" if is_checkout(Path()) else f"lth {command}"
    return " ".join([door, *(f"-P {shlex.quote(each)}" for each in given)])


def short_line(command: str) -> str:
    """Return the shortest line that runs `ui`, or the default study: in a checkout, with `make`."""
    return f"make {command}" if is_checkout(Path()) else f"lth {command}"


def is_checkout(directory: Path) -> bool:
    """Say whether a directory is a checkout of lth."""
    project = directory / "MLproject"
    return project.is_file() and project.read_text().startswith("name: lth\n")
