"""Several plain processes that complete the same study on one store share its tasks."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from tiny_problem import PARAMETERS

from lth.study.open import open_study
from lth.tracking.process import PROCESS
from lth.tracking.store import KEY, Store

ROOT = Path(__file__).parent.parent.parent
_STUDY = """
import json, multiprocessing, sys
import lth
import lth.study.training
from lth.study.desk import StudyDesk
from matplotlib.figure import Figure

lth.study.training.log_solution_model = lambda *_: None  # each takes a second
Figure.savefig = lambda _figure, file, **_options: file.write(b"")  # each half a second

do_task = StudyDesk.do

def work(own, other):
    def do_and_let_other_begin(desk, task, **options):
        run = do_task(desk, task, **options)
        if run is not None:
            own.set()
        if own.is_set():  # else one that is quick leaves nothing to the other
            assert other.wait(1500), "a task is ready, nobody is at it, and the other process does not take it"
        return run

    StudyDesk.do = do_and_let_other_begin
    study = lth.open_study(**json.loads(sys.argv[1]))
    study.complete() if sys.argv[2] == "all" else study.measure_all([sys.argv[2]])

# Importing takes seconds: one process does, and two leave it before it has opened a study.
forks = multiprocessing.get_context("fork")
did = forks.Event(), forks.Event()
processes = [forks.Process(target=work, args=pair) for pair in (did, did[::-1])]
for process in processes:
    process.start()
for process in processes:
    process.join()
assert [process.exitcode for process in processes] == [0, 0]
"""


def needed(task):
    return [each for need in task.needs for each in (need, *needed(need))]


@pytest.mark.parametrize("measures", ["lines", pytest.param("all", marks=pytest.mark.nightly)])
def test_two_processes_share_the_tasks_of_a_study_and_do_none_twice(tracking, measures):
    parameters = {**PARAMETERS, "levels": "1"}
    study = open_study(**parameters, say=[].append)
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", _STUDY, json.dumps(parameters), measures]
    subprocess.run(command, env=environment, check=True, timeout=3000)
    measured = study.tasks.results() if measures == "all" else study.tasks.measurements([measures])
    keys = {task.key for target in measured for task in (target, *needed(target))}
    runs = [run for run in Store().search("attributes.status = 'FINISHED'") if run.data.tags.get(KEY) in keys]
    assert Counter(run.data.tags[KEY] for run in runs) == Counter(keys), "each once"
    assert len({run.data.tags[PROCESS] for run in runs}) == 2, "both worked"
    assert Store().search("attributes.status != 'FINISHED'") == []
    if measures == "all":
        assert study.evidence().runs.keys() == {task.name for task in study.tasks.results()}
