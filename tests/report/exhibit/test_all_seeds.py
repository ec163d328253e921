"""Figures of several seeds: each seed, their mean and its interval."""

import math
from dataclasses import replace

import numpy as np
import pytest
from made_evidence import made_evidence, with_results
from matplotlib.figure import Figure
from scipy import stats

from lth.report.exhibit import BEYOND, EXHIBITS
from lth.report.figure.all_seeds import draw_band, draw_bars, middle
from lth.report.figure.appearance import SOLUTION_LOOK

TOGETHER = [one for one in (*EXHIBITS, *BEYOND) if one.draw_seeds is not None]


@pytest.fixture(scope="module")
def seeds():
    return [made_evidence(seed, last=2) for seed in range(3)]


def test_all_figures_but_the_surface_are_drawn_of_all_seeds():
    alone = [one.file for one in (*EXHIBITS, *BEYOND) if one.draw is not None and one.draw_seeds is None]
    assert alone == ["fig13_surface"]


@pytest.mark.parametrize("exhibit", TOGETHER, ids=lambda one: one.file)
def test_a_figure_of_several_seeds_says_how_many_it_shows(exhibit, seeds):
    figure = exhibit.draw_seeds(seeds)
    legends = [legend.get_title().get_text() for legend in figure.legends]
    titles = [axes.get_title() for axes in figure.axes]
    assert any("3 seeds" in text for text in (figure.get_suptitle(), *legends, *titles))


@pytest.mark.parametrize("exhibit", TOGETHER, ids=lambda one: one.file)
def test_one_seed_is_drawn_alike_by_both_ways(exhibit, seeds):
    alone, together = exhibit.draw(seeds[0]), exhibit.draw_seeds(seeds[:1])
    for one, other in zip(alone.axes, together.axes, strict=True):
        assert [line.get_label() for line in one.lines] == [line.get_label() for line in other.lines]
    assert "seeds" not in together.get_suptitle()


def test_every_seed_is_a_thin_line_beside_their_mean(exhibit, seeds):
    axes = exhibit("fig03_travel").draw_seeds(seeds).axes[0]
    thin = [line for line in axes.lines if line.get_label() == "_seed"]
    expected = [seed.travel.to_previous for seed in seeds] + [seed.travel.to_solution for seed in seeds]
    assert [line.get_ydata().tolist() for line in thin] == [values.tolist() for values in expected]
    means = [container.lines[0].get_ydata() for container in axes.containers]
    np.testing.assert_allclose(means, [np.mean(expected[:3], axis=0), np.mean(expected[3:], axis=0)])


@pytest.mark.parametrize("count", [2, 3, 8])
def test_the_interval_is_that_of_student_s_t(count):
    values = np.random.default_rng(count).normal(5, 1, (count, 4))
    found = middle(values)
    expected = stats.t.interval(0.95, count - 1, values.mean(axis=0), stats.sem(values, axis=0))
    np.testing.assert_allclose((found.low, found.high), expected)
    of_logs = middle(np.exp(values), logarithmic=True)
    np.testing.assert_allclose((np.log(of_logs.mean), np.log(of_logs.low)), (found.mean, found.low))


@pytest.mark.parametrize("gone", [math.nan, math.inf, -math.inf])
def test_what_a_seed_lacks_is_left_out_of_the_mean(gone):
    found = middle(np.array([[1.0, gone], [2.0, 4.0], [3.0, gone]]))
    assert found.mean.tolist() == [2.0, 4.0]
    assert np.isnan(found.low).tolist() == [False, True]


def test_what_is_not_positive_has_no_logarithm():
    found = middle(np.array([[1.0, -1.0], [4.0, 0.0]]), logarithmic=True)
    assert found.mean[0] == pytest.approx(2.0)
    assert np.isnan(found.mean[1])


@pytest.mark.parametrize(("scale", "least", "most"), [("linear", 0, 3), ("log", 0.5, 4)])
def test_an_interval_that_runs_off_is_cut_as_far_off_the_seeds_as_they_span(scale, least, most):
    values = np.array([[1.0, 1.1], [2.0, 1.2]])  # a t interval of two seeds is 9 times what they span
    axes = Figure().add_subplot()
    axes.set_yscale(scale)
    draw_bars(axes, [1, 2], values, SOLUTION_LOOK, "two", "-")
    assert any(line.get_label() == "_cut" and len(line.get_ydata()) for line in axes.lines)
    draw_band(axes, [1, 2], values, SOLUTION_LOOK, "band")
    assert (axes.dataLim.y0, axes.dataLim.y1) == pytest.approx((least, most))


def test_a_seed_with_other_censored_radii_makes_the_mean_a_bound(exhibit, seeds):
    spoiled = with_results(
        seeds[1],
        radii={
            job: {
                point: replace(one, censored=np.arange(len(one.censored)) < 2) for point, one in points.items()
            }
            for job, points in seeds[1].radii.items()
        },
    )
    figure = exhibit("fig06_radii_projection").draw_seeds([seeds[0], spoiled, seeds[2]])
    texts = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    total = 3 * seeds[0].setting.analysis.directions
    assert all("mean ≥ " in text and f"2 of {total} never cross" in text for text in texts)
