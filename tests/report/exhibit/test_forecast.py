"""What is shown of forecasts: every share of every level, where the sublevel set is left, and every seed."""

import csv
import io

import pytest
from made_evidence import made_evidence

from lth.report.exhibit import BEYOND, exhibits_beyond
from lth.report.exhibit.beyond_forecast import FORECAST

LAST = 2


@pytest.fixture(scope="module")
def evidence():
    return made_evidence(0, LAST, beyond="forecast")


def test_it_is_shown_of_studies_that_measured_it_alone(evidence):
    assert exhibits_beyond(evidence) == (*BEYOND, FORECAST)
    assert FORECAST not in exhibits_beyond(made_evidence(0, LAST))


def test_every_share_of_every_level_has_a_row_with_what_was_measured_and_forecast(evidence):
    found = list(csv.DictReader(io.StringIO(FORECAST.numbers(evidence).csv())))
    assert len(found) == (LAST + 1) * 9
    for row in found:
        assert float(row["spectral"]) < float(row["quadratic"]) < float(row["loss"])
        assert float(row["largest_by_loss"]) < float(row["largest_by_quadratic"])


def test_where_the_set_is_left_is_between_the_shares_around_it(evidence):
    rows = list(csv.DictReader(io.StringIO(FORECAST.numbers(evidence).csv())))
    of_first = [row for row in rows if row["level"] == "0"]
    inside = [float(row["pruned"]) for row in of_first if float(row["loss"]) <= evidence.sublevel_cutoff]
    largest = float(of_first[0]["largest_by_loss"])
    assert max(inside) <= largest < max(inside) + 0.11
    assert f"w(0) stays in the sublevel set until {100 * largest:.4g} %" in FORECAST.found(evidence)


@pytest.mark.parametrize("seeds", [1, 2])
def test_it_is_drawn_with_every_seed_and_the_share_of_a_level(seeds):
    figure = FORECAST.draw_seeds([made_evidence(seed, LAST, beyond="forecast") for seed in range(seeds)])
    assert len(figure.axes) == LAST + 2
    for axes in figure.axes:
        labels = [line.get_label() for line in axes.lines]
        assert "prune_fraction" in labels
    assert figure.axes[0].lines[0].get_label() == "_seed"
