"""A split of a data set as MLflow shows it: by name and digest, with its schema and what is in it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mlflow.data.code_dataset_source import CodeDatasetSource
from mlflow.entities import Dataset, DatasetInput, InputTag

_DIGEST_LENGTH = 32  # MLflow stores 36 characters


@dataclass(frozen=True)
class Tensors:
    """The type and shape of some arrays, as a schema names them; -1 is any number."""

    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class DataSplit:
    """One split of a data set, of which runs and metrics say that they are on it."""

    name: str
    digest: str  # SHA-256 of the whole data set
    source: str
    context: str  # what it is used for: `training` or `evaluation`
    features: Mapping[str, Tensors]  # by name; a single one has none
    targets: Mapping[str, Tensors]
    profile: Mapping[str, str | int | float | Sequence[float]] = field(default_factory=dict)

    @property
    def short_digest(self) -> str:
        """The digest as MLflow takes it."""
        return self.digest[:_DIGEST_LENGTH]

    def as_input(self) -> DatasetInput:
        """Return it as an input of a run."""
        origin = CodeDatasetSource(tags={"lth.source": self.source, "lth.digest": self.digest})
        schema = {"features": _specified(self.features), "targets": _specified(self.targets)}
        entity = Dataset(
            name=self.name,
            digest=self.short_digest,
            source_type=CodeDatasetSource._get_source_type(),
            source=origin.to_json(),
            schema=json.dumps({"mlflow_tensorspec": schema}),
            profile=json.dumps(dict(self.profile)),
        )
        return DatasetInput(entity, [InputTag("mlflow.data.context", self.context)])


def _specified(tensors: Mapping[str, Tensors]) -> str:
    """Return what MLflow's `TensorSpec` writes: JSON within the JSON of the schema."""
    return json.dumps(
        [
            {
                **({"name": name} if name else {}),
                "type": "tensor",
                "tensor-spec": {"dtype": each.dtype, "shape": list(each.shape)},
            }
            for name, each in tensors.items()
        ]
    )
