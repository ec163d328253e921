import json
import math
import typing
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lth.setting.amount import Amount
from lth.setting.preset import PRESETS
from lth.setting.setting import (
    AnalysisSetting,
    Augmentation,
    DataSetting,
    DirectionNorm,
    MatchedLoss,
    Precision,
    PruningSetting,
    Setting,
    Snapshots,
    TrainingSetting,
    Vectors,
    setting_from_flat,
    with_overrides,
)
from lth.setting.step import Step
from lth.training.schedule import resolve_schedule

DIGITS = PRESETS["digits"]
POSITIVE = st.floats(1e-12, 1e12)
NAMES = st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=1, max_size=12)
STEPS = st.builds(Step, st.integers(0, 10**9), st.sampled_from(["it", "ep"]))
WORDS = NAMES.filter(lambda name: name != "none")  # which spells that there is no name
AMOUNTS = st.builds(Amount, st.none() | st.integers(1, 10**9) | st.floats(1e-12, 1))
SETTINGS = st.builds(
    Setting,
    preset=st.sampled_from(sorted(PRESETS)),
    network=NAMES,
    seed=st.integers(0, 2**31 - 1),
    data=st.builds(DataSetting, NAMES, AMOUNTS, st.sampled_from(typing.get_args(Augmentation))),
    training=st.builds(
        TrainingSetting,
        epochs=st.integers(1, 10**6),
        batch_size=st.integers(2, 10**6),
        lr=POSITIVE,
        momentum=st.floats(0, 1, exclude_max=True),
        weight_decay=st.just(0.0) | POSITIVE,
        milestones=st.lists(STEPS, max_size=4).map(tuple),
        rewind_step=STEPS,
        fine_tune_epochs=st.integers(1, 1000),
        fine_tune_lr=st.none() | POSITIVE,
        precision=st.sampled_from(typing.get_args(Precision)),
        trajectory=st.sampled_from(typing.get_args(Snapshots)),
    ),
    pruning=st.builds(PruningSetting, st.floats(0, 1, exclude_min=True, exclude_max=True), st.integers(1, 100)),
    analysis=st.builds(
        AnalysisSetting,
        k=st.integers(1, 1000),
        basis_gib=st.floats(0.01, 1e4),
        second_k=st.floats(0, 1, exclude_min=True, exclude_max=True),
        trace_probes=st.integers(2, 1000),
        density_probes=st.integers(2, 1000),
        density_steps=st.integers(1, 1000),
        volume_directions=st.integers(2, 1000),
        mass_draws=st.integers(8, 1000),
        mass_window=st.floats(0.01, 2),
        hessian_examples=AMOUNTS,
        directions=st.integers(2, 1000),
        direction_norm=st.sampled_from(typing.get_args(DirectionNorm)),
        cutoff_margin=POSITIVE,
        points=st.integers(3, 1000),
        grid=st.integers(3, 1000),
        plane=st.lists(WORDS, min_size=3, max_size=3, unique=True).map(tuple),
        every_level=st.lists(WORDS, max_size=4).map(tuple),
        matched_loss=st.sampled_from(typing.get_args(MatchedLoss)),
        halvings=st.integers(0, 6),
        vectors=st.sampled_from(typing.get_args(Vectors)),
        loss_margin=POSITIVE,
        error_margin=st.floats(0, 1, exclude_min=True, exclude_max=True),
    ),
)


@given(SETTINGS)
def test_a_setting_survives_being_written_as_text(setting):
    assert setting_from_flat(json.loads(json.dumps(setting.flat()))) == setting


@given(SETTINGS)
def test_a_setting_typed_as_text_is_the_same_setting(setting):
    typed = setting.flat()
    preset = typed.pop("preset")
    base = PRESETS[preset]
    assert with_overrides(base, typed) == setting


