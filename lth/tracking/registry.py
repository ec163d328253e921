"""Logged models as versions of a registered model, each found under an alias of its own."""

from __future__ import annotations

from collections.abc import Mapping

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from lth.errors import InputError

_EXISTS = "RESOURCE_ALREADY_EXISTS"


def register(name: str, models: Mapping[str, str]) -> dict[str, int]:
    """Make logged models versions of a registered model, and return the number of each by its alias.

    A model that is a version already stays that one; an alias that names another version names this one now.

    Args:
        name: Of the registered model; it is made where it is not there.
        models: Ids of logged models, by alias.

    Raises:
        InputError: If the registry takes no such name.
    """
    if not name.strip() or {"'", '"', "/", ":"} & set(name):
        raise InputError(f"name={name!r} can't name a registered model; write letters, digits, - and _")
    client = MlflowClient()
    _make(client, name)
    there = {found.source: int(found.version) for found in client.search_model_versions(f"name = '{name}'")}
    versions: dict[str, int] = {}
    for alias, model in models.items():
        source = f"models:/{model}"
        if source not in there:
            logged = client.get_logged_model(model)
            made = client.create_model_version(
                name, source, run_id=logged.source_run_id, description=logged.name, model_id=model
            )
            there[source] = int(made.version)
        versions[alias] = there[source]
        client.set_registered_model_alias(name, alias, str(versions[alias]))
    return versions


def _make(client: MlflowClient, name: str) -> None:
    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != _EXISTS:
            raise InputError(f"name={name!r} can't name a registered model: {error.message}") from error
