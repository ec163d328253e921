"""A network as an MLflow LoggedModel that `mlflow.pytorch.load_model` loads without unpickling anything."""

from __future__ import annotations

import copy
import inspect
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import mlflow
import torch
from mlflow import MlflowClient, get_tracking_uri
from mlflow.artifacts import download_artifacts
from mlflow.entities import LoggedModelOutput
from mlflow.exceptions import MlflowException
from mlflow.models import Model
from mlflow.models.model import MLMODEL_FILE_NAME
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.types import Schema, TensorSpec
from mlflow.utils import environment
from torch import Tensor, nn

from lth.errors import InputError
from lth.inputs import Inputs, called, each
from lth.tracking.client import one_line
from lth.tracking.dataset import DataSplit
from lth.tracking.run import NOTE, RunLog

_COMPARED = "warn_dependency_requirement_mismatches"  # MLflow's, as it calls it


def log_model(
    run: RunLog,
    network: nn.Module,
    inputs: Inputs,
    *,
    name: str,
    step: int,
    parameters: Mapping[str, str],
    card: str,
    attained: Mapping[str, DataSplit | None],
) -> str | None:
    """Log a network in evaluation mode, exported by torch.export, and what it attains.

    A network that torch.export can't trace has no model; its checkpoint, which is the result, does not suffer.

    Args:
        run: Of the network; a model that it has already, of a process that was killed here, is replaced.
        network: What to log.
        inputs: Two examples: with a batch of one, the export would be of one.
        name: Of the model.
        step: Of its training, after which these are the weights.
        parameters: Of the model.
        card: What a person reads of the model, in Markdown.
        attained: Metrics of the run that are the model's too, each with the split it is on.

    Returns:
        Why there is no model, or None.
    """
    if find_spec("pandas") is None:  # of mlflow-skinny, which can do all but this
        return "no MLflow model: MLflow needs pandas to make one, which is not installed"
    first = run.is_new  # the second attempt may meet what the first left

    def log() -> str | None:
        nonlocal first
        if not first:
            _remove_models(run)
        first = False
        return _log(run, network, inputs, name, step, parameters, card, attained)

    return run.patiently(log)


def _log(
    run: RunLog,
    network: nn.Module,
    inputs: Inputs,
    name: str,
    step: int,
    parameters: Mapping[str, str],
    card: str,
    attained: Mapping[str, DataSplit | None],
) -> str | None:
    """Do what `mlflow.pytorch.log_model` does, which asks for every metric of the run, one after the other."""
    with tempfile.TemporaryDirectory() as directory:
        folder, described = Path(directory, "model"), Model(run_id=run.run_id)
        try:
            _save(network, inputs, folder, described)
        except (MlflowException, OSError):
            raise
        except Exception as error:  # torch.export fails with whatever its tracer meets
            return _untraceable(error)
        client, known = MlflowClient(), {**parameters, **run.parameters}
        model = client.create_logged_model(
            run.experiment_id, name, source_run_id=run.run_id, tags={NOTE: card}, params=known
        )
        described.model_id = described.model_uuid = model.model_id
        described.artifact_path = model.artifact_location
        described.save(folder / MLMODEL_FILE_NAME)
        client.log_outputs(run.run_id, [LoggedModelOutput(model.model_id, step)])
        get_artifact_repository(model.artifact_location, get_tracking_uri()).log_artifacts(str(folder))
        client.finalize_logged_model(model.model_id, "READY")
        run.bind(model.model_id, attained)
    return None


def _save(network: nn.Module, inputs: Inputs, folder: Path, described: Model) -> None:
    arrays = tuple(tensor.numpy() for _, tensor in each(inputs))
    # Traced without gradients, a program is the same and takes a third less time.
    with torch.no_grad(), warnings.catch_warnings(), _requirements_unsearched():
        warnings.simplefilter("ignore")  # MLflow warns of its own defaults
        mlflow.pytorch.save_model(
            _by_position(network, inputs),
            folder,
            mlflow_model=described,
            input_example=arrays[0] if isinstance(inputs, Tensor) else arrays,
            signature=_signature(inputs, called(network, inputs)),
            pip_requirements=[f"torch=={torch.__version__.split('+')[0]}"],
            **_as_exported_program(),
        )


