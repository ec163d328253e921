"""The numbers of each family of exhibits, against values computed here from the evidence."""

import math
import statistics

import numpy as np
import pytest
from made_evidence import made_evidence

from lth.plan.jobs import LineJob, RadiiJob
from lth.plan.place import Place, Point


def log_product(evidence, point, cut=None):
    return sum(math.log(value) for value in evidence.curvature[point].spectrum.eigenvalues[:cut])


def barrier(values):
    chord = np.interp(np.linspace(0, 1, len(values)), [0, 1], [values[0], values[-1]])
    return (values - chord).max()


@pytest.mark.parametrize(
    ("file", "pairs"),
    [
        ("table1_projection", [(Point.projection(level), Point.at(Place.imp(level))) for level in (1, 2, 3)]),
        ("table3_reverse", [(Point.reverse(level), Point.at(Place.imp(level - 1))) for level in (1, 2, 3)]),
        ("table8_random_init", [(Point.at(Place("random_init", 3)), Point.at(Place.imp(3)))]),
        ("table9_random_prune", [(Point.at(Place("random_prune", 3)), Point.at(Place.imp(3)))]),
    ],
)
def test_tables_of_log_products_are_sums_of_logs(exhibit, evidence, file, pairs):
    rows = exhibit(file).numbers(evidence).rows
    assert [row[0] for row in rows] == ([1, 2, 3] if len(pairs) == 3 else [3])
    for row, (sharper, flatter) in zip(rows, pairs, strict=True):
        first, second = log_product(evidence, sharper), log_product(evidence, flatter)
        assert row[1:4] == pytest.approx((first, second, first - second))
        widths = [evidence.curvature[point].spectrum.log_eig_width for point in (sharper, flatter)]
        assert row[4:] == (pytest.approx(sum(widths)), None)


def test_two_spaces_show_both_solutions_in_both(exhibit, evidence):
    rows = exhibit("table5_two_spaces").numbers(evidence).rows
    points = [Point.at(Place.imp(0)), Point.reverse(1), Point.at(Place.imp(1)), Point.projection(1)]
    assert [row[0] for row in rows] == ["level 0", "level 0", "level 1", "level 1"]
    assert [row[2] for row in rows] == pytest.approx([log_product(evidence, point) for point in points])


@pytest.mark.parametrize(
    ("file", "points"),
    [
        ("fig05_spectra_projection", [Point.projection(2), Point.at(Place.imp(2))]),
        ("fig07_spectra_reverse", [Point.reverse(2), Point.at(Place.imp(1))]),
        ("fig16_spectra_next_larger", [Point.next_larger(2), Point.projection(2)]),
        ("fig10_spectra_random_init", [Point.at(Place("random_init", 3)), Point.at(Place.imp(3))]),
        ("fig11_spectra_one_shot", [Point.at(Place("one_shot", 3)), Point.at(Place.imp(3))]),
        (
            "fig18_spectra_random_prune_one_shot",
            [Point.at(Place("random_prune_one_shot", 3)), Point.at(Place.imp(3))],
        ),
        ("fig20_spectra_random_prune", [Point.at(Place("random_prune", 3)), Point.at(Place.imp(3))]),
        ("fig21_spectra_fine_tune", [Point.at(Place("fine_tune", 3)), Point.at(Place.imp(3))]),
    ],
)
def test_spectra_hold_every_eigenvalue_of_their_points(records, evidence, file, points):
    level = 2 if len({record["level"] for record in records(file, evidence)}) > 1 else 3
    for point in points:
        own = [
            record["eigenvalue"]
            for record in records(file, evidence)
            if (record["level"], record["point"]) == (level, point.symbol)
        ]
        assert own == evidence.curvature[point].spectrum.eigenvalues.tolist()


def test_radii_come_from_the_comparison_of_their_level(records, exhibit, evidence):
    in_level_space = RadiiJob((Point.at(Place.imp(2)), Point.projection(2)), "filter")
    in_previous_space = RadiiJob((Point.at(Place.imp(1)), Point.reverse(2)), "plain")
    for file, job, norm in (
        ("fig06_radii_projection", in_level_space, "filter"),
        ("fig08_radii_reverse", in_previous_space, "plain"),
    ):
        for point in job.points:
            own = [
                record
                for record in records(file, evidence)
                if (record["level"], record["directions"], record["point"]) == (2, norm, point.symbol)
            ]
            radii = evidence.radii[job][point].radii
            assert [record["radius"] for record in own] == radii.tolist()
            assert own[0]["mean_radius"] == pytest.approx(statistics.mean(radii.tolist()))
            error = statistics.stdev(radii.tolist()) / math.sqrt(len(radii))
            assert own[0]["mean_radius_standard_error"] == pytest.approx(error)


