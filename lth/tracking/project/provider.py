"""MLflow's plugin point for the experiment that a plain `mlflow run .` logs to.

MLflow loads this module while it is itself being imported, so nothing but the abstract class may be imported
at the top.
"""

from __future__ import annotations

import sys
from pathlib import Path

from mlflow.tracking.default_experiment.abstract_context import DefaultExperimentProvider


class LthExperimentProvider(DefaultExperimentProvider):  # type: ignore[misc]
    """Makes a plain `mlflow run .` in a checkout of lth log into our experiment.

    MLflow's own default experiment can't be relied on: if the UI was started first, its artifacts can't be
    written by clients.
    """

    def in_context(self) -> bool:
        """Return whether what is run is a checkout of lth: the project of `mlflow run`, else where we are."""
        from lth.setting.door import is_checkout
        from lth.tracking.project.silent import directory_of

        program, *words = sys.argv
        if Path(program).name.startswith("mlflow") and words[:1] == ["run"]:
            return any(is_checkout(directory_of(word)) for word in words[1:])
        return is_checkout(Path())

    def get_experiment_id(self) -> str:
        """Return the experiment's id; it is created when it is first asked for."""
        from mlflow import MlflowClient, get_tracking_uri

        from lth.tracking.address import opening
        from lth.tracking.project.experiment import EXPERIMENT_NAME, named_experiment

        with opening(get_tracking_uri()):
            return str(named_experiment(MlflowClient(), EXPERIMENT_NAME).experiment_id)