def test_no_two_stages_share_a_parameter_name():
    stages = (DataSetting, TrainingSetting, PruningSetting, AnalysisSetting)
    names = [name for stage in stages for name in stage.__dataclass_fields__] + ["preset", "seed", "network"]
    assert len(names) == len(set(names)) == len(DIGITS.flat())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("seed", -1),
        ("seed", 2**31),
        ("seed", "one"),
        ("network", " "),
        ("network", "resnet\n20"),
        ("dataset", ""),
        ("train_examples", "0"),
        ("train_examples", "1.5"),
        ("augmentation", "flip"),
        ("epochs", "0"),
        ("epochs", "2.5"),
        ("batch_size", "0"),
        ("lr", "0"),
        ("lr", "-0.1"),
        ("lr", "nan"),
        ("lr", "inf"),
        ("lr", "fast"),
        ("momentum", "1"),
        ("momentum", "-0.1"),
        ("weight_decay", "-0.5"),
        ("milestones", "80ep,x"),
        ("rewind_step", "soon"),
        ("rewind_step", "-1"),
        ("fine_tune_epochs", 0),
        ("fine_tune_lr", "0"),
        ("fine_tune_lr", "first"),
        ("precision", "fp16"),
        ("trajectory", "all"),
        ("prune_fraction", "0"),
        ("prune_fraction", "1"),
        ("levels", "0"),
        ("levels", "101"),
        ("k", "0"),
        ("hessian_examples", "-5"),
        ("directions", "1"),
        ("direction_norm", "layer"),
        ("cutoff_margin", "0"),
        ("points", "2"),
        ("grid", "2"),
        ("second_k", "0"),
        ("second_k", "1"),
        ("second_k", "nan"),
        ("second_k", "half"),
        ("trace_probes", "1"),
        ("trace_probes", "2.5"),
        ("density_probes", "1"),
        ("density_steps", "0"),
        ("volume_directions", "1"),
        ("mass_draws", "7"),
        ("mass_window", "0"),
        ("plane", "0,last"),
        ("plane", "0,last,last"),
        ("plane", "0,1,2,last"),
        ("plane", "0,0,1,2"),
        ("plane", "0,\t1\x00,last"),
        ("every_level", "one_\x1bshot"),
        ("loss_margin", "0"),
        ("loss_margin", "-0.1"),
        ("loss_margin", "inf"),
        ("error_margin", "0"),
        ("error_margin", "1"),
        ("error_margin", "2%"),
    ],
)
def test_a_bad_value_raises_and_names_parameter_and_value(name, value):
    with pytest.raises(ValueError, match=f"^{name}=") as raised:
        with_overrides(DIGITS, {name: value})
    assert str(value).strip() in str(raised.value) or repr(value) in str(raised.value)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("second_k", 1.5, r"second_k=1\.5 is out of range; expected a share of k, in \(0, 1\)"),
        ("second_k", math.nan, "second_k=nan is out of range"),
        ("trace_probes", 1, r"trace_probes=1 is out of range; expected at least 2 \(a standard error\)"),
        (
            "plane",
            ("0", "last"),
            "plane=0,last is out of range; expected three solutions, such as 0,last,one_shot",
        ),
        ("plane", ("0", "0", "1", "2"), "plane=0,0,1,2 is out of range; expected three solutions"),
        ("plane", (), "plane= is out of range; expected three solutions"),
        ("loss_margin", math.inf, "loss_margin=inf is out of range; expected positive"),
        ("error_margin", 1.0, r"error_margin=1\.0 is out of range; expected a number in \(0, 1\)"),
        ("error_margin", -0.5, r"error_margin=-0\.5 is out of range; expected a number in \(0, 1\)"),
    ],
)
def test_a_measuring_value_out_of_range_is_named_beside_what_is_expected(name, value, expected):
    with pytest.raises(ValueError, match=f"^{expected}"):
        AnalysisSetting(**{name: value})