def test_mean_radii_have_the_headline_directions_first(exhibit, evidence):
    rows = exhibit("table2_radii_projection").numbers(evidence).rows
    assert [row[1] for row in rows] == ["filter"] * 3 + ["plain"] * 3
    found = evidence.radii[RadiiJob((Point.at(Place.imp(1)), Point.projection(1)), "filter")]
    assert rows[0][3:5] == pytest.approx(
        (found[Point.at(Place.imp(1))].radii.mean(), found[Point.projection(1)].radii.mean()), rel=1e-12
    )


def test_lines_hold_both_treatments_with_their_barriers(records, evidence):
    job = LineJob(Point.projection(3), Point.at(Place("random_prune_one_shot", 3)))
    line = evidence.lines[job]
    for treatment, path in (("interpolated", line.stored), ("anew", line.anew)):
        own = [
            record
            for record in records("fig17_lines_random_prune_one_shot", evidence)
            if (record["end"], record["batchnorm_statistics"]) == ("random_prune_one_shot", treatment)
        ]
        assert [record["train_loss"] for record in own] == path.train_loss.tolist()
        assert [record["test_error"] for record in own] == path.test_error.tolist()
        assert own[0]["barrier_train_loss"] == pytest.approx(barrier(path.train_loss))
        assert own[0]["barrier_test_error"] == pytest.approx(barrier(path.test_error))
        ends = (path.train_loss[0] + path.train_loss[-1]) / 2
        assert own[0]["barrier_over_mean_train_loss"] == pytest.approx(path.train_loss.max() - ends)


@pytest.mark.parametrize(
    ("file", "ends"),
    [
        ("fig09_line_random_init", [("m(3)⊙w(2)", "random_init")]),
        ("fig12_lines_successive", [("w(0)", "w(1)"), ("w(1)", "w(2)"), ("w(2)", "w(3)")]),
        ("fig17_lines_random_prune_one_shot", [("m(3)⊙w(2)", "w(3)"), ("m(3)⊙w(2)", "random_prune_one_shot")]),
        ("fig19_lines_random_prune", [("w(3)", "random_prune"), ("m(3)⊙w(2)", "random_prune")]),
    ],
)
def test_each_figure_has_the_lines_of_the_paper(records, evidence, file, ends):
    found = dict.fromkeys((record["start"], record["end"]) for record in records(file, evidence))
    assert list(found) == ends


def test_barriers_are_given_pair_by_pair(records, evidence):
    own = records("beyond_barriers", evidence)
    assert [(record["level"], record["batchnorm_statistics"]) for record in own] == [
        (level, treatment) for level in (1, 2, 3) for treatment in ("interpolated", "anew")
    ]
    path = evidence.lines[LineJob(Point.at(Place.imp(1)), Point.at(Place.imp(2)))].anew
    assert own[3]["barrier_train_loss"] == pytest.approx(barrier(path.train_loss))
    assert own[3]["barrier_test_error"] == pytest.approx(barrier(path.test_error))


def test_steepness_is_the_least_squares_slope_over_shared_epochs(records, evidence):
    history = evidence.attained[Place.imp(0)].history
    shared = [(record.epoch, math.log(record.train.loss)) for record in history if record.epoch >= 2]
    slope, _ = statistics.linear_regression(*zip(*shared, strict=True))
    own = [
        record
        for record in records("fig04_steepness", evidence)
        if (record["level"], record["trained_level"]) == (1, 0)
    ]
    assert [record["train_loss"] for record in own] == [record.train.loss for record in history]
    assert own[0]["steepness"] == pytest.approx(-slope)


def test_attained_numbers_are_those_of_the_last_epoch(records, evidence):
    levels, baselines = records("fig01_levels", evidence), records("fig02_baselines", evidence)
    assert [record["level"] for record in levels] == [0, 1, 2, 3]
    assert [record["train_loss"] for record in levels] == [
        evidence.attained[Place.imp(level)].history[-1].train.loss for level in range(4)
    ]
    assert len(baselines) == 8
    assert baselines[0]["test_accuracy"] == evidence.attained[Place.imp(3)].history[-1].test.accuracy


def test_travel_distances_and_cosines_are_the_evidence_s(records, evidence):
    assert [record["distance_to_previous"] for record in records("fig03_travel", evidence)] == (
        evidence.travel.to_previous.tolist()
    )
    for file, column, matrix in (
        ("fig14_distances", "distance", evidence.distances.euclidean),
        ("fig15_cosines", "cosine", evidence.distances.cosine),
    ):
        values = [record[column] for record in records(file, evidence)]
        assert np.array_equal(np.reshape(values, matrix.shape), matrix)


