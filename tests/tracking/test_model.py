"""Models are exported without pickles, and a network that can't be has a checkpoint all the same."""

import json

import mlflow
import numpy as np
import pytest
import tiny_problem
import torch
from mlflow import MlflowClient
from mlflow.models import Model
from mlflow.utils import environment
from tiny_problem import make_problem, make_study

import lth
from lth.errors import InputError
from lth.plan.jobs import CurvatureJob
from lth.plan.place import Place, Point
from lth.study.record.card import model_name
from lth.study.replication import Replication
from lth.tracking.model import _save
from lth.tracking.registry import register
from lth.tracking.run import NOTE
from lth.tracking.store import Store

OF = "tiny_problem-network-on-tiny_problem-images"


def test_the_logged_model_gives_the_outputs_of_the_solution_without_unpickling(tracking, monkeypatch):
    run = make_study().solution(Place.imp(1))
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    (model,) = MlflowClient().search_logged_models([Store().experiment_id], f"source_run_id = '{run}'") or [
        None
    ]
    loaded = mlflow.pytorch.load_model(f"models:/{model.model_id}")
    solution, network = lth.load_solution(run), tiny_problem.network((1, 6, 6), 3).eval()
    solution.weights.load_into(network)
    images = make_problem().images.test_images[:5]
    for raw in (images, images.float()):
        with torch.no_grad():
            # The same float32 graph, exported: equal up to the fusing of operations.
            torch.testing.assert_close(loaded(raw), network(solution.normalise(raw)))
    predicted = mlflow.pyfunc.load_model(f"models:/{model.model_id}").predict(images.numpy())
    torch.testing.assert_close(torch.from_numpy(predicted), loaded(images))
    (spec,) = mlflow.models.get_model_info(f"models:/{model.model_id}").signature.inputs
    assert spec.type == images.numpy().dtype
    assert f"{images.dtype}".removeprefix("torch.") in model.tags[NOTE]


def test_what_a_model_requires_is_written_without_looking_through_all_packages(tmp_path, monkeypatch):
    asked: list[object] = []
    monkeypatch.setattr(environment, "warn_dependency_requirement_mismatches", asked.append)
    network, folder = torch.nn.Linear(2, 1).eval(), tmp_path / "model"
    _save(network, torch.zeros(2, 2), folder, Model())
    assert asked == []
    required = (folder / "requirements.txt").read_text().split()
    assert required == [f"mlflow=={mlflow.__version__}", f"torch=={torch.__version__.split('+')[0]}"]
    mlflow.pytorch.save_model(
        network, tmp_path / "of the user", pip_requirements=["torch"], input_example=np.ones((2, 2), "float32")
    )
    assert asked, "a model of the user's own is saved as ever"


def test_a_model_has_a_card_and_metrics_on_splits_and_what_measures_it_has_it_as_input(tracking):
    study = make_study()
    measured = study.measurement(CurvatureJob(Point.at(Place.imp(0))))
    client, experiment = MlflowClient(), Store().experiment_id
    (model,) = client.search_logged_models(
        [experiment], "params.kind = 'imp' AND params.level = '0' AND metrics.`test/accuracy` >= 0"
    )
    assert model.name == f"{OF}-seed-0-dense"
    assert (model.params["seed"], model.params["lr"], model.params["changes"][:10]) == (
        "0",
        "0.1",
        "batch_size",
    )
    card = model.tags[NOTE]
    assert f'load_model("runs:/{model.source_run_id}/{OF}-seed-0-dense")' in card
    assert "95 % interval" in card
    on = {metric.key: metric.dataset_name for metric in model.metrics}
    assert (on["train/loss"], on["test/accuracy"], on["density"]) == ("tiny-train", "tiny-test", None)
    attained = {metric.key: metric.value for metric in model.metrics}
    run = client.get_run(model.source_run_id)
    assert attained["test/accuracy"] == run.data.metrics["test/accuracy"], "of the end, not of the beginning"
    history = [point.step for point in client.get_metric_history(run.info.run_id, "test/accuracy")]
    assert history == sorted(set(history)), "what is bound to the model is no second point"
    inputs = client.get_run(measured).inputs
    assert [found.model_id for found in inputs.model_inputs] == [model.model_id]
    profiles = {one.dataset.name: json.loads(one.dataset.profile) for one in inputs.dataset_inputs}
    assert (profiles["tiny-train"]["num_examples"], profiles["tiny-test"]["num_examples"]) == (48, 24)
    schema = inputs.dataset_inputs[0].dataset.schema
    assert json.loads(json.loads(schema)["mlflow_tensorspec"]["features"])[0]["tensor-spec"]["shape"][1:] == [
        1,
        6,
        6,
    ]
    assert Replication([study], print).register() == ["models:/lth-digits@dense is version 1"]
    assert Replication([study], print).register("mine") == ["models:/mine@dense is version 1"]
    assert Replication([study], print).register("mine") == ["models:/mine@dense is version 1"], "once"
    assert client.get_model_version_by_alias("mine", "dense").run_id == model.source_run_id


@pytest.mark.parametrize("name", ["", " ", "it's", "a/b", "a:b"])
def test_a_name_that_no_registered_model_can_have_is_refused(tracking, name):
    with pytest.raises(InputError, match="can't name a registered model"):
        register(name, {})


def test_models_of_seeds_and_solutions_have_names_of_their_own():
    problems = [make_problem(seed="0"), make_problem(seed="1")]
    places = [Place.imp(0), Place.imp(2), Place("one_shot", 2)]
    names = [model_name(problem, place) for problem in problems for place in places]
    assert len(set(names)) == len(names)
    assert names[2] == f"{OF}-seed-0-one_shot-at-level-2"


def test_the_best_model_is_of_the_pruned_level_that_is_most_accurate(finished, monkeypatch):
    monkeypatch.setattr("lth.study.results.model_of", lambda run: f"m-{run.data.tags['level']}")
    study = make_study()
    accuracies = {row.level: row.test_accuracy for row in study.rows() if row.kind == "imp" and row.level}
    best = max(accuracies, key=lambda level: (accuracies[level], level))
    models = study.models()
    assert models["best"] == models[f"level-{best}"] == f"m-{best}"
    assert {"dense", "level-1", "level-2", "one_shot-at-level-2"} <= models.keys()


def test_a_network_that_cannot_be_exported_keeps_its_checkpoint_and_says_so(tracking):
    said: list[str] = []
    run = make_study(said, network="tiny_problem:branching_network").solution(Place.imp(1))
    assert MlflowClient().get_run(run).info.status == "FINISHED"
    assert "torch.export can't trace" in MlflowClient().get_run(run).data.tags["lth.warnings"]
    assert lth.load_solution(run).level == 1


def test_without_pandas_there_is_no_model_and_the_solution_says_why(tracking, monkeypatch):
    """As mlflow-skinny alone leaves it."""
    monkeypatch.setattr("lth.tracking.model.find_spec", lambda _name: None)
    run = make_study([]).solution(Place.imp(0))
    assert "needs pandas" in MlflowClient().get_run(run).data.tags["lth.warnings"]
    assert lth.load_solution(run).level == 0
