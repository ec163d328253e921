"""A solution as an MLflow LoggedModel that `mlflow.pytorch.load_model` loads without unpickling anything."""

from __future__ import annotations

import copy
import warnings

import mlflow
import torch
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.models import infer_signature
from torch import nn

from lth.solution.solution import Solution
from lth.tracking.run import RunLog


def log_model(run: RunLog, solution: Solution, network: nn.Module) -> str | None:
    """Log the network with its final weights, exported by torch.export, and what it attains.

    A network that torch.export can't trace has no model; its checkpoint, which is the result, does not suffer.
    The run is FINISHED afterwards: call this last, and flush its metrics before.

    Args:
        run: Of the solution; a model that it has already, of a process that was killed here, is replaced.
        solution: What to log.
        network: Gives the structure.

    Returns:
        Why there is no model, or None.
    """
    network = copy.deepcopy(network).eval()
    solution.final.load_into(network)
    return run.patiently(lambda: _log(run.run_id, solution, network))


def _log(run_id: str, solution: Solution, network: nn.Module) -> str | None:
    example = torch.zeros(2, *solution.spec.input_shape)  # two: a batch of one would be fixed in the export
    with torch.no_grad():
        signature = infer_signature(example.numpy(), network(example).numpy())
    _remove_models(run_id)
    with mlflow.start_run(run_id=run_id, nested=True), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow warns of its own defaults
        try:
            info = mlflow.pytorch.log_model(
                network,
                name=solution.name.replace(" ", "_"),
                input_example=example.numpy(),
                signature=signature,
                serialization_format="pt2",
                pip_requirements=[f"torch=={torch.__version__.split('+')[0]}"],
                params={"level": str(solution.level), "kind": solution.kind, "key": solution.key},
            )
        except (MlflowException, OSError):
            raise
        except Exception as error:  # torch.export fails with whatever its tracer meets
            return f"no MLflow model: torch.export can't trace the network ({type(error).__name__})"
        last = solution.history[-1]
        final = {"final/train_loss": last.train.loss, "final/test_accuracy": last.test.accuracy}
        mlflow.log_metrics(final, model_id=info.model_id)
    return None


def _remove_models(run_id: str) -> None:
    client = MlflowClient()
    experiment = client.get_run(run_id).info.experiment_id
    for model in client.search_logged_models([experiment], f"source_run_id = '{run_id}'"):
        client.delete_logged_model(model.model_id)
