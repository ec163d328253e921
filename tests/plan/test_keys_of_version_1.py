import json
from pathlib import Path

import pytest

from lth.plan.computing import Computing
from lth.plan.former_keys import FormerKeys, computing_of, counts
from lth.plan.jobs import DensityJob, level_jobs, places, study_jobs
from lth.plan.keys import TaskKeys
from lth.plan.place import Place, Point
from lth.setting.network import NetworkSpec
from lth.setting.setting import setting_from_flat

KEPT = json.loads((Path(__file__).parent.parent / "stored" / "keys_of_version_1.json").read_text())
FP32, BF16 = Computing("fp32", compiled=False), Computing("bf16", compiled=False)


@pytest.mark.parametrize("study", KEPT)
def test_every_task_of_a_study_has_the_key_it_had(study):
    kept = KEPT[study]
    setting = setting_from_flat(kept["setting"])
    keys = FormerKeys(setting, NetworkSpec.from_json(kept["network"]), kept["data_digest"])
    last = setting.pruning.levels
    found = {place.name: keys.solution(place) for place in places(last, ["random_init"])}
    jobs = [*study_jobs(last, setting.analysis), DensityJob(Point.at(Place.imp(last)))]
    found |= {job.name: keys.measurement(job) for job in jobs}
    found |= {
        f"analysis of level {level}": keys.analysis(level, level_jobs(level)) for level in range(last + 1)
    }
    found |= {"measurements": keys.measurements(), "evidence": keys.evidence(), "study": keys.study()}
    assert found == {name: task["key"] for name, task in kept["tasks"].items()}


@pytest.mark.parametrize("computing", [FP32, BF16])
@pytest.mark.parametrize("study", KEPT)
def test_the_keys_of_now_know_the_former_ones_of_the_same_study(study, computing):
    kept = KEPT[study]
    setting, spec = setting_from_flat(kept["setting"]), NetworkSpec.from_json(kept["network"])
    former = TaskKeys(setting, spec, kept["data_digest"], computing).former
    assert former is not None
    assert former.study() == kept["tasks"]["study"]["key"]


def test_a_former_key_of_own_code_is_of_the_digest_that_was_taken_then():
    kept = KEPT["digits"]
    setting, spec = setting_from_flat(kept["setting"]), NetworkSpec.from_json(kept["network"])
    keys = TaskKeys(
        setting, spec, kept["data_digest"], FP32, network_code="all", former_network_code="one file"
    )
    assert keys.former == FormerKeys(setting, spec, kept["data_digest"], "one file")


@pytest.mark.parametrize(
    ("written", "computing"),
    [
        ("torch 2.14.1+cu130, Intel(R) Xeon(R) Processor (AVX512), 1 thread, fp32", FP32),
        ("torch 2.14.1+cu130, Intel(R) Xeon(R) Processor (AVX512), 2 threads, bf16", BF16),
        ("torch 2.14.1, NVIDIA H100 80GB HBM3, bf16, compiled", Computing("bf16", compiled=True)),
        ("torch 2.14.1, a processor, with commas, fp32, compiled", Computing("fp32", compiled=True)),
        ("", None),
        ("compiled", None),
        ("torch 2.14.1, some device, fp16", None),
    ],
)
def test_what_computed_a_former_solution_is_read_off_its_tag(written, computing):
    assert computing_of(written) == computing


@pytest.mark.parametrize("now", [FP32, BF16, Computing("bf16", compiled=True)])
def test_a_former_solution_counts_if_it_was_computed_as_it_would_be_now(now):
    assert counts("torch 2.14.1, a processor, 1 thread, bf16", now) == (now == BF16)


def test_a_former_solution_that_does_not_say_what_computed_it_does_not_count():
    assert not counts(None, FP32)
    assert not counts("by hand", FP32)
