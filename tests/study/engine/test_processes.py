"""Processes that do tasks, with a small program in place of the one that trains."""

import os
import signal
import subprocess
import sys

import pytest

from lth.errors import InputError, MendableError
from lth.plan.place import Place
from lth.plan.tasks import Task
from lth.signals import ENDING, interrupt_on_signals
from lth.study.engine import processes as module
from lth.study.engine.engine import LostWorkerError, OutOfMemoryError, RemoteFaultError, Terms
from lth.study.engine.processes import Processes
from lth.tracking.client import StoreError
from lth.tracking.run import LostRunError

# Answers by the key of the task.
PROGRAM = """
import json, os, signal, sys
from pathlib import Path

def tell(**message):
    print(json.dumps(message), flush=True)

opened = json.loads(sys.stdin.readline())["open"]
if opened.get("broken"):
    tell(unable="there is no experiment")
    sys.exit(1)
tell(ready=True)
for line in sys.stdin:
    asked = json.loads(line)
    what = asked["do"]
    if what == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    elif what == "exit":
        sys.exit(3)
    elif what == "wait":
        tell(said="waiting")
        signal.pause()
    elif what.startswith("error "):
        tell(error=what.split()[1], text="the text", lost_run="run-9", sought="/there")
    elif what == "part":
        tell(run=os.environ["PART"])
    elif what == "share":
        tell(run=os.environ["LTH_GPU_SHARE"])
    elif what == "huge" or what.startswith("large") and os.environ["LTH_GPU_SHARE"] != "1":
        tell(error="memory", text="the memory did not suffice")
    elif what == "until asked":
        Path(opened["pipe"]).read_text()
        tell(run="run-until asked")
    elif what == "refuse":
        tell(run=None)
    else:
        launched = "MLFLOW_RUN_ID" in os.environ
        tell(said=f"study {asked['study']}, fresh {asked['fresh']}, {asked['runs']}, {launched}")
        print("what a library says", flush=True)
        tell(run=f"run-{what}")
"""


def task(key: str) -> Task:
    return Task(key, Place.imp(0), ())


class Bench:
    def __init__(self, count: int, opening: dict[str, object]) -> None:
        self.said: list[str] = []
        lost = lambda run_id, sought: MendableError(f"{run_id} {sought}")  # noqa: E731
        self.engine = Processes(Terms(count, opening, self.said.append, lost, study_of=lambda _task: 1))

    def submit(self, *keys: str) -> None:
        for key in keys:
            self.engine.submit(task(key), adopt=False, fresh=False, runs={"need": "run-0"})

    def outcomes(self, count: int) -> dict[str, object]:
        """Return what became of so many tasks."""
        found = {}
        for _ in range(count):
            outcome = self.engine.outcome(60)
            assert outcome is not None, "nothing within a minute"
            found[outcome.task.key] = outcome.error or outcome.run_id
        return found


@pytest.fixture
def bench(tmp_path, monkeypatch):
    (tmp_path / "small_worker.py").write_text(PROGRAM)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(module, "_PROGRAM", "small_worker")
    monkeypatch.setenv("MLFLOW_RUN_ID", "of the command itself")
    made = []

    def make(count: int, **opening: object) -> Bench:
        made.append(Bench(count, opening))
        return made[-1]

    yield make
    for each in made:
        each.engine.cancel()


@pytest.mark.parametrize("count", [1, 2, 3])
def test_so_many_tasks_are_done_at_once_and_each_is_answered_by_its_run(bench, count):
    several = bench(count)
    keys = [f"task{number}" for number in range(count)]
    assert several.engine.free == count
    several.submit(*keys)
    assert several.engine.free == 0
    assert several.outcomes(count) == {key: f"run-{key}" for key in keys}
    assert several.engine.free == count


class Parts:
    """Stands for GPUs that are shared."""

    def __init__(self, gpus: int = 1, share: float = 0.45) -> None:
        self.ended, self._gpus, self._share = 0, gpus, share

    def environment(self, number: int) -> dict[str, str]:
        return {"PART": f"of {number}", "LTH_GPU_SHARE": f"{self._share:g}"}

    def gpu(self, number: int) -> str:
        return str(number % self._gpus)

    def share(self, _number: int) -> float:
        return self._share

    def end(self) -> None:
        self.ended += 1


def test_each_process_has_its_part_of_a_gpu_also_after_it_died_and_they_are_given_back_at_the_end(bench):
    two, sharing = bench(2), Parts()
    two.engine._sharing = sharing
    two.submit("part", "die")
    assert two.outcomes(2)["part"] == "of 0"
    two.submit("wait")
    two.submit("part")
    assert two.outcomes(1) == {"part": "of 1"}
    assert sharing.ended == 0
    two.engine.cancel()
    assert sharing.ended == 1


