"""How far the functions of all solutions are from each other, as heat maps beside those of their weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from lth.evidence.evidence import Evidence
from lth.measure.kind.function import StudyFunctions
from lth.plan.place import Place
from lth.report.exhibit.exhibit import Exhibit
from lth.report.exhibit.heat_map import HEAT_MAP, Affinity

_PAPER = (
    "The paper compares solutions by their weights alone (Fig. 14). How far apart those are says little of "
    "what they compute (arXiv 1912.02757)."
)


def _places(evidence: Evidence) -> Sequence[Place]:
    return evidence.functions.places


def _apart(name: str, unit: str, matrix: Callable[[StudyFunctions], np.ndarray], of: str) -> Affinity:
    return Affinity(
        name,
        unit,
        lambda evidence: matrix(evidence.functions),
        lambda a, b: a < b,
        min,
        max,
        "Blues",
        ".2g",
        _places,
        of,
    )


DISAGREEMENT = HEAT_MAP.of(
    "beyond_disagreement",
    "Beyond the paper: test examples on which two solutions disagree",
    _PAPER,
    _apart(
        "disagreement",
        "% of the test examples",
        lambda found: 100 * found.functions.disagreement,
        "between solutions",
    ),
)
KL = HEAT_MAP.of(
    "beyond_kl",
    "Beyond the paper: KL divergence between the predictions of two solutions on the test examples",
    _PAPER,
    _apart("KL(row ‖ column)", "nats", lambda found: found.functions.kl, "of predictions"),
)
OUTPUTS = HEAT_MAP.of(
    "beyond_outputs",
    "Beyond the paper: distance between the outputs of two solutions on the test examples",
    _PAPER,
    _apart(
        "root mean square difference of outputs",
        "in their unit",
        lambda found: found.functions.rms,
        "between solutions",
    ),
)
FUNCTION_MAPS: tuple[Exhibit, ...] = (DISAGREEMENT, KL, OUTPUTS)


def maps_of(found: StudyFunctions) -> tuple[Exhibit, ...]:
    """Return the maps that solutions of this kind have: of classes and logits, or of their outputs."""
    classes = (DISAGREEMENT,) if found.is_of_classes else ()
    return (*classes, KL if found.has_kl else OUTPUTS)
