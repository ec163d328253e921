import json
import sqlite3
import zipfile
from pathlib import Path

import pytest

from lth.plan.computing import Computing
from lth.plan.former_keys import FormerKeys, computing_of, counts
from lth.plan.jobs import DensityJob, level_jobs, places, study_jobs
from lth.plan.keys import TaskKeys
from lth.plan.place import BASELINES, Place, Point
from lth.setting.network import NetworkSpec
from lth.setting.setting import setting_from_flat

STORED = Path(__file__).parent.parent / "stored"
KEPT = json.loads((STORED / "keys_of_version_1.json").read_text())
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


def stored_runs(directory: Path) -> dict[str, dict[str, dict[str, str]]]:
    """Return parameters and tags of every run of the store that version 1 wrote, by its id."""
    with zipfile.ZipFile(STORED / "store_of_version_1.zip") as kept:
        database = sqlite3.connect(kept.extract("mlflow.db", directory))
    runs: dict[str, dict[str, dict[str, str]]] = {}
    for table in ("params", "tags"):
        for run, name, value in database.execute(f"select run_uuid, key, value from {table}"):
            runs.setdefault(run, {"params": {}, "tags": {}})[table][name] = value
    return runs


def test_every_solution_and_measurement_of_a_store_of_before_is_found_by_its_former_key(tmp_path):
    stored = {}  # by key, what computed it
    settings = {}  # by seed, of its study
    for run in stored_runs(tmp_path).values():
        tags, params = run["tags"], {name: text for name, text in run["params"].items() if name != "level"}
        if tags.get("kind") in {"imp", "measurement", *BASELINES}:
            stored[tags["lth.key"]] = tags.get("lth.computed_by")
            digest = tags["data_digest"]
            settings[tags["seed"]] = setting_from_flat({**params, "preset": tags["preset"]})
    found = {}
    for seed, setting in settings.items():
        keys = FormerKeys(setting, NetworkSpec(setting.network, (1, 8, 8), 10), digest)
        for place in places(setting.pruning.levels) if seed == "0" else [Place.imp(0), Place.imp(1)]:
            found[keys.solution(place)] = BF16 if seed == "7" else FP32
            assert counts(stored[keys.solution(place)], found[keys.solution(place)])
        for job in study_jobs(setting.pruning.levels, setting.analysis) if seed == "0" else []:
            found[keys.measurement(job)] = None
    assert found.keys() == stored.keys()
