"""A study opened from Python has the keys of the command's, and refuses what the command refuses."""

import signal
import subprocess
import sys

import pytest
from click.testing import CliRunner
from mlflow import MlflowClient
from tiny_problem import OPTIONS, PARAMETERS

import lth
from lth.command import imp_level
from lth.errors import InputError
from lth.plan.place import Place
from lth.study.replication import Replication
from lth.tracking.store import Store

TYPED = {**PARAMETERS, "epochs": 3, "levels": 1, "milestones": ["2ep"], "k": 3}


def test_a_study_from_python_finds_what_the_command_trained_and_the_other_way_round(tracking, without_models):
    assert CliRunner().invoke(imp_level.main, ["--level=1", *OPTIONS]).exit_code == 0
    said: list[str] = []
    study = lth.open_study("digits", **TYPED, say=said.append)
    level, baseline = study.solution(Place.imp(1)), study.solution(Place("random_init", 1))
    found = said.index(f"level 1: found in run {level}, nothing to compute")
    assert said[0].startswith("data tiny: 48 train and 24 test images of 1 × 6 × 6, 3 classes")
    assert any("told apart by the code of tiny_problem" in line for line in said[:found])
    assert (
        "prunable: 48 of 59 parameters (81.4%), in 2 layers; never pruned: 8 normalisation, 3 bias"
        in said[:found]
    )
    measured = study.analysis(0)
    assert MlflowClient().get_run(measured).data.metrics["landscape/hessian_trace"] != 0
    assert len(Store().search("tags.kind = 'study'")) == 1
    again = lth.open_study(**TYPED, from_run=level, say=said.append)
    assert again.solution(Place("random_init", 1)) == baseline, "the level is of this very study"


def test_what_can_be_pruned_is_said_once_for_all_seeds(tracking):
    said: list[str] = []
    lth.open_study("digits", **TYPED, seeds="0,1,2", say=said.append)
    assert sum(line.startswith("prunable: 48 of 59 parameters") for line in said) == 1


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"epoch": 3}, "'epoch' is not a parameter; did you mean epochs?"),
        ({"data_root": "/data"}, "'data_root' is not a parameter; did you mean data_dir?"),
        ({"qwertz": 3}, "'qwertz' is not a parameter; known are"),
        ({"preset": "digit"}, "preset='digit' is unknown; did you mean digits?"),
        ({"preset": "svhn"}, "preset='svhn' is unknown; choose one of"),
        ({"prune_fraction": 1.5}, "prune_fraction=.*1.5.* is out of range"),
        ({"device": "cuda:99"}, "device='cuda:99'"),
        ({"keep_every": -1}, "keep_every='-1' is not a number of seconds; write 30"),
        ({"seeds": [0, 0]}, "seeds='0,0' names seed 0 twice; give each once"),
        ({"seeds": "0,1", "seed": 2}, "seeds goes with neither seed nor from_run"),
        ({"data_dir": ""}, "data_dir='' names no directory"),
        ({"from_run": "abc"}, "there is no run 'abc'"),
        ({**TYPED, "milestones": "none", "rewind_step": "9ep"}, r"rewind_step=\S+ is step .*rewind_step=\d+"),
    ],
    ids=str,
)
def test_what_a_command_refuses_is_refused_here_with_the_same_words(tracking, given, message):
    with pytest.raises(InputError, match=message):
        lth.open_study(**given, say=[].append)


def test_several_seeds_are_a_replication(tracking):
    replication = lth.open_study(**TYPED, seeds=[3, 5], seed=None, say=[].append)
    assert isinstance(replication, Replication)
    assert [study.problem.setting.seed for study in replication.studies] == [3, 5]


def test_an_empty_list_is_none(tracking):
    study = lth.open_study(**{**TYPED, "milestones": [], "every_level": ()}, say=[].append)
    assert study.problem.setting.training.milestones == study.problem.setting.analysis.every_level == ()


def test_opening_a_study_leaves_signals_and_the_run_of_the_users_own_project_alone(tracking, monkeypatch):
    run = MlflowClient().create_run(Store().experiment_id)
    monkeypatch.setenv("MLFLOW_RUN_ID", run.info.run_id)
    handlers = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    study = lth.open_study(**TYPED, say=[].append)
    study.store.point_to("another", "name")
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == handlers
    assert MlflowClient().get_run(run.info.run_id).data.tags == run.data.tags


def test_importing_lth_imports_neither_torch_nor_mlflow():
    code = "import sys, lth; lth.open_study; sys.exit(bool({'torch', 'mlflow'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
