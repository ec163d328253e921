"""Results 1, 2, 3, 6 and 7 by the mass of basins: claims beside R1a, R1c, R2b, R3, R6a, R6b and R7.

They say of the same points what those say, by the volume of a basin within a Gaussian window instead of a
product of leading eigenvalues. The volume without a window, which importance sampling looks for
(`lth.measure.volume`), is of a trained network a lower bound alone, and two bounds have no difference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from lth.evidence.claim import r1, r2, r3, r6, r7
from lth.evidence.claim.claim import Case, Claim
from lth.evidence.claim.reading import mass_gap
from lth.evidence.evidence import Evidence
from lth.plan.place import Place, Point

VOLUME_UNIT = "nats"

_RULE = """\
Log of the mass of the basin at {larger} minus that at {smaller}, each in its own space, under one cutoff,
`cutoff_margin` above the worse of the two.

{spaces}

The mass is the share of a Gaussian around the point that lies in {{loss ≤ cutoff}}: the volume of the basin
within that window, over the window's own. Its width is `mass_window` of the root mean square of the rewind
point's weights, one for all points of a seed. It is estimated by splitting (`lth.measure.mass`). Where a basin
is smaller than e^-15 of the window, that is a bound; a difference then has a value only if the interval of the
other settles its sign, and is else missing.

Paper: not in it; beside {beside}. Source: Scherlis and Belrose 2025, arXiv 2501.18812, by a Gaussian as wide as
the initialisation. By so wide a one, or none, volumes of such networks are lower bounds alone."""

_ONE_SPACE = "Both are in one space."
_EACH_ITS_OWN = (
    "Each is in the space of its own mask, equally many weights. Volumes of two spaces are sizes of sets of "
    "other coordinates: what is compared is how far a weight may go wrong in either."
)

Pair = Callable[[Case], tuple[Point, Point]]  # where the claim says the volume is larger, and where smaller


def _beside_solution(case: Case) -> tuple[Point, Point]:
    return Point.at(Place.imp(case.level)), Point.at(case.place)


_COMPARED: dict[str, tuple[str, str, str, Pair]] = {
    "R1a": (
        "w(L)",
        "m(L)⊙w(L-1)",
        _ONE_SPACE,
        lambda case: (Point.at(Place.imp(case.level)), Point.projection(case.level)),
    ),
    "R1c": (
        "w(L-1)",
        "w(L) in level L-1 space",
        _ONE_SPACE,
        lambda case: (Point.at(Place.imp(case.level - 1)), Point.reverse(case.level)),
    ),
    "R2b": ("w(N)", "random_init", _ONE_SPACE, _beside_solution),
    "R3": ("w(N)", "one_shot", _EACH_ITS_OWN, _beside_solution),
    "R6a": (
        "m(L)⊙w(L-1)",
        "w(L-1) without the next-larger band",
        _EACH_ITS_OWN,
        lambda case: (Point.projection(case.level), Point.next_larger(case.level)),
    ),
    "R6b": ("w(N)", "the randomly pruned solution", _EACH_ITS_OWN, _beside_solution),
    "R7": ("w(N)", "fine_tune", _ONE_SPACE, _beside_solution),
}


def pair_of(claim: str, case: Case) -> tuple[Point, Point]:
    """Return where a claim says that the volume is larger, and where smaller.

    Args:
        claim: Of the paper, such as `R1a`.
        case: Of it.
    """
    return _COMPARED[claim][-1](case)


def _by_volume(claim: Claim) -> Claim:
    """Return a claim of the paper by the local volume."""
    larger, smaller, spaces, pair = _COMPARED[claim.id]

    def statistic(evidence: Evidence, case: Case) -> float | None:
        return mass_gap(evidence, *pair(case))

    return Claim(
        id=f"{claim.id}-volume",
        statement=f"By local volume: {claim.statement.removesuffix(': curvature')}",
        paper=f"beyond it, beside {claim.id}",
        unit=VOLUME_UNIT,
        cases=claim.cases,
        statistic=statistic,
        rule=_RULE.format(larger=larger, smaller=smaller, spaces=spaces, beside=claim.id),
        beside=claim.id,
        family="volume",
    )


def _compared() -> Iterator[Claim]:
    for claim in (*r1.CLAIMS, *r2.CLAIMS, *r3.CLAIMS, *r6.CLAIMS, *r7.CLAIMS):
        if claim.id in _COMPARED:
            yield claim


COMPARED_BY_VOLUME = tuple(_compared())  # the paper's claims that these stand beside
VOLUME_CLAIMS = tuple(map(_by_volume, COMPARED_BY_VOLUME))