@contextmanager
def _requirements_unsearched() -> Iterator[None]:
    """Keep MLflow from comparing what a model requires with what is installed, while the block lasts.

    Ours require what is installed. It would look through all packages for that, once a process, which takes
    longer than all else of a model together. A version of MLflow that does it otherwise is left to it.
    """
    compare = getattr(environment, _COMPARED, None)
    if compare is not None:
        setattr(environment, _COMPARED, lambda _requirements: None)
    try:
        yield
    finally:
        if compare is not None:
            setattr(environment, _COMPARED, compare)


def _signature(inputs: Inputs, outputs: Tensor) -> Any:
    """Return types and shapes; several inputs are named, those of a tuple by their positions."""
    from mlflow.models import ModelSignature  # here: without pandas, it is not there

    specs = [_spec(tensor, name) for name, tensor in each(inputs)]
    return ModelSignature(inputs=Schema(specs), outputs=Schema([_spec(outputs)]))


def _spec(tensor: Tensor, name: str = "") -> TensorSpec:
    return TensorSpec(tensor.numpy().dtype, (-1, *tensor.shape[1:]), name or None)


def _by_position(network: nn.Module, inputs: Inputs) -> nn.Module:
    """Return a network that takes by position, as MLflow exports it, what it takes by name; else itself."""
    if not isinstance(inputs, Mapping):
        return network
    names, placed, own = tuple(inputs), copy.copy(network), network.forward

    def forward(*tensors: Tensor) -> Any:
        return own(**dict(zip(names, tensors, strict=True)))

    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    signature = inspect.Signature([inspect.Parameter(name, kind) for name in names])
    forward.__signature__ = signature  # type: ignore[attr-defined]
    placed.forward = forward
    return placed


class ModelError(InputError):
    """A logged model is gone, or damaged."""


def models_of(run_id: str, experiment_id: str) -> list[str]:
    """Return the models that a run logged."""
    found = MlflowClient().search_logged_models([experiment_id], f"source_run_id = '{run_id}'")
    return [str(model.model_id) for model in found]


def read_weights(model_id: str, directory: Path) -> dict[str, Tensor]:
    """Return parameters and buffers of a model's program by name; nothing of it is run.

    Args:
        model_id: Of the model.
        directory: Empty; for its files.

    Raises:
        ModelError: If its files are gone or damaged.
    """
    if not MlflowClient().list_logged_model_artifacts(model_id):
        raise ModelError("is gone: it has no files")
    try:
        files = Path(download_artifacts(f"models:/{model_id}", dst_path=str(directory)))
        Model.load(str(files))
        program = next(files.glob("data/*.pt2"))
        with ZipFile(program) as archive:
            if (odd := archive.testzip()) is not None:
                raise ModelError(f"is damaged: {odd} in {program.name} differs from its checksum")
        state = torch.export.load(program).state_dict
    except ModelError:
        raise
    except StopIteration:
        raise ModelError("can't be loaded: its program is gone from data") from None
    except Exception as error:  # whatever MLflow, zipfile and torch raise of damaged files
        raise ModelError(f"can't be loaded ({one_line(error)})") from error
    return {name: tensor.detach() for name, tensor in state.items()}


def why_no_model(network: nn.Module, inputs: Inputs) -> str | None:
    """Return why a network in evaluation mode will have no model; None if torch.export can trace it."""
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tensors = tuple(tensor for _, tensor in each(inputs))
            torch.export.export(_by_position(network, inputs), tensors)
    except Exception as error:  # torch.export fails with whatever its tracer meets
        return _untraceable(error)
    return None


def _untraceable(error: Exception) -> str:
    return f"no MLflow model: torch.export can't trace the network ({type(error).__name__})"


def _as_exported_program() -> dict[str, Any]:
    """Return the option of `save_model` to write a program of torch.export; MLflow 3.11 renamed it."""
    renamed = "serialization_format" in inspect.signature(mlflow.pytorch.save_model).parameters
    return {"serialization_format": "pt2"} if renamed else {"export_model": True}


def _remove_models(run: RunLog) -> None:
    client = MlflowClient()
    for model in client.search_logged_models([run.experiment_id], f"source_run_id = '{run.run_id}'"):
        client.delete_logged_model(model.model_id)
