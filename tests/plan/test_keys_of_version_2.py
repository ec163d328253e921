import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from lth.plan.computing import Computing
from lth.plan.former_keys import knew
from lth.plan.jobs import (
    CurvatureJob,
    DensityJob,
    Job,
    chosen,
    level_jobs,
    matched_jobs,
    places,
    study_jobs,
    subspace_jobs,
)
from lth.plan.keys import TaskKeys
from lth.plan.place import Place, Point
from lth.setting.network import NetworkSpec
from lth.setting.setting import setting_from_flat, with_overrides

KEPT = json.loads((Path(__file__).parent.parent / "stored" / "keys_of_version_2.json").read_text())


def task_keys(kept: dict[str, object]) -> TaskKeys:
    setting, spec = setting_from_flat(kept["setting"]), NetworkSpec.from_json(kept["network"])
    return TaskKeys(setting, spec, kept["data_digest"], Computing(**kept["computing"]))


def jobs_of(keys: TaskKeys) -> list[Job]:
    last = keys.setting.pruning.levels
    return [*study_jobs(last, keys.setting.analysis), DensityJob(Point.at(Place.imp(last)))]


def found_keys(keys: TaskKeys) -> dict[str, str]:
    """Return the key of every task by a name that is not hashed."""
    last = keys.setting.pruning.levels
    return {
        **{place.name: keys.solution(place) for place in places(last, ["random_init"])},
        **{job.name: keys.measurement(job) for job in jobs_of(keys)},
        **{f"analysis of level {level}": keys.analysis(level, level_jobs(level)) for level in range(last + 1)},
        "measurements": keys.measurements(),
        "evidence": keys.evidence(),
        "study": keys.study(),
    }


@pytest.mark.parametrize("study", KEPT)
def test_every_task_of_a_study_has_the_key_it_had(study):
    kept = KEPT[study]
    assert found_keys(task_keys(kept)) == {name: task["key"] for name, task in kept["tasks"].items()}


@pytest.mark.parametrize("study", KEPT)
def test_what_is_kept_beside_a_key_is_what_it_is_the_hash_of(study):
    for name, task in KEPT[study]["tasks"].items():
        spelled = json.dumps({"algorithm_version": 2, **task["content"]}, sort_keys=True, separators=(",", ":"))
        assert hashlib.sha256(spelled.encode()).hexdigest() == task["key"], name


@pytest.mark.parametrize("study", KEPT)
def test_no_two_tasks_share_a_key(study):
    keys = [task["key"] for task in KEPT[study]["tasks"].values()]
    assert len(set(keys)) == len(keys)


def test_the_words_people_read_can_change_and_keys_do_not(monkeypatch):
    kept = KEPT["digits"]
    keys, jobs = task_keys(kept), jobs_of(task_keys(kept))
    before = [keys.measurement(job) for job in jobs]
    for kind in (Place, Point, *{type(job) for job in jobs}):
        monkeypatch.setattr(kind, "name", property(lambda self: "something else"))
    assert [keys.measurement(job) for job in jobs] == before


@pytest.mark.parametrize("study", KEPT)
def test_measuring_at_one_loss_too_changes_no_key_of_what_was_measured_without(study):
    keys = task_keys(KEPT[study])
    more = replace(keys, setting=with_overrides(keys.setting, {"matched_loss": "on"}))
    without, with_it = found_keys(keys), found_keys(more)
    assert {name for name in with_it if with_it[name] != without.get(name)} - {
        job.name for job in matched_jobs(keys.setting.pruning.levels)
    } == {"evidence"}
    assert more.former is not None
    assert more.former.measurement(DensityJob(Point.at(Place.imp(1)))) == keys.former.measurement(
        DensityJob(Point.at(Place.imp(1)))
    )


@pytest.mark.parametrize("study", KEPT)
def test_keeping_eigenvectors_changes_the_keys_of_spectra_and_of_what_sums_them_up_alone(study):
    keys = task_keys(KEPT[study])
    more = replace(keys, setting=with_overrides(keys.setting, {"vectors": "on"}))
    without, with_it = found_keys(keys), found_keys(more)
    last = keys.setting.pruning.levels
    spectra = {job.name for job in chosen(study_jobs(last, keys.setting.analysis), ["spectra"])}
    sums = {"evidence", *(f"analysis of level {level}" for level in range(last + 1))}
    changed = {name for name in with_it if with_it[name] != without.get(name)}
    assert changed == spectra | sums | {job.name for job in subspace_jobs(last)}
    assert more.former is not None
    trained = Place.imp(1)
    assert more.former.solution(trained) == keys.former.solution(trained)
    point = CurvatureJob(Point.at(trained))
    assert (knew(point, keys.setting.analysis), knew(point, more.setting.analysis)) == (True, False)


@pytest.mark.parametrize(
    ("name", "value", "enters"),
    [
        ("k", "7", True),
        ("directions", "7", True),
        ("hessian_examples", "77", True),
        ("cutoff_margin", "0.7", True),
        ("trajectory", "every", True),
        ("points", "7", False),
        ("direction_norm", "plain", False),
        ("second_k", "0.7", False),
    ],
)
def test_what_is_measured_at_one_loss_is_found_under_what_decides_it(name, value, enters):
    keys = task_keys(KEPT["digits"])
    other = replace(keys, setting=with_overrides(keys.setting, {name: value}))
    for job in matched_jobs(1):
        assert (keys.measurement(job) != other.measurement(job)) == enters
