"""The ways that trainings went, on the plane of the surface and on their own principal axes."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from lth.errors import LackingError
from lth.evidence.evidence import Evidence
from lth.evidence.table import Cell, Table, rounded
from lth.plan.jobs import PathJob
from lth.plan.place import Place
from lth.report.exhibit.exhibit import Exhibit
from lth.report.exhibit.wording import sentence
from lth.report.figure.path import draw_paths


def _shown(evidence: Evidence) -> list[Place]:
    return [place for place in evidence.paths.places if place.level <= evidence.last]


def _say(evidence: Evidence) -> str:
    found = evidence.paths
    paths = found.paths
    held = [
        f"{rounded(100 * float(paths.moved_in_plane[found.places.index(place)]))} % at {place.name}"
        for place in _shown(evidence)
    ]
    return sentence(
        [
            f"The plane of the surface holds {rounded(100 * paths.in_plane)} % of the variance of all points "
            f"kept, their two principal axes {rounded(100 * float(paths.explained[:2].sum()))} % (of a random "
            "walk they would hold 76 %)",
            f"of the squared way from start to end {', '.join(held)} lies in the plane, where the rest is not "
            "seen",
        ]
    )


def _numbers(evidence: Evidence) -> Table:
    found = evidence.paths
    paths = found.paths
    rows: list[tuple[Cell, ...]] = []
    for place in _shown(evidence):
        training = found.places.index(place)
        held = float(paths.moved_in_plane[training]), float(paths.moved_in_axes[training])
        for index in found.of(place).nonzero()[0]:
            columns = (paths.epoch, paths.x, paths.y, paths.distance, paths.first, paths.second)
            numbers = [float(column[index]) for column in columns]
            rows.append((place.name, *numbers, *(None if np.isnan(share) else share for share in held)))
    headings = (
        "training_of",
        "epoch",
        "x",
        "y",
        "distance_off_plane",
        "first_axis",
        "second_axis",
        "moved_in_plane",
        "moved_in_axes",
    )
    return Table(headings, tuple(rows))


def _draw(evidence: Evidence) -> Figure:
    found = evidence.paths
    (job,) = (job for job in evidence.measured if isinstance(job, PathJob))
    try:
        over = evidence.surface
    except LackingError:
        over = None
    surface = over.surface if over is not None and over.corners == job.corners else None
    points = {place: found.of(place) for place in found.places}
    return draw_paths(found.paths, points, job.corners, surface)


PATH = Exhibit(
    file="beyond_path",
    title="Beyond the paper: the ways of all trainings, on the plane of Fig. 13 and on their principal axes",
    paper="The paper shows where trainings end on a plane, and their loss over the epochs (Fig. 4), not the "
    "ways that they go.",
    found=_say,
    numbers=_numbers,
    draw=_draw,
)
