"""What Ray is asked for, and what is made of its answers; the cluster is one of this process alone."""

import importlib
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from fake_ray import FakeRay, FakeRayError

from lth.errors import InputError, MendableError
from lth.plan.place import Place
from lth.plan.tasks import Task
from lth.study.engine.engine import LostWorkerError, OutOfMemoryError, RemoteFaultError, Terms
from lth.tracking.process import PROCESS, ownership

FACTS = {"device": "cpu", "data": "3f"}


class StandIn:
    """Does tasks by their keys, in place of a worker that trains."""

    def __init__(self, opened, _tell):
        self.opened = opened
        if opened["opening"].get("broken"):
            raise InputError("data_dir is not there")
        gpu = opened["opening"]["device"].startswith("cuda")
        self.facts = {"device": "cuda" if gpu else "cpu", "data": opened["opening"].get("data", "3f")}
        self.device = torch.device(opened["opening"]["device"])

    def do(self, asked):
        self.tell({"said": f"at {asked['do']}"})
        what = asked["do"]
        if what == "large" and HELD[-1][0] < 1:
            return {"error": "memory", "text": "the memory did not suffice"}
        if what == "too large":
            return {"error": "memory", "text": "the memory did not suffice"}
        if what == "fault":
            return {"error": "fault", "text": "a fault"}
        if what == "die":
            raise FakeRayError("the worker died\nof something")
        return {"run": f"run-{what}"}


HELD: list[tuple[float, str]] = []
CLUSTERS: list[FakeRay] = []


@pytest.fixture
def cluster(monkeypatch):
    """Return what makes the engine on a cluster of such nodes, with what it says and the cluster."""
    HELD.clear()

    def make(*nodes, count=0, room=(1, 0.0), facts=FACTS, tracking="http://lab", **opening):
        ray = FakeRay(*(nodes or ({"CPU": 2.0},)))
        CLUSTERS.append(ray)
        for name, module in ray.modules().items():
            monkeypatch.setitem(sys.modules, name, module)
        monkeypatch.delitem(sys.modules, "lth.study.engine.ray", raising=False)
        module = importlib.import_module("lth.study.engine.ray")
        monkeypatch.setattr(module, "Worker", StandIn)
        monkeypatch.setattr(module, "hold_to", lambda share, device: HELD.append((share, str(device))))
        said: list[str] = []
        lost = lambda run_id, sought: MendableError(f"{run_id} {sought}")  # noqa: E731
        opened = {"opening": {"device": "cpu", **opening}, "tracking": tracking, "seeds": [], "logs": "logs"}
        terms = Terms(count, opened, said.append, lost, study_of=lambda _task: 0)
        ray.gpus = ["0"] if room[1] else []
        engine = module.RayWorkers(terms, address="auto", room=module.Room(*room), facts=facts)
        return SimpleNamespace(engine=engine, said=said, ray=ray)

    yield make
    sys.modules.pop("lth.study.engine.ray", None)


def submitted(cluster, *keys):
    for key in keys:
        task = Task(key, Place.imp(0), ())
        cluster.engine.submit(task, adopt=False, fresh=False, runs={"need": "run-0"})


def outcome(cluster):
    found = cluster.engine.outcome(0)
    while found is None:
        found = cluster.engine.outcome(0)
    return found


def asked_for(cluster):
    return [
        (pending.options["num_cpus"], pending.options["num_gpus"])
        for pending in cluster.ray.sent
        if pending.options["function"] == "_do"
    ]


@pytest.mark.parametrize(
    ("nodes", "room", "count"),
    [
        ([{"CPU": 2.0}], (1, 0.0), 2),
        ([{"CPU": 8.0}, {"CPU": 4.0}], (4, 0.0), 3),
        ([{"CPU": 8.0}, {"CPU": 1.0}], (4, 0.0), 2),
        ([{"CPU": 8.0, "GPU": 2.0}], (1, 1.0), 2),
        ([{"CPU": 8.0, "GPU": 2.0}, {"CPU": 64.0}], (1, 0.25), 8),
        ([{"CPU": 3.0, "GPU": 2.0}], (1, 0.5), 3),
    ],
)
def test_there_are_as_many_workers_as_nodes_have_room_for(cluster, nodes, room, count):
    assert cluster(*nodes, room=room).engine.free == count


@pytest.mark.parametrize(("nodes", "room"), [([{"CPU": 2.0}], (4, 0.0)), ([{"CPU": 8.0}], (1, 0.5))])
def test_a_cluster_without_room_for_a_task_is_refused(cluster, nodes, room):
    with pytest.raises(InputError, match=f"no node of the Ray cluster has {room[0]} CPU"):
        cluster(*nodes, room=room)


@pytest.mark.parametrize(
    ("opening", "said"),
    [
        ({"broken": True}, "node 10.0.0.1 can't open the study: data_dir is not there"),
        ({"data": "91"}, "node 10.0.0.1 would come to other results: its data is 91, and not 3f"),
        ({"device": "cuda"}, "node 10.0.0.1 would come to other results: its device is cuda, and not cpu"),
    ],
)
def test_a_node_that_would_come_to_something_else_is_refused_before_any_task(cluster, opening, said):
    with pytest.raises(InputError) as refused:
        cluster(**opening)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
    assert CLUSTERS[-1].begun == {}, "the cluster is left"


