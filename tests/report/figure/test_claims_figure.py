import io
import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from made_evidence import made_evidence, with_results
from matplotlib.colors import to_hex

from lth.evidence.claim import CLAIMS, evaluate
from lth.evidence.claim.claim import baselines
from lth.measure.distance import Travel
from lth.plan.place import BASELINES, METHODS
from lth.report.figure.claims import VERDICTS, draw_claims, on_pages
from lth.report.figure.style import PAGE_HEIGHT

R1A, R1E, R7 = (next(claim for claim in CLAIMS if claim.id == name) for name in ("R1a", "R1e", "R7"))


def travelled(seed, gaps):
    """Evidence in which w(L) is nearer to the rewind point than w(L-1) by these gaps."""
    count = len(gaps)
    travel = Travel(np.arange(1, count + 1), 5.0 + np.array(gaps), np.full(count, 5.0))
    evidence = made_evidence(seed, last=count)
    return with_results(evidence, distances=replace(evidence.distances, travel=travel))


def panel(*rows):
    """R1e over seeds, each a row of gaps."""
    figure = draw_claims(evaluate([R1E], [travelled(seed, gaps) for seed, gaps in enumerate(rows)]))
    return figure.axes[0]


def labelled(axes, label):
    """What is drawn of cases, which stand at whole numbers; their average stands apart from them."""
    return [line for line in drawn(axes, label) if float(line.get_xdata()[0]) < count_of_cases(axes)]


def of_average(axes, label):
    return [line for line in drawn(axes, label) if float(line.get_xdata()[0]) >= count_of_cases(axes)]


def drawn(axes, label):
    return [line for line in axes.lines if line.get_label() == label]


def count_of_cases(axes):
    return sum(label.get_text() != "mean" for label in axes.get_xticklabels())


@pytest.fixture(scope="module")
def findings():
    return evaluate(CLAIMS, [made_evidence(seed, last=13) for seed in range(3)])


@pytest.fixture(scope="module")
def figure(findings):
    figure = draw_claims(findings)
    figure.draw_without_rendering()  # lays it out
    return figure


def test_every_claim_has_a_panel_with_its_statement_verdict_and_unit(findings, figure):
    assert len(figure.axes) == len(CLAIMS)
    for axes, finding in zip(figure.axes, findings, strict=True):
        title = axes.get_title(loc="left").replace("\n", " ")
        differs = len(finding.outcomes) > 1 and finding.average_verdict != finding.verdict
        average = f"average {finding.average_verdict}; every case " if differs else ""
        says = f"{finding.claim.id}  {finding.claim.statement} {average}{finding.verdict};"
        assert title.startswith(says)
        assert axes.get_ylabel().replace("\n", " ") == finding.claim.number


@pytest.mark.parametrize("count", [1, 3, 8, len(CLAIMS)])
def test_claims_are_spread_over_pages_in_their_order(findings, count):
    pages = on_pages(findings[:count])
    assert [finding for page in pages for finding in page] == list(findings[:count])
    assert all(draw_claims(page).get_figheight() <= PAGE_HEIGHT for page in pages)


def test_no_text_is_cut_by_the_page_or_runs_into_another(figure):
    boxes = [axes.get_tightbbox() for axes in figure.axes]
    page = figure.bbox
    for box in boxes:
        assert box.x0 >= page.x0 - 1
        assert box.x1 <= page.x1 + 1
        assert box.y0 >= page.y0 - 1
        assert box.y1 <= page.y1 + 1
    overlaps = [
        (first, second)
        for first in range(len(boxes))
        for second in range(first)
        if boxes[first].padded(-1).overlaps(boxes[second].padded(-1))
    ]
    assert overlaps == []


@pytest.fixture(params=["the paper's claims", "a claim over every method"])
def panels(request, figure):
    if request.param == "the paper's claims":
        return figure.axes
    over = replace(R7, cases=baselines(*BASELINES, *METHODS))
    third = draw_claims(evaluate([R1A, R7, over], [made_evidence(seed, last=13) for seed in range(3)]))
    third.draw_without_rendering()
    return third.axes


def test_no_label_of_a_case_runs_into_the_next(panels):
    for axes in panels:
        for first, second in pairwise(axes.get_xticklabels()):
            if turned := first.get_rotation():
                step = axes.transData.transform((1, 0))[0] - axes.transData.transform((0, 0))[0]
                between = step * math.sin(math.radians(turned))
                assert between > first.get_fontsize() * axes.figure.dpi / 72
            else:
                assert first.get_window_extent().x1 < second.get_window_extent().x0


