"""Which MLflow experiment our runs belong to: that of `mlflow run`, else of the environment, else `lth`."""

from __future__ import annotations

import os

from mlflow import MlflowClient, get_tracking_uri
from mlflow.entities import Experiment, Run
from mlflow.exceptions import MlflowException

from lth.errors import InputError
from lth.tracking.address import artifacts_beside, store_name
from lth.tracking.lookup import INDEXED

EXPERIMENT_NAME = "lth"
_ID, _NAME, _RUN = "MLFLOW_EXPERIMENT_ID", "MLFLOW_EXPERIMENT_NAME", "MLFLOW_RUN_ID"
_UNKNOWN = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")


def launched_run_id() -> str | None:
    """Return the run that `mlflow run` created for this process, if it was started by `mlflow run`."""
    return _given(_RUN)


def launched_run(client: MlflowClient) -> Run | None:
    """Return the run that MLFLOW_RUN_ID names, in whatever state, if it is set.

    Raises:
        InputError: If it names none.
    """
    run_id = launched_run_id()
    if run_id is None:
        return None
    try:
        return client.get_run(run_id)
    except MlflowException as error:
        if error.error_code not in _UNKNOWN:
            raise
        raise InputError(
            f"MLFLOW_RUN_ID={run_id!r} names no run of {store_name()}; unset MLFLOW_RUN_ID, or set "
            "MLFLOW_TRACKING_URI to the store that has it"
        ) from error


def experiment_of(client: MlflowClient, launched: Run | None, *, creates: bool = True) -> Experiment:
    """Return the experiment of the launched run, else of MLFLOW_EXPERIMENT_ID or _NAME, else `lth`.

    One that is RUNNING is always in the right one; one that was left in the environment by something else
    decides only where nothing else does.

    Args:
        client: Of the tracking store.
        launched: What MLFLOW_RUN_ID names.
        creates: Whether an experiment is made where it is not there.

    Raises:
        InputError: If what the environment names is not there or deleted, or names two.
    """
    written, name = _given(_ID), _given(_NAME)
    if launched is not None and (launched.info.status == "RUNNING" or not (written or name)):
        return _active(client.get_experiment(launched.info.experiment_id))
    if written is None:
        return named_experiment(client, EXPERIMENT_NAME if name is None else name, creates=creates)
    try:
        experiment = _active(client.get_experiment(written))
    except MlflowException as error:
        if error.error_code not in _UNKNOWN:
            raise
        raise InputError(
            f"MLFLOW_EXPERIMENT_ID={written!r} names no experiment of {store_name()}; unset it, or "
            "set MLFLOW_EXPERIMENT_NAME instead"
        ) from error
    if launched is None and name not in (None, experiment.name):
        raise InputError(
            f"MLFLOW_EXPERIMENT_ID={written} is experiment {experiment.name!r}, and MLFLOW_EXPERIMENT_NAME "
            f"says {name!r}; unset one of them"
        )
    return experiment


def named_experiment(client: MlflowClient, name: str, *, creates: bool = True) -> Experiment:
    """Return the experiment of a name, after creating it where it does not exist.

    Raises:
        InputError: If it was deleted, or does not exist and is not to be created.
    """
    experiment = client.get_experiment_by_name(name)
    if experiment is None and not creates:
        raise InputError(
            f"{store_name()} has no experiment {name!r}; name another one, set MLFLOW_TRACKING_URI to "
            "the store that has it, or train something first"
        )
    if experiment is None:
        try:
            client.create_experiment(name, artifacts_beside(get_tracking_uri(), name), {INDEXED: "true"})
        except MlflowException as error:  # another process was first, or it was deleted
            experiment = client.get_experiment_by_name(name)
            if experiment is None:
                raise InputError(
                    f"experiment {name!r} can't be made ({error.message}); set MLFLOW_EXPERIMENT_NAME to "
                    "another name"
                ) from error
        else:
            experiment = client.get_experiment_by_name(name)
    assert experiment is not None
    return _active(experiment)


def _given(variable: str) -> str | None:
    """Return what a variable says; an empty one says nothing, as to MLflow."""
    return os.environ.get(variable, "").strip() or None


def _active(experiment: Experiment) -> Experiment:
    if experiment.lifecycle_stage != "active":
        raise InputError(
            f"experiment {experiment.name!r} was deleted; restore it with `mlflow experiments restore "
            f"--experiment-id {experiment.experiment_id}`, or set MLFLOW_EXPERIMENT_NAME to another"
        )
    return experiment
