"""What is recorded of a study is in its inputs, its loss, its metric and its optimiser, whichever they are."""

import json

import mlflow
import pytest
import torch
from mlflow import MlflowClient
from own_data import of
from own_problem import problem_of

from lth.evidence.binomial import interval_if_any
from lth.inputs import called, each
from lth.measure.kind.site import Site
from lth.measure.kind.take import take
from lth.measure.surveyor import Surveyor
from lth.network.weights import Weights
from lth.plan.jobs import projection_matched, reverse_matched
from lth.plan.place import Place
from lth.plan.tasks import StudyTasks
from lth.setting.amount import ALL
from lth.solution.problem import Problem, plan, solve
from lth.study.forecast import forecast
from lth.study.record.card import model_card, model_name
from lth.study.record.data_splits import training_split
from lth.study.record.load import load_solution
from lth.study.record.origin import _data
from lth.study.study import Study
from lth.tracking.store import Store

DENSE = Place.imp(0)
KINDS = {
    "by name": ("own_data:mixed", {}),
    "two": ("own_data:mixed", {}),
    "numbers": ("lenet-6", {"loss": "mse"}),
    "a field": ("own_data:field", {"loss": "mse", "optimizer": "sgd", "schedule": "constant", "warmup": "0"}),
}


def of_kind(kind: str, **overrides: str) -> Problem:
    network, given = KINDS[kind]
    return problem_of(kind, network, **{"epochs": "1", "rewind_step": "1", **given, **overrides})


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("by name", ["AdamW", "loss cross-entropy", "`tokens`: int64 `(n, 3)`", "Wilson, 12 examples", "nats"]),
        ("two", ["float32 `(n, 5)`, raw: each channel", "int64 `(n, 3)`", "network(input_0, input_1)"]),
        (
            "numbers",
            ["Test R² ", "float32 `(n, 5)`, raw: each channel", "Output**: float32 `(n, 4)`", "cosine"],
        ),
        ("a field", ["epochs of SGD", "loss mean squared error", "float32 `(n, 2, 6)`"]),
    ],
)
def test_the_card_of_a_model_says_its_inputs_its_loss_and_its_metric(kind, said):
    problem = of_kind(kind)
    card = model_card(problem, solve(problem, DENSE, plan(problem, DENSE, None, None)), "0123")
    assert not [each for each in said if each not in card], card
    assert ("nats" in card) == ("95 % interval" in card) == (problem.setting.training.loss == "cross_entropy")
    network = problem.setting.network.replace(":", "-")
    assert model_name(problem, DENSE) == f"{network}-on-own_data-{kind.replace(' ', '-')}-seed-0-dense"


@pytest.mark.parametrize("kind", KINDS)
def test_a_split_has_every_input_in_its_schema_and_a_study_an_origin(kind):
    problem = of_kind(kind)
    dataset = training_split(problem).as_input().dataset
    features = json.loads(json.loads(dataset.schema)["mlflow_tensorspec"]["features"])
    inputs = dict(each(problem.data.train.images))
    assert [feature.get("name", "") for feature in features] == list(inputs)
    profile = json.loads(dataset.profile)
    assert ("num_outputs" in profile) == problem.data.train.labels.is_floating_point()
    assert sum(name.startswith("channel_mean") for name in profile) == 1
    assert "12 training and 12 test examples of" in _data(problem)


@pytest.mark.parametrize("kind", ["by name", "numbers"])
def test_what_is_matched_is_the_loss_that_was_trained_on(kind):
    problem = of_kind(kind, epochs="2", matched_loss="on", k="2")
    weights: dict[int, Weights] = {}
    start = plan(problem, DENSE, None, None)
    dense = solve(problem, DENSE, start, on_epoch=lambda record, now: weights.update({record.epoch: now}))
    level = solve(problem, Place.imp(1), plan(problem, Place.imp(1), dense, dense), dense)
    solutions = {DENSE: dense, Place.imp(1): level}
    surveyor = Surveyor(problem.network, problem.data, ALL, 0, objective=problem.objective)
    site = Site(
        solutions.__getitem__, surveyor, problem.setting.deciding("matched"), trajectory=lambda _place: weights
    )
    found = take(reverse_matched(1), site)
    ends = sorted([dense.history[-1].train.loss, level.history[-1].train.loss])
    assert [found["ends"].loss, found["ends"].loss_of_other] == pytest.approx(ends)


@pytest.mark.parametrize("kind", KINDS)
def test_every_task_has_a_time_whatever_a_network_is_called_with(kind):
    problem = of_kind(kind, matched_loss="on")
    tasks = StudyTasks(problem.keys, "tiny").results()
    assert any(task.node == projection_matched(1) for task in tasks)
    assert all(forecast(problem)(task) > 0 for task in tasks)


def test_the_model_of_named_inputs_is_called_with_them_in_their_order(tracking):
    study = Study(of_kind("by name"), Store(), lambda _line: None)
    run = study.solution(DENSE)
    (model,) = MlflowClient().search_logged_models([Store().experiment_id], f"source_run_id = '{run}'")
    loaded, inputs = mlflow.pytorch.load_model(f"models:/{model.model_id}"), of("by name").train_images
    network = study.problem.network.eval()
    solution = load_solution(Store(), run)
    solution.final.load_into(network)
    with torch.no_grad():
        torch.testing.assert_close(loaded(*inputs.values()), called(network, solution.normalise(inputs)))


@pytest.mark.parametrize("value", [-0.5, 1.5, float("nan"), float("inf")])
def test_what_is_no_share_has_no_binomial_interval(value):
    assert interval_if_any(value, 12) is None
