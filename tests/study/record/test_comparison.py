"""What compares the studies of a sweep."""

import csv
from dataclasses import replace

import pytest

from lth.evidence.summary import LevelRow
from lth.evidence.table import Table
from lth.plan.place import Place
from lth.report.figure.comparison import draw_comparison
from lth.study.record.comparison import Compared, comparison, tidy_comparison


def rows(accuracy: float, levels: int = 3) -> list[LevelRow]:
    found = [
        LevelRow(Place.imp(level).name, "imp", level, 0.8**level, 0.1 * level, accuracy, 10.0 + level)
        for level in range(levels)
    ]
    return [*found, LevelRow("one_shot at level 2", "one_shot", 2, 0.64, 0.5, accuracy - 0.1)]


def table(found: dict[int, list[LevelRow]], **extra: float) -> Table:
    cells = [(seed, row.name, row.test_accuracy, *extra.values()) for seed, of in found.items() for row in of]
    return Table(("seed", "solution", "test_accuracy", *extra), tuple(cells))


def compared(lr: str, *accuracies: float, **extra: float) -> Compared:
    found = {seed: rows(accuracy) for seed, accuracy in enumerate(accuracies)}
    return Compared({"lr": lr}, found, table(found, **extra), {seed: f"run{seed}" for seed in found})


SETTINGS = [compared("0.05", 0.9, 0.8), compared("0.1", 0.7, 0.6, radius_mean=0.2)]


def test_the_comparison_has_a_row_a_setting_and_solution_with_the_mean_over_seeds():
    found = comparison(SETTINGS)
    assert found.headings[:5] == ("lr", "solution", "level", "density", "seeds")
    assert [row[:2] for row in found.rows[:4]] == [
        ("0.05", "dense"),
        ("0.05", "level 1"),
        ("0.05", "level 2"),
        ("0.05", "one_shot at level 2"),
    ]
    accuracy = found.headings.index("test_accuracy")
    assert found.rows[0][accuracy] == "0.850 ± 0.071"
    assert found.rows[4][accuracy] == "0.650 ± 0.071"


def test_every_solution_of_every_seed_is_in_the_tidy_table_and_what_one_lacks_is_empty():
    lines = tidy_comparison(SETTINGS).csv().splitlines()
    found = list(csv.DictReader(lines))
    assert len(found) == 2 * 2 * 4
    assert {row["lr"] for row in found} == {"0.05", "0.1"}
    assert {row["radius_mean"] for row in found if row["lr"] == "0.05"} == {""}
    assert {row["radius_mean"] for row in found if row["lr"] == "0.1"} == {"0.2"}


@pytest.mark.parametrize("count", [1, 2, 7, 12])
def test_each_setting_is_a_line_of_its_own_in_every_panel(count):
    settings = {f"lr={number}": {0: rows(0.5 + number / 100)} for number in range(count)}
    panels = draw_comparison(settings).axes
    assert len(panels) == 6
    lines = [line for line in panels[1].lines if len(line.get_xdata())]
    assert [line.get_label() for line in lines] == list(settings)
    assert len({(line.get_color(), line.get_marker()) for line in lines}) == count
    assert [text.get_text() for text in panels[3].texts] == ["not measured"]


def test_studies_of_different_depth_and_seeds_are_compared_where_they_meet():
    shallow = Compared({"lr": "1"}, {0: rows(0.5, 1)}, table({0: rows(0.5, 1)}), {0: "run"})
    broken = [replace(row, train_loss=float("nan")) for row in rows(0.4)]
    figure = draw_comparison({"shallow": shallow.rows, "deep": {0: rows(0.6), 1: broken}})
    assert [len(line.get_xdata()) for line in figure.axes[1].lines] == [1, 3]
    assert len(comparison([SETTINGS[0], shallow]).rows) == 4 + 2