@pytest.mark.parametrize(
    ("name", "written", "read", "spelled"),
    [
        ("plane", "0, last ,one_shot", ("0", "last", "one_shot"), "0,last,one_shot"),
        ("plane", ["1", "2", "3"], ("1", "2", "3"), "1,2,3"),
        ("every_level", "none", (), "none"),
        ("every_level", (), (), "none"),
        ("every_level", "one_shot", ("one_shot",), "one_shot"),
        ("every_level", "one_shot,fine_tune", ("one_shot", "fine_tune"), "one_shot,fine_tune"),
        ("every_level", ("fine_tune", "one_shot"), ("fine_tune", "one_shot"), "fine_tune,one_shot"),
    ],
)
def test_a_list_of_names_is_read_with_commas_and_none_is_an_empty_one(name, written, read, spelled):
    found = with_overrides(DIGITS, {name: written})
    assert getattr(found.analysis, name) == read
    assert found.flat()[name] == spelled
    assert setting_from_flat(found.flat()) == found


@pytest.mark.parametrize(
    ("k", "share", "cut"),
    [(100, 0.5, 50), (30, 0.5, 15), (100, 0.999, 100), (1, 0.5, 1), (7, 0.01, 1), (10, 0.33, 3)],
)
def test_the_second_cut_is_a_share_of_k_and_at_least_one(k, share, cut):
    assert AnalysisSetting(k=k, second_k=share).second_cut == cut


NEW = (
    "basis_gib",
    "second_k",
    "trace_probes",
    "density_probes",
    "density_steps",
    "volume_directions",
    "mass_draws",
    "mass_window",
    "align_points",
    "layers",
    "layer_k",
    "plane",
    "every_level",
    "matched_loss",
    "vectors",
    "halvings",
    "beyond",
    "rho",
    "loss_margin",
    "error_margin",
)


# What that version did, which had no such parameters of training.
AS_BEFORE = {
    "compile": "off",
    "epoch_examples": "all",
    "image_size": "none",
    "scope": "global",
    "rewind": "weights",
    "prune_layers": "default",
    "loss": "cross_entropy",
    "label_smoothing": "0.0",
    "metric": "auto",
    "optimizer": "sgd",
    "nesterov": "off",
    "betas": "0.9,0.999",
    "schedule": "milestones",
    "warmup": "0",
    "grad_clip": "none",
    "sam_rho": "0.0",
}


def without(*names: str) -> dict[str, str]:
    return {name: text for name, text in DIGITS.flat().items() if name not in names}


def test_a_setting_of_the_version_before_is_read_with_defaults_for_what_it_did_not_know():
    found, default = setting_from_flat(without(*NEW)), AnalysisSetting()
    for name in NEW:
        assert getattr(found.analysis, name) == getattr(default, name)
    assert found == DIGITS  # which departs from no default among the new


@pytest.mark.parametrize("name", NEW)
def test_what_is_written_counts_and_only_what_is_missing_takes_its_default(name):
    others = {
        "basis_gib": "5.0",
        "second_k": "0.25",
        "trace_probes": "7",
        "density_probes": "7",
        "density_steps": "7",
        "volume_directions": "7",
        "mass_draws": "9",
        "mass_window": "0.3",
        "align_points": "7",
        "layers": "fc",
        "layer_k": "7",
        "plane": "1,2,3",
        "every_level": "one_shot",
        "matched_loss": "on",
        "vectors": "on",
        "halvings": "2",
        "beyond": "density",
        "rho": "0.3",
        "loss_margin": "0.5",
        "error_margin": "0.25",
    }
    found = setting_from_flat({**DIGITS.flat(), **others, "k": "3"} | {name: DIGITS.flat()[name]})
    shorter = {**DIGITS.flat(), **others, "k": "3"}
    del shorter[name]
    assert setting_from_flat(shorter) == found
    assert found.analysis.k == 3


@pytest.mark.parametrize("name", AS_BEFORE)
def test_a_training_of_the_version_before_is_read_as_what_that_version_did(name):
    assert setting_from_flat(without(name)).flat() == {**DIGITS.flat(), name: AS_BEFORE[name]}


