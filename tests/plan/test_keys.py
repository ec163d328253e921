from dataclasses import replace

import pytest

from lth.plan.computing import Computing
from lth.plan.jobs import BEYOND, MEASURES, Job, Measure, chosen, study_jobs
from lth.plan.keys import ALGORITHM_VERSION, TaskKeys, content_key, entering
from lth.plan.place import BASELINES, Place
from lth.setting import parameter
from lth.setting.network import NetworkSpec
from lth.setting.parameter import BY_NAME, PARAMETERS, Parameter
from lth.setting.preset import resolve

FP32, BF16 = Computing("fp32", compiled=False), Computing("bf16", compiled=False)
SPEC = NetworkSpec("resnet8-w8", (1, 8, 8), 10)
OTHERWISE = {
    "seed": "1",
    "train_examples": "0.5",
    "augmentation": "none",
    "epochs": "31",
    "batch_size": "32",
    "lr": "0.2",
    "momentum": "0.8",
    "weight_decay": "0.001",
    "milestones": "none",
    "rewind_step": "7",
    "fine_tune_epochs": "2",
    "fine_tune_lr": "0.01",
    "epoch_examples": "0.5",
    "trajectory": "none",
    "loss": "mse",
    "label_smoothing": "0.1",
    "metric": "r2",
    "optimizer": "adamw",
    "nesterov": "on",
    "betas": "0.9,0.95",
    "schedule": "cosine",
    "warmup": "1ep",
    "grad_clip": "1.0",
    "sam_rho": "0.05",
    "prune_fraction": "0.3",
    "scope": "layer",
    "prune_layers": "-last",
    "k": "3",
    "basis_gib": "5.0",
    "second_k": "0.3",
    "vectors": "on",
    "trace_probes": "3",
    "density_probes": "3",
    "density_steps": "3",
    "volume_directions": "30",
    "mass_draws": "8",
    "mass_window": "0.2",
    "align_points": "5",
    "layers": "each,conv+fc",
    "layer_k": "4",
    "hessian_examples": "3",
    "directions": "3",
    "rho": "0.3",
    "direction_norm": "plain",
    "rewind": "lr",
    "own_method": "own_methods:first_weights",
    "cutoff_margin": "0.3",
    "points": "5",
    "grid": "5",
    "loss_margin": "0.3",
    "error_margin": "0.3",
}


def keys_of(computing: Computing = FP32, **overrides: str) -> TaskKeys:
    return TaskKeys(resolve("digits", {"levels": "2", **overrides}), SPEC, "digest", computing)


def job_of(measure: Measure) -> Job:
    every = keys_of(matched_loss="on", vectors="on", halvings="2", beyond=",".join(BEYOND)).setting.analysis
    return chosen(study_jobs(2, every), [measure])[-1]


def test_key_depends_on_content_and_not_on_its_order():
    assert content_key({"a": 1, "b": [1, 2]}) == content_key({"b": [1, 2], "a": 1})
    assert content_key({"a": 1}) != content_key({"a": 2})
    assert content_key({"a": 1}) != content_key({"a": "1"})
    assert len(content_key({})) == 64


def test_key_depends_on_the_version_of_the_algorithms(monkeypatch):
    before = content_key({"a": 1})
    monkeypatch.setattr("lth.plan.keys.ALGORITHM_VERSION", 10**6)
    assert content_key({"a": 1}) != before


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_json_cannot_write_raises(value):
    with pytest.raises(ValueError, match="JSON"):
        content_key({"a": value})


def test_an_object_json_cannot_write_raises():
    with pytest.raises(TypeError, match="JSON"):
        content_key({"a": object()})


def test_every_parameter_that_enters_keys_by_its_value_is_tried_here():
    by_value = {row.name for row in PARAMETERS if set(row.decides) - {"problem", "plan"}}
    assert set(OTHERWISE) == by_value - {"precision", "compile"}  # which enter as what they come to


@pytest.mark.parametrize("name", OTHERWISE)
@pytest.mark.parametrize("measure", MEASURES)
def test_a_measurement_has_another_key_exactly_if_a_parameter_decides_it_or_its_solutions(measure, name):
    job = job_of(measure)
    decides = set(BY_NAME[name].decides)
    through = {"solutions", "sparse"} | ({"fine_tune"} if Place("fine_tune", 2) in job.needs else set())
    changed = keys_of().measurement(job) != keys_of(**{name: OTHERWISE[name]}).measurement(job)
    assert changed == bool(decides & {measure, *through})


@pytest.mark.parametrize("name", OTHERWISE)
@pytest.mark.parametrize("place", [Place.imp(0), Place.imp(2), Place("one_shot", 2), Place("fine_tune", 2)])
def test_a_solution_has_another_key_exactly_if_a_parameter_decides_its_weights(place, name):
    deciding = {"solutions"} | ({"sparse"} if place.level > 0 else set())
    deciding |= {"fine_tune"} if place.kind == "fine_tune" else set()
    changed = keys_of().solution(place) != keys_of(**{name: OTHERWISE[name]}).solution(place)
    assert changed == bool(deciding & set(BY_NAME[name].decides))


