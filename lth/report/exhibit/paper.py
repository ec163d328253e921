"""Every figure and table of the paper, in its order, and what this project shows beyond them."""

from __future__ import annotations

from collections.abc import Sequence

from lth.evidence.evidence import Evidence
from lth.plan.jobs import FunctionJob, LineJob, PathJob, successive_line
from lth.plan.place import Kind, Place, Point
from lth.report.exhibit.attainment import AGAINST_BASELINES, LEVELS
from lth.report.exhibit.beyond_aligned import ALIGNED, ALIGNED_TABLE
from lth.report.exhibit.beyond_barriers import BARRIERS
from lth.report.exhibit.beyond_each_method import LINES_OF_METHODS, SPECTRA_OF_METHODS
from lth.report.exhibit.beyond_every_level import EVERY_LEVEL
from lth.report.exhibit.beyond_examples import EXAMPLES
from lth.report.exhibit.beyond_forecast import FORECAST
from lth.report.exhibit.beyond_function import FUNCTION_MAPS, maps_of
from lth.report.exhibit.beyond_layer_spectra import LAYER_SPECTRA
from lth.report.exhibit.beyond_layers import OF_LAYERS
from lth.report.exhibit.beyond_localisation import LOCALISATION
from lth.report.exhibit.beyond_matched import MATCHED
from lth.report.exhibit.beyond_methods import METHODS_SHOWN, has_methods
from lth.report.exhibit.beyond_path import PATH
from lth.report.exhibit.beyond_regime import REGIME
from lth.report.exhibit.beyond_scale import SCALE
from lth.report.exhibit.beyond_sharpness import SHARPNESS
from lth.report.exhibit.beyond_subspaces import SUBSPACES
from lth.report.exhibit.beyond_trace import TRACE
from lth.report.exhibit.beyond_volume import VOLUME
from lth.report.exhibit.comparison import NEXT_LARGER, PROJECTION, REVERSE, with_baseline
from lth.report.exhibit.exhibit import Exhibit
from lth.report.exhibit.heat_map import COSINE, EUCLIDEAN, HEAT_MAP
from lth.report.exhibit.lines import LINES, SUCCESSIVE_LINES
from lth.report.exhibit.radii import MEAN_RADII, RADII
from lth.report.exhibit.second_cut import SECOND_CUT
from lth.report.exhibit.spectra import LOG_PRODUCTS, SPECTRA
from lth.report.exhibit.steepness import STEEPNESS
from lth.report.exhibit.surface import SURFACE
from lth.report.exhibit.travel import TRAVEL
from lth.report.exhibit.two_spaces import TWO_SPACES


def successive_lines(evidence: Evidence) -> list[LineJob]:
    """Return the lines from w(L-1) to w(L)."""
    return [successive_line(level) for level in evidence.levels]


def _baseline(evidence: Evidence, kind: Kind) -> Point:
    return Point.at(Place(kind, evidence.last))


def _to_random_init(evidence: Evidence) -> Sequence[LineJob]:
    return (LineJob(Point.projection(evidence.last), _baseline(evidence, "random_init")),)


def _to_random_prune_one_shot(evidence: Evidence) -> Sequence[LineJob]:
    start = Point.projection(evidence.last)
    return (
        LineJob(start, Point.at(Place.imp(evidence.last))),
        LineJob(start, _baseline(evidence, "random_prune_one_shot")),
    )


def _to_random_prune(evidence: Evidence) -> Sequence[LineJob]:
    end = _baseline(evidence, "random_prune")
    return LineJob(Point.at(Place.imp(evidence.last)), end), LineJob(Point.projection(evidence.last), end)


