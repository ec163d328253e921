"""A solution as an MLflow LoggedModel that `mlflow.pytorch.load_model` loads without unpickling anything."""

from __future__ import annotations

import copy
import warnings

import mlflow
import torch
from mlflow.models import infer_signature
from torch import nn

from lth.solution import Solution


def log_model(run_id: str, solution: Solution, network: nn.Module) -> str | None:
    """Log the network with its final weights, exported by torch.export, and what it attains.

    A network that torch.export can't trace has no model; its checkpoint, which is the result, does not suffer.
    The run is FINISHED afterwards: call this last, and flush its metrics before.

    Args:
        run_id: Of the solution's run.
        solution: What to log.
        network: Gives the structure.

    Returns:
        Why there is no model, or None.
    """
    network = copy.deepcopy(network).eval()
    solution.final.load_into(network)
    example = torch.zeros(2, *solution.spec.input_shape)  # two: a batch of one would be fixed in the export
    with torch.no_grad():
        signature = infer_signature(example.numpy(), network(example).numpy())
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
        except Exception as error:  # torch.export fails with whatever its tracer meets
            return f"no MLflow model: torch.export can't trace the network ({type(error).__name__})"
        last = solution.history[-1]
        final = {"final/train_loss": last.train.loss, "final/test_accuracy": last.test.accuracy}
        mlflow.log_metrics(final, model_id=info.model_id)
    return None