@pytest.mark.parametrize(
    "name", [*OTHERWISE, "levels", "plane", "every_level", "matched_loss", "methods", "beyond"]
)
def test_every_parameter_decides_the_report_which_prints_it(name):
    other = {**OTHERWISE, "levels": "3", "plane": "0,1,2", "every_level": "one_shot"}
    other |= {"matched_loss": "on", "methods": "snip", "beyond": "density"}
    assert keys_of().evidence() != keys_of(**{name: other[name]}).evidence()


def test_the_rewind_of_a_chain_decides_its_keys_and_that_of_weights_leaves_them_as_they_were():
    keys = {
        name: keys_of(**overrides).solution(Place.imp(1))
        for name, overrides in {
            "before": {},
            "weights": {"rewind": "weights"},
            "lr": {"rewind": "lr"},
            "none": {"rewind": "none"},
            "none, longer": {"rewind": "none", "fine_tune_epochs": 9},
        }.items()
    }
    assert keys["before"] == keys["weights"]
    assert len(set(keys.values())) == 4
    assert keys_of(rewind="lr").solution(Place.imp(0)) == keys_of().solution(Place.imp(0))


@pytest.mark.parametrize("kind", ["imp", *BASELINES])
def test_auto_is_hashed_as_what_it_comes_to(kind):
    place = Place(kind, 2)
    auto = {computing: keys_of(computing, precision="auto").solution(place) for computing in (FP32, BF16)}
    assert auto[FP32] != auto[BF16]
    assert auto[BF16] == keys_of(BF16, precision="bf16").solution(place)
    assert auto[FP32] == keys_of(FP32, compile="off").solution(place)
    assert auto[FP32] != keys_of(Computing("fp32", compiled=True)).solution(place)


def test_a_study_in_another_format_is_another_study():
    assert keys_of(FP32, precision="auto").study() != keys_of(BF16, precision="auto").study()


@pytest.mark.parametrize("content", [{"data_digest": "other"}, {"network_code": "code"}])
def test_other_data_and_other_code_are_another_result_of_every_task(content):
    keys, other = keys_of(), replace(keys_of(), **content)
    assert keys.solution(Place.imp(0)) != other.solution(Place.imp(0))
    assert keys.measurement(job_of("distances")) != other.measurement(job_of("distances"))


def test_levels_taken_from_elsewhere_are_the_parents_of_what_follows():
    keys = replace(keys_of(), given=("a", "b"))
    assert keys.ancestors(2) == ("a", "b")
    assert keys.solution(Place.imp(2)) != keys_of().solution(Place.imp(2))
    assert keys.former.solution(Place.imp(1)) == "b"


def younger(monkeypatch, since: int, default: str = "sgd") -> Parameter:
    """Add a parameter of a later version, by which solutions are trained."""
    row = Parameter("optimiser", "training", str, "", decides=("solutions",), default=default, since=since)
    monkeypatch.setitem(parameter.BY_NAME, row.name, row)
    return row


def test_a_parameter_added_later_does_not_enter_a_key_while_it_is_what_was_done_before(monkeypatch):
    younger(monkeypatch, since=ALGORITHM_VERSION + 1)
    assert entering({"lr": "0.1", "optimiser": "sgd"}) == {"lr": "0.1"}
    assert entering({"lr": "0.1", "optimiser": "adam"}) == {"lr": "0.1", "optimiser": "adam"}


def test_from_the_next_version_on_it_enters_whatever_it_is(monkeypatch):
    younger(monkeypatch, since=ALGORITHM_VERSION + 1)
    assert entering({"optimiser": "sgd"}, version=ALGORITHM_VERSION + 1) == {"optimiser": "sgd"}


def test_what_was_done_before_may_differ_from_the_default(monkeypatch):
    row = replace(younger(monkeypatch, since=ALGORITHM_VERSION + 1, default="adam"), before="sgd")
    monkeypatch.setitem(parameter.BY_NAME, row.name, row)
    assert entering({"optimiser": "sgd"}) == {}
    assert entering({"optimiser": "adam"}) == {"optimiser": "adam"}


def test_there_is_no_former_key_of_what_version_1_could_not_do(monkeypatch):
    assert keys_of().former is not None
    row = replace(BY_NAME["trajectory"], since=ALGORITHM_VERSION + 1)
    monkeypatch.setitem(parameter.BY_NAME, row.name, row)
    assert keys_of(trajectory="log").former is not None
    assert keys_of(trajectory="every").former is None


def test_the_code_of_an_own_method_decides_its_own_solution_and_no_other():
    keys = [replace(keys_of(own_method="mine:way"), codes={"own_method": code}) for code in ("one", "two")]
    own, imp = ([each.solution(place) for each in keys] for place in (Place("own_method", 2), Place.imp(2)))
    assert own[0] != own[1]
    assert imp == [keys_of().solution(Place.imp(2))] * 2
