"""The table of a study: a row per solution, and what must be known of its numbers."""

from dataclasses import replace

import pytest

from lth.evidence.caveat import caveats
from lth.evidence.summary import LevelRow, markdown_table, text_table, text_table_over_seeds, without_rounding
from lth.setting.setting import AnalysisSetting

ROW = LevelRow("level 1", "imp", 1, 0.8, 0.25, 0.9, log_eig_product=12.5)
SOUND = {
    "solver/positive_eigenvalues": 30.0,
    "solver/spectrum_converged": 1.0,
    "solver/radius_censored": 0.0,
    "landscape/log_eig_product": 12.5,
}


def remarks(metrics, k):
    return ", ".join(caveat.remark for caveat in caveats(metrics, AnalysisSetting(k=k, directions=8)))


def test_numbers_that_are_sound_have_no_remarks():
    assert remarks(SOUND, 30) == ""


@pytest.mark.parametrize(
    ("metric", "value", "said"),
    [
        ("solver/positive_eigenvalues", 28.0, "only 28 of 30 eigenvalues positive"),
        ("solver/positive_eigenvalues_projected", 0.0, "only 0 of 30 eigenvalues_projected positive"),
        ("solver/spectrum_converged", 0.0, "spectrum not converged"),
        ("solver/spectrum_converged_reverse", 0.0, "spectrum_reverse not converged"),
        ("solver/radius_censored", 3.0, "radius a lower bound"),
        ("solver/radius_censored_previous", 1.0, "radius_previous a lower bound"),
        ("solver/line_points_not_finite", 2.0, "no barrier"),
        ("solver/line_points_not_finite_anew", 2.0, "no barrier_anew"),
    ],
)
def test_what_is_missing_not_converged_or_only_a_bound_is_remarked(metric, value, said):
    assert remarks({**SOUND, metric: value}, 30) == said


@pytest.mark.parametrize(
    ("metric", "value", "said"),
    [
        (
            "solver/positive_eigenvalues_reverse",
            28.0,
            "log_eig_product_reverse does not exist: only 28 of the 30 leading eigenvalues are positive; "
            "lower k",
        ),
        ("solver/spectrum_converged", 0.0, "log_eig_product did not converge in 40 products"),
        (
            "solver/radius_censored_projected",
            3.0,
            "radius_mean_projected is a lower bound: 3 of 8 directions never left the basin",
        ),
        (
            "solver/line_points_not_finite",
            2.0,
            "the line to the level before has losses that are not finite, so it has no barrier",
        ),
    ],
)
def test_the_same_is_a_warning_in_a_sentence(metric, value, said):
    metrics = {**SOUND, "solver/hessian_products": 40.0, metric: value}
    assert [caveat.warning for caveat in caveats(metrics, AnalysisSetting(k=30, directions=8))] == [said]


def test_remarks_are_a_column_where_there_are_any():
    flagged = LevelRow("level 2", "imp", 2, 0.64, 0.3, 0.8, remarks="spectrum not converged")
    for table in (text_table([ROW, flagged]), markdown_table([ROW, flagged])):
        headings, rule, first, second = table.splitlines()
        assert headings.rstrip("| ").endswith("remarks")
        assert second.rstrip("| ").endswith("spectrum not converged")
        assert "12.500" in first
    assert markdown_table([ROW, flagged]).splitlines()[1].count("|") == 9
    assert rule == "|---|---:|---:|---:|---:|---:|---:|---|"


def test_there_is_no_such_column_where_there_are_none():
    for table in (text_table([ROW]), markdown_table([ROW])):
        assert "remarks" not in table
        assert table.splitlines()[0].rstrip("| ").endswith("barrier to L-1")


@pytest.mark.parametrize(
    ("known", "said"),
    [
        ({"log_eig_width": 0.0031}, "12.500 ± 0.003"),
        ({"radius_mean": 0.2310, "radius_standard_error": 0.00042}, "0.2310 ± 0.0004"),
        ({"test_accuracy": 348 / 360}, "96.67% [94.3, 98.1]"),
        ({"radius_mean": 0.2310}, "0.2310"),
    ],
)
def test_what_is_known_of_a_number_stands_beside_it(known, said):
    rows = [replace(ROW, **known), replace(ROW, name="level 2", level=2, test_accuracy=349 / 360)]
    for table in (text_table(rows), markdown_table(rows)):
        assert said in table


def test_over_seeds_each_number_is_a_mean_with_its_deviation():
    seeds = {
        seed: [replace(ROW, train_loss=0.25 + 0.01 * seed, test_accuracy=0.9 + 0.01 * seed)]
        for seed in range(3)
    }
    headings, _, row = text_table_over_seeds(seeds).splitlines()
    assert "0.260 ± 0.010" in row
    assert "91.0 ± 1.0 %" in row
    assert "12.5 ± 0" in row
    assert "remarks" not in headings
    flagged = {**seeds, 3: [replace(ROW, remarks="spectrum not converged", log_eig_product=None)]}
    assert text_table_over_seeds(flagged).splitlines()[2].endswith("seed 3: spectrum not converged")
    assert "12.5 ± 0 of 3" in text_table_over_seeds(flagged)


def test_a_solution_that_a_seed_lacks_is_left_out_over_seeds():
    other = replace(ROW, name="one_shot at level 1", kind="one_shot")
    table = text_table_over_seeds({0: [ROW, other], 1: [ROW]})
    assert "level 1" in table
    assert "one_shot" not in table


@pytest.mark.parametrize("barrier", [1.1e-16, -5e-17, 3e-13, 0.0])
def test_a_barrier_of_rounding_alone_is_none(barrier):
    assert without_rounding(barrier) == 0


@pytest.mark.parametrize("barrier", [1 / 1_281_167, 2e-9, 0.3, -0.1, float("inf"), None])
def test_any_other_barrier_is_as_it_was_measured(barrier):
    assert without_rounding(barrier) == barrier
