"""The loss surface, and which solutions lie in the sublevel set of IMP's."""

from __future__ import annotations

from dataclasses import replace

from matplotlib.figure import Figure

from lth.evidence.evidence import Evidence
from lth.evidence.table import Cell, Table, rounded, yes_no
from lth.measure.kind.surface import LevelSurface
from lth.plan.place import BASELINES, METHODS, Place
from lth.report.exhibit.exhibit import Exhibit
from lth.report.figure.interactive import Interactive
from lth.report.figure.interactive_surface import surface_parts
from lth.report.figure.surface import draw_surface
from lth.setting.terms import terms


def _say(evidence: Evidence) -> str:
    cutoff = evidence.sublevel_cutoff
    losses = {marker.place: marker.loss for marker in evidence.markers}
    kinds = [*BASELINES, *(kind for kind in METHODS if Place(kind, evidence.last) in losses)]
    own = {kind: losses[Place(kind, evidence.last)] for kind in kinds}
    # A loss that is not a number lies in no sublevel set.
    outside = [f"{kind} ({rounded(loss)})" for kind, loss in own.items() if not loss <= cutoff]
    inside = [f"{kind} ({rounded(loss)})" for kind, loss in own.items() if loss <= cutoff]
    farthest = max(marker.distance for marker in evidence.markers)
    return (
        f"With {terms().of_loss(rounded(cutoff))} as cutoff, "
        f"{rounded(evidence.setting.analysis.cutoff_margin)} above the loss of the worst IMP solution on the "
        "examples drawn, as for R5a and R5b (so all of IMP's lie in the set), "
        f"outside by their own loss {_lie(outside)}, inside {_lie(inside)}; solutions lie up to "
        f"{rounded(farthest)} (L2) off the plane that is drawn."
    )


def _lie(names: list[str]) -> str:
    return f"{'lies' if len(names) == 1 else 'lie'} {', '.join(names)}" if names else "lies no baseline"


def _numbers(evidence: Evidence) -> Table:
    surface, cutoff = evidence.surface.surface, evidence.sublevel_cutoff
    rows: list[tuple[Cell, ...]] = [
        ("grid point", None, float(x), float(y), float(surface.loss[row, column]), None, None)
        for row, y in enumerate(surface.y)
        for column, x in enumerate(surface.x)
    ]
    rows += [
        ("solution", one.place.name, one.x, one.y, one.loss, one.distance, yes_no(one.loss <= cutoff))
        for one in evidence.markers
    ]
    headings = ("what", "solution", "x", "y", "loss", "distance_off_plane", "in_sublevel_set")
    return Table(headings, tuple(rows))


def _draw(evidence: Evidence) -> Figure:
    found = _with_methods(evidence)
    return draw_surface(found.surface, found.corners, cutoff=found.cutoff)


def _interactive(evidence: Evidence) -> Interactive:
    return surface_parts(_with_methods(evidence))


def _with_methods(evidence: Evidence) -> LevelSurface:
    """Return the surface with every solution over it, and the cutoff of its sublevel set."""
    surface = replace(evidence.surface.surface, markers=evidence.markers)
    return replace(evidence.surface, surface=surface, cutoff=evidence.sublevel_cutoff)


SURFACE = Exhibit(
    file="fig13_surface",
    title="Fig. 13: the training loss on a plane through three solutions",
    paper="All IMP solutions and random_prune lie in one connected loss sublevel set; random_init and "
    "random_prune_one_shot lie outside.",
    found=_say,
    numbers=_numbers,
    draw=_draw,
    interactive=_interactive,
)
