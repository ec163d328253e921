import json
from pathlib import Path

import pytest

from lth.plan.jobs import DensityJob, level_jobs, places, study_jobs
from lth.plan.keys import TaskKeys
from lth.plan.place import Place, Point
from lth.setting.network import NetworkSpec
from lth.setting.setting import setting_from_flat

KEPT = json.loads((Path(__file__).parent.parent / "stored" / "keys_of_version_1.json").read_text())


@pytest.mark.parametrize("study", KEPT)
def test_every_task_of_a_study_has_the_key_it_had(study):
    kept = KEPT[study]
    setting = setting_from_flat(kept["setting"])
    keys = TaskKeys(setting, NetworkSpec.from_json(kept["network"]), kept["data_digest"])
    last = setting.pruning.levels
    found = {place.name: keys.solution(place) for place in places(last, ["random_init"])}
    jobs = [*study_jobs(last, setting.analysis), DensityJob(Point.at(Place.imp(last)))]
    found |= {job.name: keys.measurement(job) for job in jobs}
    found |= {
        f"analysis of level {level}": keys.analysis(level, level_jobs(level)) for level in range(last + 1)
    }
    found |= {"measurements": keys.measurements(), "evidence": keys.evidence(), "study": keys.study()}
    assert found == {name: task["key"] for name, task in kept["tasks"].items()}