@pytest.fixture
def pipe(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    return tmp_path / "pipe"


def test_what_does_not_fit_into_a_part_of_a_gpu_is_done_once_more_with_all_of_it(bench):
    two = bench(2)
    two.engine._sharing = Parts()
    two.submit("task", "large")
    assert two.outcomes(2) == {"task": "run-task", "large": "run-large"}
    assert "dense does not fit into 0.45 of a GPU: it gets one of its own" in two.said
    two.submit("share", "part")
    assert two.outcomes(2) == {"share": "0.45", "part": "of 1"}, "the next has a part again"


def test_it_waits_for_the_others_on_the_gpu_which_gets_no_more_meanwhile(bench, pipe):
    two = bench(2, pipe=str(pipe))
    two.engine._sharing = Parts()
    two.submit("until asked", "large")
    while not any("does not fit" in line for line in two.said):
        assert two.engine.outcome(0.1) is None
    assert two.engine.free == 0
    pipe.write_text("go on")
    assert list(two.outcomes(1)) == ["until asked"]
    assert two.engine.free == 0
    assert two.outcomes(1) == {"large": "run-large"}
    assert two.engine.free == 2


def test_another_gpu_goes_on_meanwhile(bench, pipe):
    four = bench(4, pipe=str(pipe))
    four.engine._sharing = Parts(gpus=2)
    four.submit("until asked", "task", "large")  # the first and the third are on one GPU
    assert four.outcomes(1) == {"task": "run-task"}
    while not any("does not fit" in line for line in four.said):
        assert four.engine.outcome(0.1) is None
    assert four.engine.free == 2
    four.submit("part", "task")
    assert four.outcomes(2) == {"part": "of 1", "task": "run-task"}
    pipe.write_text("go on")
    assert four.outcomes(2) == {"until asked": "run-until asked", "large": "run-large"}


def test_several_that_do_not_fit_have_the_gpu_one_after_the_other(bench):
    three = bench(3)
    three.engine._sharing = Parts(share=0.3)
    three.submit("large1", "large2", "large3")
    assert three.outcomes(3) == {f"large{number}": f"run-large{number}" for number in (1, 2, 3)}


@pytest.mark.parametrize("share", [0.45, 1.0])
def test_what_does_not_fit_into_a_whole_gpu_is_an_error(bench, share):
    two = bench(2)
    two.engine._sharing = Parts(share=share)
    two.submit("huge")
    assert isinstance(two.outcomes(1)["huge"], OutOfMemoryError)
    assert two.engine.free == 2


def test_what_a_worker_says_is_told_with_its_name_and_its_seed_where_there_are_several(bench):
    for seeds, label in (([], "[worker 1]"), (["0", "1"], "[worker 1, seed 1]")):
        alone = bench(1, seeds=seeds)
        alone.submit("task")
        alone.outcomes(1)
        assert alone.said == [f"{label} study 1, fresh False, {{'need': 'run-0'}}, False"]


@pytest.mark.parametrize(("end", "how"), [("die", "was killed by signal 9"), ("exit", "ended with status 3")])
def test_a_worker_that_ends_in_the_midst_of_a_task_is_known_at_once_and_another_does_the_next(bench, end, how):
    alone = bench(1)
    for _ in range(3):
        alone.submit(end)
        (error,) = alone.outcomes(1).values()
        assert isinstance(error, LostWorkerError)
        assert str(error) == f"worker 1 {how}"
    alone.submit("task")
    assert alone.outcomes(1) == {"task": "run-task"}


def test_a_worker_that_ends_disturbs_no_other(bench):
    two = bench(2)
    two.submit("die", "task")
    assert two.outcomes(2)["task"] == "run-task"


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("store", StoreError),
        ("lost_run", LostRunError),
        ("input", InputError),
        ("mendable", MendableError),
        ("fault", RemoteFaultError),
        ("memory", OutOfMemoryError),
    ],
)
def test_an_error_of_a_worker_is_one_of_the_same_kind_here(bench, kind, error):
    alone = bench(1)
    alone.submit(f"error {kind}")
    (found,) = alone.outcomes(1).values()
    assert type(found) is error
    assert str(found).startswith("the text")


def test_a_result_that_a_worker_found_gone_is_named(bench):
    alone = bench(1)
    alone.submit("error lost_result")
    (found,) = alone.outcomes(1).values()
    assert str(found) == "run-9 /there"


def test_a_task_that_others_are_at_is_answered_by_no_run(bench):
    alone = bench(1)
    alone.submit("refuse")
    assert alone.outcomes(1) == {"refuse": None}


def test_workers_that_can_not_begin_end_it_with_their_reason(bench):
    broken = bench(1, broken=True)
    broken.submit("task")
    with pytest.raises(InputError, match="no worker can be started: there is no experiment"):
        broken.engine.outcome(60)


def test_all_are_asked_to_end_and_waited_for(bench):
    two = bench(2)
    two.submit("wait", "wait")
    while len(two.said) < 2:
        assert two.engine.outcome(1) is None
    workers = [worker.process for worker in two.engine._workers.values()]
    two.engine.cancel()
    assert all(worker.poll() is not None for worker in workers)
    assert two.engine.free == 2
    assert two.said[-1] == "interrupting: 2 tasks keep their progress, which may take up to 60 s"


def test_where_nothing_is_under_way_no_progress_is_said_to_be_kept(bench):
    alone = bench(1)
    alone.submit("task")
    alone.outcomes(1)
    said = list(alone.said)
    alone.engine.cancel()
    assert alone.said == said


def test_a_worker_ends_by_itself_where_the_command_that_it_works_for_is_gone():
    """The program that trains itself, whose other end is closed."""
    command = [sys.executable, "-c", "import lth.study.engine.worker as w; w.main()"]
    ended = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=3000)
    assert (ended.returncode, ended.stdout) == (130, b"")


def test_a_signal_of_slurm_interrupts_as_ctrl_c_does():
    before = {number: signal.getsignal(number) for number in ENDING}
    try:
        for number in ENDING:
            interrupt_on_signals()
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(number)
            assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN, "what is being kept goes on"
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
