"""A network as an MLflow LoggedModel that `mlflow.pytorch.load_model` loads without unpickling anything."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping
from typing import Any

import mlflow
import torch
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.models import infer_signature
from torch import Tensor, nn

from lth.inputs import Inputs, called, each, mapped
from lth.tracking.run import RunLog


def log_model(
    run: RunLog,
    network: nn.Module,
    inputs: Inputs,
    *,
    name: str,
    parameters: Mapping[str, str],
    metrics: Mapping[str, float],
) -> str | None:
    """Log a network in evaluation mode, exported by torch.export, and what it attains.

    A network that torch.export can't trace has no model; its checkpoint, which is the result, does not suffer.
    The run is FINISHED afterwards: call this last, and flush its metrics before.

    Args:
        run: Of the network; a model that it has already, of a process that was killed here, is replaced.
        network: What to log.
        inputs: Two examples: with a batch of one, the export would be of one.
        name: Of the model.
        parameters: Of the model.
        metrics: Of the model.

    Returns:
        Why there is no model, or None.
    """
    first = run.is_new  # the second attempt may meet what the first left

    def log() -> str | None:
        nonlocal first
        if not first:
            _remove_models(run.run_id)
        first = False
        return _log(run.run_id, network, inputs, name, parameters, metrics)

    return run.patiently(log)


def _log(
    run_id: str,
    network: nn.Module,
    inputs: Inputs,
    name: str,
    parameters: Mapping[str, str],
    metrics: Mapping[str, float],
) -> str | None:
    if isinstance(inputs, tuple):
        return "no MLflow model: MLflow names several inputs, and the data set does not"
    example = mapped(Tensor.numpy, inputs)
    with torch.no_grad():
        signature = infer_signature(example, called(network, inputs).numpy())
    # Traced without gradients, a program is the same and takes a third less time.
    with mlflow.start_run(run_id=run_id, nested=True), torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow warns of its own defaults
        try:
            info = mlflow.pytorch.log_model(
                network,
                name=name,
                input_example=example,
                signature=signature,
                **_as_exported_program(),
                pip_requirements=[f"torch=={torch.__version__.split('+')[0]}"],
                params=dict(parameters),
            )
        except (MlflowException, OSError):
            raise
        except Exception as error:  # torch.export fails with whatever its tracer meets
            return _untraceable(error)
        mlflow.log_metrics(dict(metrics), model_id=info.model_id)
    return None


def why_no_model(network: nn.Module, inputs: Inputs) -> str | None:
    """Return why a network in evaluation mode will have no model; None if torch.export can trace it."""
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            named = dict(inputs) if isinstance(inputs, Mapping) else {}
            by_place = () if named else tuple(tensor for _, tensor in each(inputs))
            torch.export.export(network, by_place, named)
    except Exception as error:  # torch.export fails with whatever its tracer meets
        return _untraceable(error)
    return None


def _untraceable(error: Exception) -> str:
    return f"no MLflow model: torch.export can't trace the network ({type(error).__name__})"


def _as_exported_program() -> dict[str, Any]:
    """Return the option of `log_model` to write a program of torch.export; MLflow 3.11 renamed it."""
    renamed = "serialization_format" in inspect.signature(mlflow.pytorch.log_model).parameters
    return {"serialization_format": "pt2"} if renamed else {"export_model": True}


def _remove_models(run_id: str) -> None:
    client = MlflowClient()
    experiment = client.get_run(run_id).info.experiment_id
    for model in client.search_logged_models([experiment], f"source_run_id = '{run_id}'"):
        client.delete_logged_model(model.model_id)
