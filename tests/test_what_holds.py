"""What is said of the claims over all published studies is what the studies' own files say."""

import csv
import json

import pytest

from studies.what_holds import FILE, RESULTS, what_holds

ROW = {
    "claim": "R1a",
    "statement": "S",
    "unit": "nats",
    "family": "paper",
    "mean": "1.23456",
    "low": "-0.5",
    "high": "3.0",
    "on_average": "supported",
    "in_every_case": "undecided",
    "sign_agrees": "7",
    "of": "9",
}


@pytest.fixture
def publish(tmp_path):
    def write(name, seeds, *rows):
        folder = tmp_path / name
        folder.mkdir()
        # Another report of the study may have come after the one that is published.
        study = {"evidence_keys": dict.fromkeys(range(seeds), "key"), "seeds_of_all_reports": [[0, 1, 2, 3]]}
        (folder / "study.json").write_text(json.dumps(study))
        with (folder / "verdicts.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, list(ROW))
            writer.writeheader()
            writer.writerows(rows)
        return tmp_path

    return write


def rows_of(results):
    return [line for line in what_holds(results).splitlines() if line.startswith("| ")]


def test_the_page_that_is_published_is_of_the_studies_as_they_are():
    assert (RESULTS / FILE).read_text() == what_holds(RESULTS)


def test_a_study_has_a_column_from_two_seeds_on_in_the_order_of_names(publish):
    publish("b", 3, ROW)
    publish("alone", 1, ROW)
    headings, *_ = rows_of(publish("a", 2, ROW))
    assert headings == "| claim | statement | `a`, 2 seeds | `b`, 3 seeds |"


def test_a_claim_is_told_on_average_and_in_every_case(publish):
    results = publish("a", 2, ROW, {**ROW, "claim": "X1", "family": "beside"})
    assert rows_of(results)[2:] == ["| R1a | S (nats) | ✓ 1.23 [-0.5, 3]; ? 7 of 9 |"]


def test_a_claim_of_one_case_has_no_average_and_one_without_a_value_no_number(publish):
    one = {**ROW, "on_average": "", "in_every_case": "refuted"}
    none = {**ROW, "claim": "R2a", "mean": "", "low": "", "high": "", "on_average": "undecided"}
    assert [line.split(" | ")[-1] for line in rows_of(publish("a", 2, one, none))[2:]] == [
        "✗ 1.23 [-0.5, 3], 7 of 9 |",
        "? –; ? 7 of 9 |",
    ]


def test_a_claim_that_a_study_does_not_have_is_a_dash_there(publish):
    publish("a", 2, ROW)
    cells = [line.split(" | ")[2:] for line in rows_of(publish("b", 2, {**ROW, "claim": "R2a"}))[2:]]
    assert [["–" in cell for cell in row] for row in cells] == [[False, True], [True, False]]


def test_claims_at_one_loss_have_a_table_of_their_own_of_the_studies_that_measured_it(publish):
    matched = {**ROW, "claim": "R1a-matched", "statement": "M", "family": "matched loss"}
    publish("a", 2, ROW)
    paper, _, at_one_loss = what_holds(publish("b", 3, ROW, matched)).partition("## At one training loss")
    assert "| `a`, 2 seeds | `b`, 3 seeds |" in paper
    assert "R1a-matched" not in paper
    assert [line for line in at_one_loss.splitlines() if line.startswith("| ")][::2] == [
        "| claim | statement | `b`, 3 seeds |",
        "| R1a-matched | M (nats) | ✓ 1.23 [-0.5, 3]; ? 7 of 9 |",
    ]


def test_where_no_study_measured_at_one_loss_nothing_is_said_of_it(publish):
    assert "one training loss" not in what_holds(publish("a", 2, ROW))
