"""Models are exported without pickles, and a network that can't be has a checkpoint all the same."""

import mlflow
import tiny_problem
import torch
from mlflow import MlflowClient
from tiny_problem import make_study

import lth
from lth.plan.place import Place
from lth.tracking.store import Store


def test_the_logged_model_gives_the_outputs_of_the_solution_without_unpickling(tracking, monkeypatch):
    run = make_study().solution(Place.imp(1))
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    (model,) = MlflowClient().search_logged_models([Store().experiment_id], f"source_run_id = '{run}'") or [
        None
    ]
    loaded = mlflow.pytorch.load_model(f"models:/{model.model_id}")
    solution, network = lth.load_solution(run), tiny_problem.network((1, 6, 6), 3).eval()
    solution.weights.load_into(network)
    images = torch.rand(5, 1, 6, 6, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        # The same float32 graph, exported: equal up to the fusing of operations.
        torch.testing.assert_close(loaded(images), network(images))


def test_a_network_that_cannot_be_exported_keeps_its_checkpoint_and_says_so(tracking):
    said: list[str] = []
    run = make_study(said, network="tiny_problem:branching_network").solution(Place.imp(1))
    assert MlflowClient().get_run(run).info.status == "FINISHED"
    assert "torch.export can't trace" in MlflowClient().get_run(run).data.tags["lth.warnings"]
    assert lth.load_solution(run).level == 1
