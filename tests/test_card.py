"""The model card of a published study says what its files say."""

import json

import pytest

from studies.card import card

SETTINGS = {"network": "resnet8-w8", "dataset": "digits", "levels": "1", "methods": "none", "lr": "0.1"}


@pytest.fixture
def published(tmp_path):
    study = {
        "settings": SETTINGS,
        "data_sha256": "ab" * 32,
        "computed_by": ["a CPU"],
        "versions": {"lth": "1"},
        "hours_of_all_tasks": None,
    }
    (tmp_path / "study.json").write_text(json.dumps(study))
    (tmp_path / "solutions.csv").write_text(
        "seed,solution,density,train_loss,test_accuracy\n"
        "0,dense,1.0,0.01,0.9\n1,dense,1.0,0.03,0.92\n0,level 1,0.8,0.5,0.25\n"
    )
    return tmp_path


def test_a_card_has_a_row_a_solution_with_the_spread_over_its_seeds(published):
    text = card(published)
    assert "| dense | 2 | 100.0% | 0.02 ± 0.0141 | 91.0 ± 1.4 |" in text
    assert "| level 1 | 1 | 80.0% | 0.5 | 25.0 |" in text, "of one seed there is no spread"


def test_a_card_names_what_was_set_and_what_is_not_known(published):
    text = card(published)
    assert "`network=resnet8-w8`" in text
    assert "methods" not in text.split("##")[0], "none were named"
    assert "| hours of all tasks | not known |" in text
    assert f"bash studies/{published.name}.sh" in text
