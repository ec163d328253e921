"""Tasks are found by their content key, chained through logged checkpoints, and shown as one study."""

import json
from pathlib import Path

import mlflow
import pytest
import tiny_problem
import torch
from mlflow import MlflowClient
from tiny_problem import make_problem, make_study
from torch import nn

import lth
from lth.plan.jobs import level_jobs
from lth.plan.place import Place
from lth.solution.problem import set_up
from lth.solution.solution import Solution
from lth.study.record.load import load_solution
from lth.study.study import Study
from lth.tracking.store import KEY, Store

CPU = torch.device("cpu")

pytestmark = pytest.mark.usefixtures("without_models", "with_two_blank_figures")


def num_runs() -> int:
    return len(Store().search(f"tags.`{KEY}` LIKE '%'"))


def test_a_level_trains_what_is_missing_below_it_as_runs_of_their_own_and_says_so(tracking):
    said: list[str] = []
    run = make_study(said).solution(Place.imp(2))
    kinds = {r.data.tags["level"]: r.data.tags["kind"] for r in Store().search("tags.kind = 'imp'")}
    assert kinds == {"0": "imp", "1": "imp", "2": "imp"}
    assert any("level 2 needs level 1, which is missing" in line for line in said)
    assert MlflowClient().get_run(run).data.tags["level"] == "2"


def test_a_second_call_trains_nothing_and_names_the_run_it_found(tracking):
    first = make_study().solution(Place.imp(1))
    before = num_runs()
    said: list[str] = []
    assert make_study(said).solution(Place.imp(1)) == first
    assert num_runs() == before
    assert said == [f"level 1: found in run {first}, nothing to compute"]


def test_a_changed_parameter_is_another_result(tracking):
    first = make_study().solution(Place.imp(0))
    assert make_study(lr="0.05").solution(Place.imp(0)) != first
    assert make_study(k="2").solution(Place.imp(0)) == first  # measuring does not change what was trained


def test_fresh_trains_the_named_task_again_and_gets_the_same_bits(tracking):
    first = make_study().solution(Place.imp(1))
    again = make_study().solution(Place.imp(1), fresh=True)
    assert again != first
    one, two = lth.load_solution(first), lth.load_solution(again)
    for name, tensor in one.weights.parameters.items():
        assert torch.equal(tensor, two.weights.parameters[name]), name
    assert one.history == two.history
    assert len(Store().search("tags.kind = 'imp' AND tags.level = '0'")) == 1


def test_what_is_trained_anew_is_what_is_pruned_and_measured_from_then_on(tracking, monkeypatch):
    read: list[str] = []
    monkeypatch.setattr(
        "lth.study.tasks.load_solution",
        lambda store, run_id, **named: read.append(run_id) or load_solution(store, run_id, **named),
    )
    study = make_study()
    study.solution(Place.imp(1))
    again = study.solution(Place.imp(0), fresh=True)
    make_study().solution(Place.imp(1), fresh=True)  # which holds nothing in memory
    assert read == [again]


def test_a_level_continued_from_a_stored_checkpoint_equals_one_trained_in_one_process(tracking):
    one_go = make_study()
    one_go.solution(Place.imp(2))
    weights = lth.load_solution(level=2, **place()).weights
    make_study().solution(Place.imp(2), fresh=True)  # its parents now come from the store alone
    again = lth.load_solution(Store().search("tags.level = '2' AND tags.kind = 'imp'")[0].info.run_id).weights
    for name, tensor in weights.parameters.items():
        assert torch.equal(tensor, again.parameters[name]), name


def network_of(solution: Solution) -> nn.Module:
    """Build the user's own network, which a solution does not do by itself."""
    network = tiny_problem.network((1, 6, 6), 3).eval()
    solution.weights.load_into(network)
    return network


def test_a_solution_does_not_run_the_code_its_checkpoint_names(tracking):
    solution = lth.load_solution(make_study().solution(Place.imp(0)))
    with pytest.raises(ValueError, match="build it yourself"):
        _ = solution.network


def place() -> dict[str, str]:
    from lth.setting.preset import changes_from_preset

    return {"preset": "digits", "changes": changes_from_preset(make_problem().setting)}


def test_losses_and_accuracies_are_logged_for_every_epoch(tracking):
    run = make_study().solution(Place.imp(0))
    for name in ("train/loss", "train/accuracy", "test/loss", "test/accuracy"):
        assert [m.step for m in MlflowClient().get_metric_history(run, name)] == [0, 1, 2, 3], name


def test_a_solution_loads_by_run_and_by_place_ready_for_analysis(tracking):
    run = make_study().solution(Place("one_shot", 1))
    by_run = lth.load_solution(run)
    by_place = lth.load_solution(level=1, kind="one_shot", **place())
    assert by_run.key == by_place.key
    assert by_run.mask.num_kept == 38
    assert by_run.rewind.step == 2
    assert sorted(by_run.trajectory) == [1, 2, 3]
    with torch.no_grad():
        logits = network_of(by_run)(torch.zeros(2, 1, 6, 6))
    assert logits.shape == (2, 3)


