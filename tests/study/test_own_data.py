import pytest
import torch
from own_problem import problem_of

from lth.measure.kind.radii import radii_at
from lth.measure.surveyor import MaskedPoint, Surveyor
from lth.plan.place import Place, Point
from lth.solution.problem import plan, solve
from lth.study.study import Study
from lth.study.trial.trial import Trial
from lth.tracking.store import Store


@pytest.mark.parametrize(
    ("kind", "network", "loss"),
    [
        ("by name", "own_data:mixed", "cross_entropy"),
        ("a field", "own_data:field", "mse"),
        ("numbers", "lenet-6", "mse"),
    ],
)
def test_a_study_of_data_that_are_no_images_tries_trains_prunes_and_measures_in_its_loss(kind, network, loss):
    problem = problem_of(kind, network, loss=loss)
    trial = Trial(problem, lambda _line: None)
    for part in ("training", "measuring", "curvature"):
        trial.need(part)
    trial.run()
    dense = solve(problem, Place.imp(0), plan(problem, Place.imp(0), None, None))
    level = solve(problem, Place.imp(1), plan(problem, Place.imp(1), dense, dense), dense)
    assert level.mask.density < 1
    assert all(not level.final.parameters[name][~kept].any() for name, kept in level.mask.keep.items())
    assert dense.history[-1].train.loss < dense.history[0].train.loss
    setting = problem.setting
    surveyor = Surveyor(
        problem.network, problem.data, setting.analysis.hessian_examples, 0, objective=problem.objective
    )
    located = MaskedPoint(level.final, level.mask)
    assert surveyor.hessian(located)(torch.ones(located.space.dimension)).isfinite().all()
    found = radii_at(surveyor, {Point.at(Place.imp(1)): located}, "plain", setting.analysis)
    assert found[Point.at(Place.imp(1))].loss == level.history[-1].train.loss


@pytest.mark.parametrize(
    ("kind", "overrides", "message"),
    [
        ("by name", {"augmentation": "crop"}, "augmentation=crop is of images"),
        ("by name", {"network": "resnet8-w8"}, "network=resnet8-w8: it is of one input"),
        ("vectors", {"network": "resnet8-w8"}, "network=resnet8-w8: it is of images"),
        ("tokens", {"network": "lenet-4"}, "network=lenet-4: it is of one input of numbers"),
        ("a number", {"network": "lenet-4"}, "choose loss=mse"),
    ],
)
def test_what_does_not_fit_data_that_are_no_images_is_told(kind, overrides, message):
    with pytest.raises(ValueError, match=message):
        problem_of(kind, **{"network": "own_data:mixed", **overrides})


def test_under_scope_layer_every_baseline_keeps_as_many_weights_of_every_layer_as_imp():
    problem = problem_of("numbers", "lenet-6-8", loss="mse", scope="layer", prune_layers="-last")
    dense = solve(problem, Place.imp(0), plan(problem, Place.imp(0), None, None))
    assert list(dense.mask.keep) == ["layers.1.weight", "layers.3.weight"]
    kinds = ("imp", "one_shot", "fine_tune", "random_prune", "random_prune_one_shot", "prune_larger")
    masks = [plan(problem, Place(kind, 1), dense, dense).mask for kind in kinds]
    expected = {name: kept.numel() - round(0.2 * kept.numel()) for name, kept in dense.mask.keep.items()}
    for mask in masks:
        assert {name: int(kept.sum()) for name, kept in mask.keep.items()} == expected


@pytest.mark.parametrize(
    ("kind", "message"), [("synflow", "synflow feeds the network ones"), ("own_method", "needs a function")]
)
def test_a_method_that_does_not_go_with_the_data_is_refused_before_anything_is_trained(tracking, kind, message):
    study = Study(problem_of("by name", "own_data:mixed"), Store(), [].append)
    with pytest.raises(ValueError, match=message):
        study.solution(Place(kind, 1))
    assert Store().search("tags.kind = 'imp'") == []
