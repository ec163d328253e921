"""w(0) and w(1), each seen in the spaces of both levels: the comparison of volumes flips."""

from __future__ import annotations

from lth.evidence.evidence import Evidence
from lth.evidence.table import Cell, Table
from lth.plan.place import Place, Point
from lth.report.exhibit.exhibit import Exhibit
from lth.report.exhibit.spectra import ABSENT, caveat, known_within, say_not_converged
from lth.report.exhibit.wording import Compared, compare, sentence

_SPACES: tuple[tuple[int, Point, Point], ...] = (  # the one that the paper finds to be smaller first
    (0, Point.at(Place.imp(0)), Point.reverse(1)),
    (1, Point.at(Place.imp(1)), Point.projection(1)),
)


def _say(evidence: Evidence) -> str:
    parts = []
    for space, smaller, larger in _SPACES:
        found = Compared(1, evidence.log_eig_product(larger), evidence.log_eig_product(smaller))
        names = _weights(larger), smaller.symbol
        parts.append(compare(f"in level-{space} space log_eig_product", *names, [found], absent=ABSENT))
    parts.append(say_not_converged(evidence, [point for _, *points in _SPACES for point in points]))
    text = sentence(parts)
    return text[:1].upper() + text[1:]


def _weights(point: Point) -> str:
    """Return the formula of a point's weights, whose space the sentence names."""
    return Point.at(point.place).symbol if point.form == "reverse" else point.symbol


def _numbers(evidence: Evidence) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for space, *points in _SPACES:
        for point in points:
            value = evidence.log_eig_product(point)
            note = "; ".join(filter(None, [ABSENT if value is None else "", caveat(evidence, point)]))
            rows.append((f"level {space}", point.symbol, value, known_within(evidence, point), note or None))
    return Table(("space", "solution", "log_eig_product", "known within ±", "note"), tuple(rows))


TWO_SPACES = Exhibit(
    file="table5_two_spaces",
    title="Table V: log_eig_product of w(0) and w(1) in level-0 and in level-1 space",
    paper="In level-0 space the basin of w(0) is the larger one (415.42 against 418.03), in level-1 space that "
    "of w(1) (407.42 against 409.24).",
    found=_say,
    numbers=_numbers,
    draw=None,
)