def test_a_missing_place_says_what_there_is(tracking):
    make_study().solution(Place.imp(0))
    with pytest.raises(ValueError, match=r"no finished solution has .*level=0.*with other changes there is"):
        lth.load_solution(level=0)
    with pytest.raises(ValueError, match="train it first"):
        lth.load_solution(level=7)


def test_which_examples_were_drawn_is_logged(tracking):
    study = make_study(train_examples="34").run_id
    path = MlflowClient().download_artifacts(study, "train_examples.json", dst_path=".")
    drawn = json.loads(Path(path).read_text())
    assert len(set(drawn)) == 34
    assert set(drawn) <= set(range(48))
    assert drawn == sorted(drawn)


def test_the_splits_of_the_data_set_are_inputs_with_its_digest(tracking):
    for amount, names in (("all", {"tiny-train", "tiny-test"}), ("34", {"tiny-train-34", "tiny-test"})):
        run = MlflowClient().get_run(make_study(train_examples=amount).solution(Place.imp(0)))
        datasets = [found.dataset for found in run.inputs.dataset_inputs]
        assert {dataset.name for dataset in datasets} == names
        assert all(tiny_problem.images(None).digest.startswith(dataset.digest) for dataset in datasets)


def test_what_was_read_and_what_the_network_is_made_of_are_on_the_study_and_in_short_on_all_runs(tracking):
    problem, study = make_problem(), make_study()
    training = study.solution(Place.imp(0))
    path = MlflowClient().download_artifacts(study.run_id, "data.json", dst_path=".")
    data = json.loads(Path(path).read_text())
    assert data["digest"] == problem.images.digest
    assert data["classes"][2] == {"number": 2, "name": "", "train": 16, "test": 8}
    assert (data["passed_over"], data["notes"]) == ({}, [])
    path = MlflowClient().download_artifacts(study.run_id, "network_code.json", dst_path=".")
    code = json.loads(Path(path).read_text())
    assert code["digest"] == problem.keys.network_code
    assert list(code["files"]) == ["tiny_problem"]
    for run in (training, study.run_id):
        tags = MlflowClient().get_run(run).data.tags
        assert tags["data_read"] == "48 train and 24 test images of 1 × 6 × 6, 3 classes"
        assert tags["data_digest"] == problem.images.digest


def test_a_diverging_training_ends_its_run_failed_with_the_reason(tracking):
    with pytest.raises(ArithmeticError, match="step"):
        make_study(lr="1e30").solution(Place.imp(0))
    (run,) = Store().search("tags.kind = 'imp'")
    assert run.info.status == "FAILED"
    assert "lower lr" in run.data.tags["lth.failure"]
    assert Store().search("attributes.status = 'RUNNING'") == []