def test_verdict_is_told_by_colour_and_by_marker():
    axes = panel([1.0, -1.0, 1.0], [1.1, -1.1, -1.0], [1.2, -1.2, 0.1])
    for position, verdict in enumerate(("supported", "refuted", "undecided")):
        (marker,) = labelled(axes, f"_{verdict}")
        assert list(marker.get_xdata()) == [position]
        assert (marker.get_marker(), to_hex(marker.get_color()).upper()) == (
            VERDICTS[verdict].marker,
            VERDICTS[verdict].colour,
        )
    assert (
        len({look.marker for look in VERDICTS.values()})
        == len({look.colour for look in VERDICTS.values()})
        == 3
    )


def test_every_seed_is_drawn_beside_its_mean():
    axes = panel([1.0, 2.0], [1.5, 2.5], [2.0, 3.0])
    seeds, means = labelled(axes, "_seeds"), labelled(axes, "_supported") + labelled(axes, "_undecided")
    assert [sorted(np.round(line.get_ydata(), 9)) for line in seeds] == [[1.0, 1.5, 2.0], [2.0, 2.5, 3.0]]
    assert sorted(float(line.get_ydata()[0]) for line in means) == pytest.approx([1.5, 2.5])
    assert all(line.get_xdata()[0] % 1 for line in seeds)


def test_the_average_over_the_cases_stands_apart_with_the_verdict_on_it():
    axes = panel([1.0, -0.1], [1.1, 0.5], [1.2, 0.3])  # undecided at the second level
    assert len(labelled(axes, "_supported")) == len(labelled(axes, "_undecided")) == 1
    (mean,), (seeds,) = of_average(axes, "_supported"), of_average(axes, "_seeds")
    assert float(mean.get_ydata()[0]) == pytest.approx((0.45 + 0.8 + 0.75) / 3)
    assert list(seeds.get_ydata()) == pytest.approx([0.45, 0.8, 0.75])
    assert len(of_average(axes, "_interval")) == 1
    assert axes.get_xticklabels()[-1].get_text() == "mean"


def test_a_claim_of_one_case_has_no_average_beside_it():
    axes = panel([1.0], [1.1], [1.2])
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1"]
    assert drawn(axes, "_apart") == of_average(axes, "_seeds") == []


def test_one_seed_has_no_interval():
    axes = panel([1.0, 2.0])
    assert labelled(axes, "_interval") == []
    assert len(labelled(axes, "_undecided")) == 2


def test_an_interval_far_longer_than_the_seeds_span_ends_in_carets():
    axes = panel([1.0, 5.0], [4.0, 5.1])  # two seeds: 25 times as long as the half of what they span
    carets = labelled(axes, "_cut")
    assert [list(line.get_xdata()) for line in carets] == [[0], [0]]
    assert sorted(float(line.get_ydata()[0]) for line in carets) == pytest.approx(sorted(axes.get_ylim()))
    low, high = axes.get_ylim()
    assert high - low < 6 * 5.1


def test_zero_is_always_in_sight():
    for rows in ([[5.0], [5.1], [5.2]], [[-5.0], [-5.1], [-5.2]], [[0.0], [0.0]]):
        low, high = panel(*rows).get_ylim()
        assert low < 0 < high


def test_a_case_that_no_seed_measured_says_so():
    evidences = [with_results(made_evidence(seed), curvature={}) for seed in range(2)]
    figure = draw_claims(evaluate([R1A, R7], evidences))
    assert [[text.get_text() for text in axes.texts] for axes in figure.axes] == [["none"] * 4, ["none"]]


def test_a_claim_without_cases_says_so():
    (axes,) = draw_claims(evaluate([R7], [made_evidence(0, last=1)])).axes
    assert not axes.texts
    none = replace(R7, cases=lambda last: ())
    (axes,) = draw_claims(evaluate([none], [made_evidence(0, last=1)])).axes
    assert [text.get_text() for text in axes.texts] == ["no case"]


def test_no_finding_is_refused():
    with pytest.raises(ValueError, match="no finding"):
        draw_claims([])


def test_the_order_of_the_seeds_changes_no_pixel():
    def picture(*seeds):
        evidences = [made_evidence(seed) for seed in seeds]
        content = io.BytesIO()
        draw_claims(evaluate([R1A, R7], evidences)).savefig(content, metadata={"Software": None})
        return content.getvalue()

    assert picture(0, 1) == picture(1, 0)
