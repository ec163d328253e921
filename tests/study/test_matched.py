"""What is measured at one loss, as a task of a study: along the trajectory that runs keep."""

import numpy as np
import pytest
import torch
from mlflow import MlflowClient
from tiny_problem import make_study

from lth.measure.curvature.hessian import HessianOperator
from lth.measure.kind.site import Site
from lth.measure.kind.take import read, take
from lth.measure.surveyor import Surveyor
from lth.plan.jobs import reverse_matched
from lth.plan.place import Place
from lth.study.record.load import KeptWeights, load_measurement, load_solution
from lth.study.study import Study
from lth.tracking import folder
from lth.tracking.store import Store

pytestmark = pytest.mark.usefixtures("without_models", "with_two_blank_figures")
JOB = reverse_matched(1)


def test_what_a_task_measures_is_what_the_stored_trajectories_give(tracking):
    study = make_study(matched_loss="on")
    run_id = study.measurement(JOB)
    problem, store = study.problem, Store()
    solutions = {
        place: load_solution(store, study.solution(place), trajectory=True)
        for place in (Place.imp(0), Place.imp(1))
    }
    assert all(solution.trajectory for solution in solutions.values())
    surveyor = Surveyor(
        problem.network, problem.data, problem.setting.analysis.hessian_examples, problem.setting.seed
    )
    expected = take(JOB, Site(solutions.__getitem__, surveyor, problem.setting.deciding("matched")))
    stored = load_measurement(store, run_id)
    assert (
        set(stored.names)
        == set(expected)
        == {
            "ends",
            "reached",
            "spectrum",
            "trace",
            "size",
            "plain",
            "filter",
        }
    )
    for name in ("ends", "reached", "spectrum"):
        found = stored.read(type(expected[name]), name)
        for field, value in vars(expected[name]).items():
            np.testing.assert_array_equal(getattr(found, field), value, err_msg=f"{name}.{field}")
    assert make_study(matched_loss="on").measurement(JOB) == run_id
    data = MlflowClient().get_run(run_id).data
    assert (data.tags["measure"], data.tags["level"]) == ("matched", "1")
    assert data.metrics["matched/is_there"] == 1


def test_kept_weights_are_fetched_one_by_one_and_are_those_of_the_checkpoint(tracking, monkeypatch):
    study = make_study()
    run_id, store = study.solution(Place.imp(0)), Store()
    fetched: list[str] = []
    fetch = store.fetch
    monkeypatch.setattr(store, "fetch", lambda run, path, to: fetched.append(path) or fetch(run, path, to))
    kept, whole = KeptWeights(store, run_id), load_solution(Store(), run_id, trajectory=True).trajectory
    assert (sorted(kept), len(kept), 99 in kept) == (sorted(whole), len(whole), False)
    assert fetched == ["checkpoint/manifest.json"]
    last = max(whole)
    found = kept[last]
    assert all(torch.equal(found.parameters[name], tensor) for name, tensor in whole[last].parameters.items())
    assert [path for path in fetched if "trajectory" in path] == [
        f"checkpoint/trajectory/epoch-{last:04d}.safetensors"
    ]
    with pytest.raises(KeyError):
        kept[99]


@pytest.mark.parametrize("damage", ["missing", "altered"])
def test_kept_weights_that_are_gone_or_altered_are_told_with_the_command_that_trains_again(tracking, damage):
    store = Store()
    run_id = make_study().solution(Place.imp(0))
    kept = KeptWeights(store, run_id)
    last = max(kept)
    (path,) = tracking.rglob(f"epoch-{last:04d}.safetensors")
    if damage == "missing":
        path.unlink()
    else:
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(content)
    with pytest.raises(ValueError, match="train it again with fresh=true"):
        kept[last]


def test_a_task_that_was_killed_in_its_curvature_goes_on_from_there_to_the_same_bits(tracking, monkeypatch):
    monkeypatch.setattr(folder, "_SHARE", float("inf"))  # keep after every product, whatever that takes
    multiply, taken, most = HessianOperator.__call__, 0, 10**6

    def until(self, vector):
        nonlocal taken
        if taken == most:
            raise KeyboardInterrupt
        taken += 1
        return multiply(self, vector)

    monkeypatch.setattr(HessianOperator, "__call__", until)
    study = make_study()
    whole = study.measurement(JOB)
    needed, taken, most = taken, 0, 3
    expected = read(load_measurement(study.store, whole), JOB)
    MlflowClient().delete_run(whole)
    with pytest.raises(KeyboardInterrupt):
        Study(study.problem, Store(), print, keep_every=0.0).measurement(JOB)
    most = 10**6
    run_id = Study(study.problem, Store(), print, keep_every=0.0).measurement(JOB)
    found = read(load_measurement(study.store, run_id), JOB)
    assert taken == needed, "none was taken twice"
    assert found.reached == expected.reached
    np.testing.assert_array_equal(found.curvature.spectrum.eigenvalues, expected.curvature.spectrum.eigenvalues)
    np.testing.assert_array_equal(found.radii["filter"].radii, expected.radii["filter"].radii)