def test_surface_has_every_grid_point_and_solution(records, evidence):
    own, surface = records("fig13_surface", evidence), evidence.surface.surface
    grid = [record for record in own if record["what"] == "grid point"]
    assert [record["loss"] for record in grid] == surface.loss.ravel().tolist()
    assert (grid[1]["x"], grid[1]["y"]) == (surface.x[1], surface.y[0])
    solutions = [record for record in own if record["what"] == "solution"]
    worst = max(marker.loss for marker in surface.markers if marker.place.kind == "imp")
    inside = ["yes" if marker.loss <= worst + 0.1 else "no" for marker in surface.markers]
    assert [record["in_sublevel_set"] for record in solutions] == inside


def test_second_cut_sums_fewer_logs(records, evidence):
    cut = evidence.setting.analysis.second_cut
    for record in records("fig22_second_cut", evidence):
        points = {
            "w(L)": Point.at(Place.imp(record["level"])),
            "m(L)⊙w(L-1)": Point.projection(record["level"]),
        }
        if record["point"] in points and record["num_eigenvalues"] == cut:
            point = points[record["point"]]
            assert record["log_eig_product"] == pytest.approx(log_product(evidence, point, cut))


def test_scaled_measures_take_the_norm_of_the_weights_out(records, evidence):
    (record,) = [
        record
        for record in records("beyond_scale", evidence)
        if (record["level"], record["point"]) == (2, "m(2)⊙w(1)")
    ]
    found = evidence.curvature[Point.projection(2)]
    scaled = sum(math.log(value * found.size.weight_norm**2) for value in found.spectrum.eigenvalues)
    radii = evidence.radii[RadiiJob((Point.at(Place.imp(2)), Point.projection(2)), "plain")][
        Point.projection(2)
    ].radii
    assert record["scaled_log_eig_product"] == pytest.approx(scaled)
    assert record["plain_radius_over_weight_norm"] == pytest.approx(radii.mean() / 12.0)


def test_trace_comes_with_its_standard_error_and_the_radius_it_predicts(records, evidence):
    (record,) = [record for record in records("beyond_trace", evidence) if record["point"] == "w(2)"]
    samples = evidence.curvature[Point.at(Place.imp(2))].trace.samples.tolist()
    assert record["trace"] == pytest.approx(statistics.mean(samples))
    assert record["trace_standard_error"] == pytest.approx(statistics.stdev(samples) / math.sqrt(len(samples)))
    curvature_along_a_direction = record["trace"] / 1800
    assert 0.5 * curvature_along_a_direction * record["quadratic_radius"] ** 2 == pytest.approx(0.12 - 0.02)


def test_baselines_are_shown_over_the_levels_only_if_they_were_trained_there(records, exhibit, evidence):
    alone = records("beyond_every_level", evidence)
    assert {record["level"] for record in alone} == {3}
    assert "No baseline" in exhibit("beyond_every_level").found(evidence)

    everywhere = made_evidence(last=3, every_level="one_shot,random_init")
    own = [record for record in records("beyond_every_level", everywhere) if record["kind"] == "one_shot"]
    assert [record["level"] for record in own] == [1, 2, 3]
    assert own[0]["log_eig_product"] == pytest.approx(log_product(everywhere, Point.at(Place("one_shot", 1))))
    assert "one_shot at 3 of 3 levels" in exhibit("beyond_every_level").found(everywhere)
    assert exhibit("beyond_every_level").draw(everywhere).axes


def test_methods_are_shown_over_the_levels_beside_them(records, exhibit):
    everywhere = made_evidence(last=3, methods="snip,grasp", every_level="snip")
    shown = records("beyond_every_level", everywhere)
    assert [record["level"] for record in shown if record["kind"] == "snip"] == [1, 2, 3]
    assert "grasp" not in {record["kind"] for record in shown}
    assert "snip at 3 of 3 levels" in exhibit("beyond_every_level").found(everywhere)
    assert "snip" in exhibit("beyond_every_level").draw(everywhere).axes[0].get_legend_handles_labels()[1]


def test_sentences_count_the_levels_at_which_the_paper_is_right(exhibit, evidence):
    assert "for 3 of 3 levels" in exhibit("table1_projection").found(evidence)
    assert "in the paper's direction" in exhibit("fig10_spectra_random_init").found(evidence)
    assert "lower training loss" in exhibit("fig02_baselines").found(evidence)
    assert "3 of 3 pairs have a loss barrier" in exhibit("fig12_lines_successive").found(evidence)