def test_an_interrupted_training_ends_its_run_killed_and_is_not_taken_for_finished(tracking, monkeypatch):
    def interrupt(*_args: object, **_options: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("lth.study.training.solve", interrupt)
        with pytest.raises(KeyboardInterrupt):
            make_study().solution(Place.imp(0))
    (run,) = Store().search("tags.kind = 'imp'")
    assert run.info.status == "KILLED"
    assert Store().find(make_problem().keys.solution(Place.imp(0))) is None


def test_a_damaged_checkpoint_is_refused_with_the_run_and_the_remedy(tracking):
    run = make_study().solution(Place.imp(0))
    (damaged,) = tracking.rglob("final.safetensors")
    content = bytearray(damaged.read_bytes())
    content[-1] ^= 1
    damaged.write_bytes(content)
    with pytest.raises(ValueError, match=rf"run {run}.*SHA-256 differs.*fresh=true"):
        make_study().solution(Place.imp(1))


def test_from_run_prunes_the_named_run_and_inherits_its_lineage(tracking):
    other = make_study(lr="0.05").solution(Place.imp(1))
    store = Store()
    given = load_solution(store, other)
    setting = make_problem().setting
    chained = Study(set_up(setting, tiny_problem.images(None), CPU, given), store, say=lambda _line: None)
    solution = lth.load_solution(chained.solution(Place.imp(2)))
    assert solution.ancestors == (*given.ancestors, given.key)
    assert given.mask.contains(solution.mask)
    assert len(store.search("tags.level = '0' AND tags.kind = 'imp'")) == 1


def test_the_surface_trains_the_solutions_its_plane_needs(tracking):
    make_study().solution(Place.imp(2))
    (dense,) = Store().search("tags.kind = 'imp' AND tags.level = '0'")
    MlflowClient().delete_run(dense.info.run_id)
    said: list[str] = []
    make_study(said).surface(2)
    assert any("surface at level 2 needs dense, which is missing" in line for line in said)


def test_a_network_with_frozen_and_unused_layers_can_be_pruned(tracking):
    study = make_study(network="tiny_problem:partly_unused_network")
    run = study.solution(Place.imp(2))
    solution = lth.load_solution(run)
    assert solution.mask.frozen == {"frozen.weight"}
    logged = MlflowClient().get_run(run).data
    counts = {name: logged.tags[name] for name in ("num_parameters", "num_prunable", "num_frozen")}
    assert counts == {"num_parameters": "72", "num_prunable": "59", "num_frozen": "9"}
    assert logged.metrics["density_of_all_parameters"] == pytest.approx(1 - (59 - 38) / 72)
    path = mlflow.artifacts.download_artifacts(run_id=study.run_id, artifact_path="parameters.json")
    said = json.loads(Path(path).read_text())
    assert {part["name"]: part["kind"] for part in said} == {
        "frozen.weight": "frozen",
        "fc.weight": "prunable",
        "fc.bias": "bias",
        "unused.weight": "prunable",
        "unused.bias": "bias",
    }
    assert solution.mask.num_kept == 38  # 60 weights that are not frozen, less 12, less round(9.6) = 10
    for name, kept in solution.mask.keep.items():
        assert not solution.weights.parameters[name][~kept].any(), name


def test_changed_code_of_the_users_network_is_another_result(tracking, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    source = (
        "import tiny_problem\ndef network(shape, classes):\n    return tiny_problem.network(shape, classes)\n"
    )
    module = tmp_path / "own_network.py"
    module.write_text(source)
    first = make_problem(network="own_network:network").keys.solution(Place.imp(0))
    assert make_problem(network="own_network:network").keys.solution(Place.imp(0)) == first
    module.write_text(source + "# changed\n")
    assert make_problem(network="own_network:network").keys.solution(Place.imp(0)) != first


def test_an_analysis_with_another_seed_of_the_same_solution_is_another_result(tracking):
    given = load_solution(Store(), make_study().solution(Place.imp(1)))
    keys = {
        set_up(make_problem(seed=seed).setting, tiny_problem.images(None), CPU, given).keys.analysis(
            1, level_jobs(1)
        )
        for seed in ("0", "1")
    }
    assert len(keys) == 2


def test_from_run_with_another_rewind_step_is_refused(tracking):
    given = load_solution(Store(), make_study().solution(Place.imp(1)))
    with pytest.raises(ValueError, match="from_run rewinds to step 2"):
        set_up(make_problem(rewind_step="3").setting, tiny_problem.images(None), CPU, given)


def test_a_run_that_failed_is_not_gone_on_from(tracking):
    run = make_study().solution(Place.imp(0))
    MlflowClient().set_terminated(run, "FAILED")
    with pytest.raises(ValueError, match="is FAILED; only finished runs"):
        lth.load_solution(run)


def test_a_level_too_sparse_to_exist_is_refused_before_anything_is_trained(tracking):
    with pytest.raises(ValueError, match="leaves none after"):
        make_study(prune_fraction="0.9").solution(Place.imp(4))
    with pytest.raises(ValueError, match="k=1000 exceeds the"):
        make_study(k="1000").analysis(1)
    assert Store().search("tags.kind = 'imp'") == []


def test_trends_hold_only_what_was_measured_alike(tracking):
    make_study().analysis(0)
    said: list[str] = []
    make_study(said, k="2").analysis(0)
    (parent,) = Store().search("tags.kind = 'study'")
    history = MlflowClient().get_metric_history(parent.info.run_id, "landscape/log_eig_product")
    assert len(history) == 1
    assert any("not added" in line for line in said)


def test_trends_are_of_whatever_was_measured_first_however_the_study_was_begun(tracking):
    make_study().solution(Place.imp(0))
    make_study(k="2").analysis(0)
    (parent,) = Store().search("tags.kind = 'study'")
    assert "landscape/log_eig_product" in parent.data.metrics


def test_from_run_of_the_studys_own_level_stays_in_the_study(tracking):
    run = make_study().solution(Place.imp(1))
    given = load_solution(Store(), run)
    problem = set_up(make_problem().setting, tiny_problem.images(None), CPU, given)
    assert problem.keys == make_problem().keys


def test_a_solution_of_another_lineage_is_not_taken_for_the_studys_own(tracking):
    other = make_study(lr="0.05").solution(Place.imp(1))
    given = load_solution(Store(), other)
    setting = make_problem().setting
    said: list[str] = []
    problem = set_up(setting, tiny_problem.images(None), CPU, given)
    run = Study(problem, Store(), said.append, {given.key: other}).solution(Place.imp(2))
    assert any(f"continuing the lineage of run {other}" in line for line in said)
    (study,) = Store().search(f"tags.`{KEY}` = '{problem.keys.study()}'")
    assert study.info.run_name.endswith(f"from {other[:8]}")
    with pytest.raises(ValueError, match="no finished solution"):
        lth.load_solution(level=2, **place())
    assert lth.load_solution(run).level == 2
