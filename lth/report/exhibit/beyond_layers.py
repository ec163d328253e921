"""Layer by layer: how alike what two solutions compute is, their masks, and the signs of what both keep."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lth.evidence.evidence import Evidence
from lth.evidence.table import Cell, Table, rounded
from lth.measure.kind.function import ALL_LAYERS, StudyFunctions
from lth.plan.place import Place
from lth.report.exhibit.exhibit import Exhibit, of_one
from lth.report.exhibit.wording import sentence
from lth.report.figure.all_seeds import explain_seeds, middle
from lth.report.figure.appearance import appearance
from lth.report.figure.panels import legend_above
from lth.report.figure.style import GRID_COLOUR, SMALL_TEXT_SIZE, TEXT_SIZE, TWO_COLUMNS, new_figure, thinned

_MOST_LABELS = 24  # of layers under a panel
Pair = tuple[Place, Place]


@dataclass(frozen=True)
class _Likeness:
    """A likeness of two solutions in each layer, and what it would be by chance."""

    title: str
    quantity: str
    layers: Callable[[StudyFunctions], Sequence[str]]
    matrices: Callable[[StudyFunctions], np.ndarray]  # (layers, n, n)
    by_chance: Callable[[StudyFunctions], np.ndarray] | None = None


def _parts(found: StudyFunctions) -> Sequence[str]:
    return found.masks.parts[:-1]


_CKA = _Likeness(
    "CKA", "debiased linear CKA", lambda found: found.functions.layers, lambda found: found.functions.cka
)
_IOU = _Likeness(
    "Masks",
    "intersection over union",
    _parts,
    lambda found: found.masks.iou[:-1],
    lambda found: found.masks.iou_by_chance[:-1],
)
_SIGNS = _Likeness(
    "Signs of what both keep",
    "share of one sign",
    _parts,
    lambda found: found.masks.signs[:-1],
    lambda found: found.masks.signs_by_chance[:-1],
)


def _steps(evidence: Evidence) -> list[Pair]:
    """Return successive levels."""
    return [(Place.imp(level - 1), Place.imp(level)) for level in evidence.levels]


def _beside_last(evidence: Evidence) -> list[Pair]:
    """Return the last level and each other solution at it."""
    last = Place.imp(evidence.last)
    others = [place for place in evidence.functions.places if place.kind != "imp"]
    return [(last, place) for place in others if place.level == evidence.last]


def _draw(likenesses: Sequence[_Likeness], evidences: Sequence[Evidence]) -> Figure:
    figure = new_figure(TWO_COLUMNS, 2.4 + 2.0 * len(likenesses))
    cells = figure.subplots(len(likenesses), 2, squeeze=False, sharex=True, sharey="row")
    for place, (row, likeness) in enumerate(zip(cells, likenesses, strict=True)):
        for axes, pairs, between in (
            (row[0], _steps(evidences[0]), "w(L-1) and w(L)"),
            (row[1], _beside_last(evidences[0]), f"w({evidences[0].last}) and each baseline"),
        ):
            _draw_panel(axes, evidences, likeness, pairs)
            title = f"{likeness.title}: {between}"
            if place:
                axes.set_title(title, fontsize=TEXT_SIZE, loc="left")
            else:
                legend_above(axes, title)
        row[0].set_ylabel(likeness.quantity, fontsize=TEXT_SIZE)
    explain_seeds(figure, evidences)
    return figure


def _draw_panel(axes: Axes, evidences: Sequence[Evidence], likeness: _Likeness, pairs: Sequence[Pair]) -> None:
    layers = likeness.layers(evidences[0].functions)
    at = list(range(len(layers)))
    for first, second in pairs:
        look = appearance(second)
        label = f"level {second.level}" if second.kind == "imp" else second.kind
        values = _values(evidences, likeness.matrices, first, second)
        for of_seed in values if len(values) > 1 else ():
            axes.plot(at, of_seed, color=look.colour, linewidth=0.8, alpha=0.4, label="_seed")
        axes.errorbar(
            at,
            middle(values).mean,
            yerr=_interval(values),
            color=look.colour,
            marker=look.marker,
            markersize=4 * look.scale,
            linewidth=1.3,
            elinewidth=0.8,
            label=label,
        )
        if likeness.by_chance is not None:
            by_chance = _values(evidences, likeness.by_chance, first, second).mean(axis=0)
            axes.plot(at, by_chance, color=look.colour, linestyle=":", linewidth=1.0, label="_chance")
    if likeness.by_chance is not None and pairs:
        axes.plot([], [], color="black", linestyle=":", linewidth=1.0, label="by chance")
    axes.tick_params(labelsize=SMALL_TEXT_SIZE)
    axes.grid(True, color=GRID_COLOUR, linewidth=0.6)
    shown = thinned(at, _MOST_LABELS)
    axes.set_xticks(shown, [layers[index] for index in shown], rotation=70, ha="right", rotation_mode="anchor")


def _values(
    evidences: Sequence[Evidence], matrices: Callable[[StudyFunctions], np.ndarray], first: Place, second: Place
) -> np.ndarray:
    """Return the likeness in every layer, of each seed, (seeds, layers)."""
    found = [evidence.functions for evidence in evidences]
    return np.array([each.between(matrices(each), first, second) for each in found])


def _interval(values: np.ndarray) -> np.ndarray | None:
    """Return how far the interval of the mean reaches, at most as far as the seeds are apart; none of one."""
    if len(values) < 2:
        return None
    found, most = middle(values), np.ptp(values, axis=0)
    reach = np.stack([found.mean - found.low, found.high - found.mean])
    return np.asarray(np.nan_to_num(reach).clip(0, most))


def _numbers(likenesses: Sequence[_Likeness], columns: Sequence[str], evidence: Evidence) -> Table:
    """Return every pair of solutions in every layer, a row each."""
    found = evidence.functions
    rows: list[tuple[Cell, ...]] = []
    matrices = [
        matrix(found) for each in likenesses for matrix in (each.matrices, each.by_chance) if matrix is not None
    ]
    for index, layer in enumerate(likenesses[0].layers(found)):
        for row, first in enumerate(found.places):
            for column, second in enumerate(found.places[:row]):
                values = [float(matrix[index, row, column]) for matrix in matrices]
                rows.append((layer, first.name, second.name, *map(_existing, values)))
    return Table(("layer", "first", "second", *columns), tuple(rows))


def _existing(value: float) -> float | None:
    return None if np.isnan(value) else value


def _say_cka(evidence: Evidence) -> str:
    found, functions = evidence.functions, evidence.functions.functions
    if not functions.layers:
        return "No layer of the network shows what it puts out."
    parts = []
    for name, pairs in (
        ("successive levels", _steps(evidence)),
        ("w(N) and baselines", _beside_last(evidence)),
    ):
        over = np.array([found.between(functions.cka, *pair) for pair in pairs])  # (pairs, layers)
        if not len(pairs) or np.isnan(over).all():
            continue
        means = np.nanmean(over, axis=0)
        least = int(np.nanargmin(means))
        parts.append(
            f"debiased linear CKA of {name} is {rounded(float(np.nanmean(over)))} on average over layers, "
            f"least in {functions.layers[least]} ({rounded(float(means[least]))})"
        )
    text = sentence(parts)
    return text[:1].upper() + text[1:]


def _say_masks(evidence: Evidence) -> str:
    found, masks = evidence.functions, evidence.functions.masks
    whole = masks.parts.index(ALL_LAYERS)
    parts = []
    for first, second in [*_steps(evidence)[-1:], *_beside_last(evidence)]:
        iou, by_chance, signs, signs_by_chance = (
            float(found.between(matrix[whole], first, second))
            for matrix in (masks.iou, masks.iou_by_chance, masks.signs, masks.signs_by_chance)
        )
        parts.append(
            f"{second.name if second.kind == 'imp' else second.kind}"
            f"{f' and {first.name}' if second.kind == 'imp' else ''} {rounded(iou)} "
            f"({rounded(by_chance)} by chance), signs {rounded(signs)} ({rounded(signs_by_chance)})"
        )
    return sentence(
        [f"Intersection over union with the mask of w(N), and the share of signs: {parts[0]}", *parts[1:]]
    )


CKA = Exhibit(
    file="beyond_cka",
    title="Beyond the paper: how alike the layers of two solutions are",
    paper="The paper compares solutions by their weights alone. CKA compares what their layers put out on the "
    "test examples (arXiv 1905.00414).",
    found=_say_cka,
    numbers=lambda evidence: _numbers([_CKA], ["cka"], evidence),
    draw=of_one(lambda evidences: _draw([_CKA], evidences)),
    draw_seeds=lambda evidences: _draw([_CKA], evidences),
)
MASKS = Exhibit(
    file="beyond_masks",
    title="Beyond the paper: which weights two solutions both keep, and their signs, beside chance",
    paper="The paper does not compare masks. Of a ticket's weights the signs matter more than the magnitudes "
    "(arXiv 1905.01067).",
    found=_say_masks,
    numbers=lambda evidence: _numbers(
        [_IOU, _SIGNS], ["iou", "iou_by_chance", "signs", "signs_by_chance"], evidence
    ),
    draw=of_one(lambda evidences: _draw([_IOU, _SIGNS], evidences)),
    draw_seeds=lambda evidences: _draw([_IOU, _SIGNS], evidences),
)
OF_LAYERS: tuple[Exhibit, ...] = (CKA, MASKS)
