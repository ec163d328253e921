"""Which MLflow experiment our runs belong to: the one `mlflow run` chose, else `lth`."""

from __future__ import annotations

import os

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from lth.errors import InputError

EXPERIMENT_NAME = "lth"


def launched_run_id() -> str | None:
    """Return the run that `mlflow run` created for this process, if it was started by `mlflow run`."""
    return os.environ.get("MLFLOW_RUN_ID")


def experiment_id(client: MlflowClient) -> str:
    """Return the experiment of the launched run, else of MLFLOW_EXPERIMENT_ID or _NAME, else `lth`."""
    run_id = launched_run_id()
    if run_id is not None:
        return str(client.get_run(run_id).info.experiment_id)
    if "MLFLOW_EXPERIMENT_ID" in os.environ:
        return os.environ["MLFLOW_EXPERIMENT_ID"]
    return get_or_create_experiment(client, os.environ.get("MLFLOW_EXPERIMENT_NAME", EXPERIMENT_NAME))


def get_or_create_experiment(client: MlflowClient, name: str) -> str:
    """Return the id of the experiment called `name`, creating it where it does not exist.

    Raises:
        ValueError: If it was deleted.
    """
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        try:
            return str(client.create_experiment(name))
        except MlflowException:  # another process was first, or it was deleted
            experiment = client.get_experiment_by_name(name)
            if experiment is None:
                raise
    if experiment.lifecycle_stage != "active":
        raise InputError(
            f"experiment {name!r} was deleted; restore it with `mlflow experiments restore "
            f"--experiment-id {experiment.experiment_id}`, or set MLFLOW_EXPERIMENT_NAME"
        )
    return str(experiment.experiment_id)