EXHIBITS: tuple[Exhibit, ...] = (
    LEVELS,
    AGAINST_BASELINES,
    TRAVEL,
    STEEPNESS,
    SPECTRA.of(
        "fig05_spectra_projection",
        "Fig. 5 (26 for VGG-16): leading Hessian eigenvalues at m(L)⊙w(L-1) and at w(L)",
        "The eigenvalues at w(L) are smaller than at m(L)⊙w(L-1), so its basin is larger.",
        PROJECTION,
    ),
    LOG_PRODUCTS.of(
        "table1_projection",
        "Table I (VI for VGG-16): log_eig_product at m(L)⊙w(L-1) and at w(L)",
        "log_eig_product is larger at m(L)⊙w(L-1) at all ten levels, by 1.8 at level 1 and 116.8 at level 10.",
        PROJECTION,
    ),
    RADII.of(
        "fig06_radii_projection",
        "Fig. 6: basin radii at w(L) and at m(L)⊙w(L-1), in level-L space",
        "Radii along random directions are larger at w(L).",
        PROJECTION,
    ),
    MEAN_RADII.of(
        "table2_radii_projection",
        "Table II: mean basin radii at w(L) and at m(L)⊙w(L-1)",
        "The mean radius is 0.232314 at w(L) and 0.183428 at m(L)⊙w(L-1).",
        PROJECTION,
    ),
    SPECTRA.of(
        "fig07_spectra_reverse",
        "Fig. 7 (27 for VGG-16): leading Hessian eigenvalues at w(L) in level L-1 space and at w(L-1)",
        "In level L-1 space the eigenvalues at w(L-1) are smaller than at w(L), so its basin is larger.",
        REVERSE,
    ),
    LOG_PRODUCTS.of(
        "table3_reverse",
        "Table III (VII for VGG-16): log_eig_product at w(L) in level L-1 space and at w(L-1)",
        "log_eig_product is larger at w(L) in level L-1 space at all ten levels, by 2.6 at level 1 and 33.3 at "
        "level 10; for VGG-16 it is smaller at level 1.",
        REVERSE,
    ),
    RADII.of(
        "fig08_radii_reverse",
        "Fig. 8: basin radii at w(L-1) and at w(L), in level L-1 space",
        "Radii along random directions are larger at w(L-1).",
        REVERSE,
    ),
    MEAN_RADII.of(
        "table4_radii_reverse",
        "Table IV: mean basin radii at w(L-1) and at w(L), in level L-1 space",
        "The mean radius is 0.091809 at w(L-1) and 0.074714 at w(L).",
        REVERSE,
    ),
    TWO_SPACES,
    LINES.of(
        "fig09_line_random_init",
        "Fig. 9 (29 for VGG-16): training loss from m(N)⊙w(N-1) to random_init",
        "A significant barrier separates the two points, so they lie in different sublevel sets.",
        _to_random_init,
    ),
    SPECTRA.of(
        "fig10_spectra_random_init",
        "Fig. 10 (30 for VGG-16): leading Hessian eigenvalues at random_init and at w(N)",
        "The eigenvalues at random_init are larger, so its basin is smaller.",
        with_baseline("random_init"),
    ),
    LOG_PRODUCTS.of(
        "table8_random_init",
        "Table VIII (VGG-16): log_eig_product at random_init and at w(N)",
        "log_eig_product is 442.242 at random_init and 389.957 at w(N).",
        with_baseline("random_init"),
    ),
    SPECTRA.of(
        "fig11_spectra_one_shot",
        "Fig. 11: leading Hessian eigenvalues at one_shot and at w(N)",
        "The eigenvalues at one_shot are larger, so its basin is smaller.",
        with_baseline("one_shot"),
    ),
    SUCCESSIVE_LINES.of(
        "fig12_lines_successive",
        "Fig. 12 (28 for VGG-16): training loss from w(L-1) to w(L)",
        "Barriers between successive solutions are clearly visible in the training loss, small enough for "
        "almost the same generalisation all along the line.",
        successive_lines,
    ),
    SURFACE,
    HEAT_MAP.of(
        "fig14_distances",
        "Fig. 14: Euclidean distances between solutions",
        "IMP solutions are nearer to each other than w(N) is to random_init and to random_prune_one_shot, and "
        "random_prune is nearer to w(N) than random_prune_one_shot is.",
        EUCLIDEAN,
    ),
    HEAT_MAP.of(
        "fig15_cosines",
        "Fig. 15: cosines between solutions",
        "Cosines between IMP solutions are greater than those of w(N) with random_init and with "
        "random_prune_one_shot, and w(N) has the greater cosine with random_prune.",
        COSINE,
    ),
    SPECTRA.of(
        "fig16_spectra_next_larger",
        "Fig. 16: leading Hessian eigenvalues at w(L-1) with the next-larger band pruned, m′(L)⊙w(L-1), and "
        "with the smallest weights pruned, m(L)⊙w(L-1)",
        "Pruning slightly larger weights than the smallest generally reduces the volume by a great deal more.",
        NEXT_LARGER,
    ),
    LINES.of(
        "fig17_lines_random_prune_one_shot",
        "Fig. 17: training loss from m(N)⊙w(N-1) to w(N) and to random_prune_one_shot",
        "The barrier to w(N) is small and the one to random_prune_one_shot huge.",
        _to_random_prune_one_shot,
    ),
    SPECTRA.of(
        "fig18_spectra_random_prune_one_shot",
        "Fig. 18: leading Hessian eigenvalues at random_prune_one_shot and at w(N)",
        "The eigenvalues at random_prune_one_shot are larger, so its basin is smaller.",
        with_baseline("random_prune_one_shot"),
    ),
    LINES.of(
        "fig19_lines_random_prune",
        "Fig. 19 (31 for VGG-16): training loss from w(N) and from m(N)⊙w(N-1) to random_prune",
        "For ResNet-20 a small barrier leaves both ends in one sublevel set; for VGG-16 it is huge.",
        _to_random_prune,
    ),
    SPECTRA.of(
        "fig20_spectra_random_prune",
        "Fig. 20 (32 for VGG-16): leading Hessian eigenvalues at random_prune and at w(N)",
        "The eigenvalues at random_prune are larger, so its basin is smaller.",
        with_baseline("random_prune"),
    ),
    LOG_PRODUCTS.of(
        "table9_random_prune",
        "Table IX (VGG-16): log_eig_product at random_prune and at w(N)",
        "log_eig_product is 451.384 at random_prune and 389.957 at w(N).",
        with_baseline("random_prune"),
    ),
    SPECTRA.of(
        "fig21_spectra_fine_tune",
        "Fig. 21: leading Hessian eigenvalues at fine_tune and at w(N)",
        "The eigenvalues at fine_tune are larger, so its basin is smaller.",
        with_baseline("fine_tune"),
    ),
    SECOND_CUT,
)