def test_several_machines_are_refused_a_store_of_one(cluster):
    with pytest.raises(InputError, match="2 machines can't share an SQLite file"):
        cluster({"CPU": 2.0}, {"CPU": 2.0}, tracking="sqlite:////lab/mlflow.db")


def test_a_task_is_answered_by_its_run_and_what_its_worker_says_is_told(cluster):
    alone = cluster(count=1)
    submitted(alone, "task")
    assert alone.engine.free == 0
    assert outcome(alone).run_id == "run-task"
    assert alone.said == ["[worker 1] at task"]
    assert alone.engine.free == 1


def test_a_task_whose_worker_dies_is_lost_with_the_process_that_was_at_it(cluster):
    from lth.tracking.process import PROCESS, ownership

    alone = cluster(count=1)
    submitted(alone, "die")
    lost = outcome(alone).error
    assert isinstance(lost, LostWorkerError)
    assert str(lost).startswith("worker 1 is lost: the worker died")
    assert lost.process == ownership()[PROCESS]


def test_what_workers_say_is_held_on_the_own_node_which_outlives_the_others(cluster):
    assert cluster().engine._letters.actor_options["scheduling_strategy"] == "own node"


def test_a_task_whose_words_reach_nobody_is_done_all_the_same(cluster):
    alone = cluster(count=1)
    alone.engine._letters.is_gone = True
    submitted(alone, "task")
    assert outcome(alone).run_id == "run-task"


def test_an_error_of_a_task_is_one_of_its_kind(cluster):
    alone = cluster(count=1)
    submitted(alone, "fault")
    assert isinstance(outcome(alone).error, RemoteFaultError)


def test_all_that_is_under_way_is_cancelled(cluster):
    two = cluster(count=2)
    submitted(two, "one", "two")
    two.engine.cancel()
    assert len(two.ray.cancelled) == 2
    assert two.engine.free == 2
    assert two.said[-1] == "interrupting: 2 tasks keep their progress, which may take up to 60 s"


class Ended:
    """A process of the cluster, after a signal that reached it too."""

    def is_running(self):
        return False


@pytest.mark.parametrize("process", [None, f"{ownership()[PROCESS].split()[0]} 999999999 1.0"])
def test_of_a_cluster_that_ended_by_the_same_signal_no_answer_is_waited_for(cluster, process):
    two = cluster(count=2)
    submitted(two, "one", "two")
    two.ray.is_down, two.engine._parts = True, {Ended()}
    of = two.engine._under_way
    of.update({result: replace(each, process=process) for result, each in of.items()})
    before = len(two.ray.cancelled)
    two.engine.cancel()
    assert len(two.ray.cancelled) == before + 2, "none had to be killed"
    assert two.engine.free == 2


def test_a_task_that_keeps_its_progress_is_waited_for_though_its_cluster_ended(cluster, monkeypatch):
    alone = cluster(count=1)
    submitted(alone, "one")
    monkeypatch.setattr(sys.modules["lth.study.engine.ray"], "SECONDS_TO_END", 0.05)
    alone.ray.is_down, alone.engine._parts = True, {Ended()}
    of = alone.engine._under_way
    of.update({result: replace(each, process=ownership()[PROCESS]) for result, each in of.items()})
    alone.engine.cancel()
    assert len(alone.ray.cancelled) == 2, "asked first, and killed at the end"


@pytest.mark.parametrize("share", [0.25, 0.5, 1.0])
def test_a_task_asks_for_its_part_of_a_gpu_and_is_held_to_that_on_the_gpu_it_was_given(cluster, share):
    alone = cluster({"CPU": 8.0, "GPU": 1.0}, count=1, room=(1, share), device="cuda")
    submitted(alone, "task")
    assert outcome(alone).run_id == "run-task"
    assert asked_for(alone) == [(1, share)]
    assert set(HELD) == {(share, "cuda:0")}


@pytest.mark.parametrize("share", [0.25, 0.5])
def test_a_task_that_does_not_fit_into_its_part_gets_a_whole_gpu_before_any_other_is_begun(cluster, share):
    two = cluster({"CPU": 8.0, "GPU": 1.0}, count=2, room=(1, share), device="cuda")
    submitted(two, "large")
    assert two.engine.outcome(0) is None
    assert two.engine.free == 0, "another could take a part of the GPU that it waits for"
    assert outcome(two).run_id == "run-large"
    assert asked_for(two) == [(1, share), (1, 1.0)]
    assert f"dense does not fit into {share:g} of a GPU: it gets one of its own" in two.said
    assert two.engine.free == 2


def test_a_task_that_does_not_fit_into_a_whole_gpu_has_failed(cluster):
    alone = cluster({"CPU": 8.0, "GPU": 1.0}, count=1, room=(1, 0.5), device="cuda")
    submitted(alone, "too large")
    assert isinstance(outcome(alone).error, OutOfMemoryError)
    assert asked_for(alone) == [(1, 0.5), (1, 1.0)]


def test_memory_that_does_not_suffice_on_a_cpu_is_not_asked_for_again(cluster):
    alone = cluster(count=1)
    submitted(alone, "too large")
    assert isinstance(outcome(alone).error, OutOfMemoryError)
    assert asked_for(alone) == [(1, 0.0)]
