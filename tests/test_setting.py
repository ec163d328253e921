import json
import typing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lth.amount import Amount
from lth.preset import PRESETS
from lth.setting import (
    AnalysisSetting,
    Augmentation,
    DataSetting,
    DirectionNorm,
    Precision,
    PruningSetting,
    Setting,
    Snapshots,
    TrainingSetting,
    setting_from_flat,
    with_overrides,
)
from lth.step import Step

DIGITS = PRESETS["digits"]
POSITIVE = st.floats(1e-12, 1e12)
NAMES = st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=1, max_size=12)
STEPS = st.builds(Step, st.integers(0, 10**9), st.sampled_from(["it", "ep"]))
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
        hessian_examples=AMOUNTS,
        directions=st.integers(2, 1000),
        direction_norm=st.sampled_from(typing.get_args(DirectionNorm)),
        cutoff_margin=POSITIVE,
        points=st.integers(3, 1000),
        grid=st.integers(3, 1000),
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
        ("batch_size", "1"),
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
    ],
)
def test_a_bad_value_raises_and_names_parameter_and_value(name, value):
    with pytest.raises(ValueError, match=f"^{name}=") as raised:
        with_overrides(DIGITS, {name: value})
    assert str(value).strip() in str(raised.value) or repr(value) in str(raised.value)


def test_every_parameter_but_the_preset_can_be_overridden():
    assert with_overrides(DIGITS, {k: v for k, v in DIGITS.flat().items() if k != "preset"}) == DIGITS


def test_an_unknown_parameter_raises_and_lists_those_that_exist():
    with pytest.raises(ValueError, match=r"'learning_rate' is not a parameter; known are seed, .*\blr\b"):
        with_overrides(DIGITS, {"learning_rate": 1})


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