BEYOND: tuple[Exhibit, ...] = (REGIME, BARRIERS, SCALE, TRACE, EVERY_LEVEL)
_OF_METHODS: tuple[Exhibit, ...] = (METHODS_SHOWN, SPECTRA_OF_METHODS, LINES_OF_METHODS)
_OF_VECTORS: tuple[Exhibit, ...] = (SUBSPACES, LOCALISATION)
EVERY: tuple[Exhibit, ...] = (  # whatever was measured
    *EXHIBITS,
    *BEYOND,
    *_OF_METHODS,
    MATCHED,
    *_OF_VECTORS,
    EXAMPLES,
    *FUNCTION_MAPS,
    *OF_LAYERS,
    SHARPNESS,
    PATH,
    FORECAST,
    VOLUME,
    ALIGNED,
    ALIGNED_TABLE,
    LAYER_SPECTRA,
)


def exhibits_beyond(evidence: Evidence) -> tuple[Exhibit, ...]:
    """Return what this project shows beyond the paper of a study, as far as it measured it."""
    asked = [
        *(_OF_METHODS if has_methods(evidence) else ()),
        *([MATCHED] if evidence.matched else []),
        *(_OF_VECTORS if evidence.subspaces else []),
        *([EXAMPLES] if evidence.parts else []),
        *((*maps_of(evidence.functions), *OF_LAYERS) if evidence.has(FunctionJob) else ()),
        *([SHARPNESS] if evidence.sharpness else []),
        *([PATH] if evidence.has(PathJob) else []),
        *([FORECAST] if evidence.forecasts else []),
        *([VOLUME] if evidence.volumes else []),
        *([ALIGNED, ALIGNED_TABLE] if evidence.aligned else []),
        *([LAYER_SPECTRA] if evidence.layers else []),
    ]
    return (*BEYOND, *asked)
