from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

from lth.plan.jobs import Measure
from lth.setting.parameter import BY_NAME, PARAMETERS, Parameter, Result, default_of
from lth.setting.parameter_table import as_markdown
from lth.setting.preset import PRESETS
from lth.setting.setting import (
    AnalysisSetting,
    DataSetting,
    PruningSetting,
    TrainingSetting,
    restricted,
    spelled,
)

DIGITS = PRESETS["digits"]
DOCUMENT = Path(__file__).parent.parent.parent / "docs" / "parameters.md"
MEASURES: tuple[Measure, ...] = get_args(Measure)


@pytest.mark.parametrize("stage", [DataSetting, TrainingSetting, PruningSetting, AnalysisSetting])
def test_the_fields_of_a_stage_are_its_rows_in_their_order(stage):
    rows = [row.name for row in PARAMETERS if row.stage == stage.stage]
    assert list(stage.__dataclass_fields__) == rows


def test_every_parameter_is_declared_once_and_decides_something():
    assert len(BY_NAME) == len(PARAMETERS)
    assert [row.name for row in PARAMETERS if not row.decides] == []


def test_every_measure_is_a_result_that_a_row_can_name():
    assert set(MEASURES) <= set(get_args(Result))


@pytest.mark.parametrize("row", PARAMETERS, ids=lambda row: row.name)
def test_the_defaults_and_choices_of_a_row_fulfil_it(row):
    for choice in row.choices:
        row.check(choice)
    if row.name not in DIGITS.flat() or row.stage == "analysis":
        row.check(default_of(row.name)())


def test_a_parameter_that_every_preset_writes_has_no_default():
    with pytest.raises(KeyError, match="epochs has no default"):
        default_of("epochs")


@pytest.mark.parametrize("measure", MEASURES)
def test_a_measurement_can_read_what_is_declared_to_decide_it_and_nothing_else(measure):
    seen = restricted(DIGITS.analysis, measure)
    assert isinstance(seen, AnalysisSetting)
    for row in PARAMETERS:
        if row.stage != "analysis":
            continue
        if measure in row.decides:
            assert getattr(seen, row.name) == getattr(DIGITS.analysis, row.name)
        else:
            with pytest.raises(AttributeError, match=f"^{row.name} is not declared to decide this result"):
                getattr(seen, row.name)


def test_what_may_not_be_read_says_what_to_add():
    with pytest.raises(AttributeError, match=r"add the result to the `decides` of k in .*/parameter\.py"):
        _ = restricted(DIGITS.analysis, "lines").k


def test_a_name_that_is_no_parameter_is_said_to_be_none():
    with pytest.raises(AttributeError, match="AnalysisSetting has no parameter 'kk'"):
        _ = DIGITS.analysis.kk


def test_a_training_can_read_what_decides_it_and_nothing_else():
    seen = DIGITS.deciding("solutions")
    assert (seen.seed, seen.training.lr, seen.data.augmentation) == (0, 0.1, "crop")
    for stage, name in (
        (seen.training, "fine_tune_epochs"),
        (seen.pruning, "prune_fraction"),
        (seen.pruning, "levels"),
        (seen.analysis, "k"),
        (seen.data, "dataset"),
        (seen, "network"),
    ):
        with pytest.raises(AttributeError, match=f"^{name} is not declared"):
            getattr(stage, name)


@pytest.mark.parametrize("result", get_args(Result))
def test_what_a_result_can_read_is_what_its_key_holds(result):
    seen = DIGITS.deciding(result)
    stages = (seen, seen.data, seen.training, seen.pruning, seen.analysis)
    readable = {name for stage in stages for name in vars(stage) if name in BY_NAME}
    assert readable == set(spelled(DIGITS, result))


def test_a_restricted_stage_shows_what_it_holds():
    assert repr(restricted(DIGITS.analysis, "lines")) == "AnalysisSetting(points=21)"
    given = "prune_fraction=0.2, levels=4, scope='global', rewind='weights', prune_layers=('default',)"
    expected = f"PruningSetting({given})"
    assert repr(DIGITS.pruning) == expected


def test_a_row_says_what_versions_without_it_did():
    assert BY_NAME["compile"].unspoken == "off"
    assert BY_NAME["points"].unspoken == "31"


def test_a_bad_value_is_refused_with_what_is_expected():
    row: Parameter = replace(BY_NAME["momentum"], choices=("0", "0.9"))
    with pytest.raises(ValueError, match=r"momentum='1' is unknown; choose one of 0, 0\.9"):
        row.check("1")


def test_the_documented_parameters_are_those_of_the_table():
    assert as_markdown() in DOCUMENT.read_text(), "write it with: python -m lth.setting.parameter_table"