def test_measuring_fields_may_all_be_missing():
    measuring = tuple(AnalysisSetting.__dataclass_fields__)
    assert setting_from_flat(without(*measuring)).analysis == AnalysisSetting()


@pytest.mark.parametrize(
    "name",
    [
        "preset",
        "seed",
        "network",
        *(name for name in DataSetting.__dataclass_fields__ if name not in AS_BEFORE),
        *(name for name in TrainingSetting.__dataclass_fields__ if name not in AS_BEFORE),
        *(name for name in PruningSetting.__dataclass_fields__ if name not in AS_BEFORE),
    ],
)
def test_what_decides_the_weights_may_not_be_missing(name):
    with pytest.raises(ValueError, match=f"not a setting of this version of lth: {name} missing or unknown"):
        setting_from_flat(without(name, *NEW))  # what may be missing is not accused


def test_a_measuring_field_of_a_later_version_is_unknown():
    with pytest.raises(ValueError, match="of lth: third_k missing or unknown"):
        setting_from_flat({**without("second_k"), "third_k": "0.1"})


def test_every_parameter_but_the_preset_can_be_overridden():
    assert with_overrides(DIGITS, {k: v for k, v in DIGITS.flat().items() if k != "preset"}) == DIGITS


def test_an_unknown_parameter_raises_and_lists_those_that_exist():
    with pytest.raises(ValueError, match=r"'qwertz' is not a parameter; known are seed, .*\blr\b"):
        with_overrides(DIGITS, {"qwertz": 1})


def test_overrides_leave_everything_else_alone():
    changed = with_overrides(DIGITS, {"lr": "0.3", "seed": "7", "milestones": "none", "fine_tune_lr": "last"})
    expected = {**DIGITS.flat(), "lr": "0.3", "seed": "7", "milestones": "none", "fine_tune_lr": "last"}
    assert changed.flat() == expected
    assert changed.training.milestones == ()
    assert changed.training.fine_tune_lr is None


@pytest.mark.parametrize("content", [{}, {"lr": "0.1"}, {**DIGITS.flat(), "sparsity": "1"}])
def test_text_with_missing_or_unknown_fields_is_no_setting(content):
    with pytest.raises(ValueError, match="not a setting of this version of lth"):
        setting_from_flat(content)


def test_text_with_a_bad_value_names_it():
    with pytest.raises(ValueError, match=r"prune_fraction=2\.0 is out of range"):
        setting_from_flat({**DIGITS.flat(), "prune_fraction": "2"})
    with pytest.raises(ValueError, match=r"epochs='2\.5'"):
        setting_from_flat({**DIGITS.flat(), "epochs": "2.5"})


@given(st.sampled_from(sorted(set(DIGITS.flat()) - {"preset"})), st.text(max_size=12))
def test_any_text_for_any_parameter_is_read_back_or_refused_by_name(name, written):
    refusal, found = "", DIGITS
    try:
        found = with_overrides(DIGITS, {name: written})
    except ValueError as error:
        refusal = str(error)
    assert refusal == "" or name in refusal
    assert with_overrides(DIGITS, {name: found.flat()[name]}) == found


@pytest.mark.parametrize(("name", "value"), [("milestones", "15ep,23ep"), ("rewind_step", "9ep")])
def test_a_place_beyond_a_short_training_is_told_that_shares_fit_any(name, value):
    training = with_overrides(DIGITS, {"epochs": "4", name: value}).training
    with pytest.raises(ValueError, match=r"share"):
        resolve_schedule(training, 40)


@pytest.mark.parametrize("epochs", range(1, 9))
@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_fits_a_training_of_any_length(preset, epochs):
    training = with_overrides(PRESETS[preset], {"epochs": epochs}).training
    schedule = resolve_schedule(training, 1437 if preset == "digits" else 200_000)
    places = (0, *schedule.milestones, schedule.num_iterations)
    assert all(before < after for before, after in pairwise(places))
