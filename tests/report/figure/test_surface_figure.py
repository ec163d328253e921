import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.contour import QuadContourSet

from lth.measure.surface import Marker, Surface
from lth.plan.place import Place
from lth.report.figure.surface import draw_surface

CORNERS = (Place.imp(0), Place.imp(1), Place.imp(2))


def surface(loss=None, markers=()):
    x, y = np.linspace(-1, 5, 13), np.linspace(-1, 3, 9)
    across, up = np.meshgrid(x, y)
    return Surface(x, y, 0.01 + across**2 + up**2 if loss is None else loss, tuple(markers))


def contours(axes, *, filled):
    return [
        artist for artist in axes.collections if isinstance(artist, QuadContourSet) and artist.filled is filled
    ]


def texts_of_legend(side):
    return [] if side.get_legend() is None else [text.get_text() for text in side.get_legend().get_texts()]


def colour_at(figure, axes, x, y):
    """Return the pixels' mean colour in a square around a point of the plane."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    column, row = axes.transData.transform((x, y)).round().astype(int)
    pixels = np.asarray(canvas.buffer_rgba())[::-1, :, :3]
    return pixels[row - 12 : row + 13, column - 12 : column + 13].reshape(-1, 3).mean(axis=0)


def test_map_has_equal_aspect_l2_axes_and_a_bar_in_nats():
    axes, _ = draw_surface(surface(), CORNERS).axes
    assert axes.get_aspect() == 1
    assert "L2 distance along dense → level 1" in axes.get_xlabel()
    assert "toward level 2" in " ".join(axes.get_ylabel().split())
    (bar,) = axes.child_axes
    assert bar.get_ylabel() == "training loss (nats)"


def test_shades_are_even_in_the_logarithm_of_the_loss():
    axes, _ = draw_surface(surface(), CORNERS).axes
    (filled,) = contours(axes, filled=True)
    np.testing.assert_allclose(np.diff(filled.levels), np.diff(filled.levels)[0])
    np.testing.assert_allclose(10 ** filled.levels[[0, -1]], [0.01, 34.01])


def test_a_cell_that_is_not_finite_is_drawn_grey_and_counted():
    loss = np.full((9, 13), 0.5)
    loss[:, :6] = 0.1
    loss[5:, 8:] = np.nan
    loss[0, 0] = np.inf
    figure = draw_surface(surface(loss), CORNERS)
    axes, side = figure.axes
    assert texts_of_legend(side) == ["not finite (21 of 117 grid points)"]
    red, _, blue = colour_at(figure, axes, 4, 2)
    assert abs(red - blue) < 2  # grey
    red, _, blue = colour_at(figure, axes, 4, 0)
    assert blue > red + 20  # a shade of blue


def test_a_finite_surface_has_no_grey_under_it():
    axes, side = draw_surface(surface(), CORNERS).axes
    assert not axes.patches
    assert side.get_legend() is None


def test_boundary_of_the_sublevel_set_is_one_thick_line_at_the_cutoff():
    axes, side = draw_surface(surface(), CORNERS, cutoff=2.25).axes
    (boundary,) = [lines for lines in contours(axes, filled=False) if list(lines.levels) == [np.log10(2.25)]]
    assert boundary.get_linewidth()[0] > 2
    assert texts_of_legend(side) == ["Loss ≤ 2.25 nats"]


def test_a_set_around_one_grid_point_is_seen_though_losses_beside_it_are_a_thousand_times_its_own():
    loss = np.full((9, 13), 10.0)
    loss[4, 6] = 0.01
    axes, _ = draw_surface(surface(loss), CORNERS, cutoff=0.1).axes
    (boundary,) = [lines for lines in contours(axes, filled=False) if list(lines.levels) == [-1.0]]
    (path,) = boundary.get_paths()
    assert np.abs(path.vertices - [2, 1]).max() == pytest.approx(0.5 / 3)  # a third of a cell, in the logarithm


@pytest.mark.parametrize("lowest", [0.0, -1.0])
def test_a_cutoff_that_has_no_logarithm_ends_its_set_by_the_losses(lowest):
    loss = np.full((9, 13), 1.0)
    loss[4, 6] = lowest - 1
    axes, _ = draw_surface(surface(loss), CORNERS, cutoff=lowest).axes
    (boundary,) = [lines for lines in contours(axes, filled=False) if list(lines.levels) == [lowest]]
    assert np.abs(boundary.get_paths()[0].vertices - [2, 1]).max() == pytest.approx(0.5 / (2 - lowest))


@pytest.mark.parametrize(
    ("cutoff", "text"),
    [(0.001, "Loss ≤ 0.001 nats (no grid point)"), (99, "Loss ≤ 99 nats (every finite grid point)")],
)
def test_a_sublevel_set_without_a_boundary_is_said_in_the_legend(cutoff, text):
    _, side = draw_surface(surface(), CORNERS, cutoff=cutoff).axes
    assert texts_of_legend(side) == [text]


def test_each_solution_is_a_numbered_marker_with_its_row_in_the_table():
    markers = [Marker(Place.imp(0), 0, 0, 0.0, 0.015), Marker(Place("one_shot", 2), 3, 1, 12.345, 0.75)]
    axes, side = draw_surface(surface(markers=markers), CORNERS, cutoff=0.02).axes
    assert [(line.get_label(), *line.get_xydata()[0]) for line in axes.lines] == [
        ("dense", 0, 0),
        ("one_shot at level 2", 3, 1),
    ]
    assert [text.get_text() for text in axes.texts if text.get_text()] == ["1", "2"]
    table = [text.get_text() for text in side.texts]
    assert table[0] == "solution (baselines\nof level 2)"
    assert table[4:] == ["1", "dense", "0.015", "0", "yes", "2", "one_shot", "0.75", "12.3", "no"]


def test_numbers_of_fifteen_solutions_in_one_place_do_not_cover_each_other():
    figure = draw_surface(surface(markers=[Marker(Place.imp(i), 2, 1, i, 0.1) for i in range(15)]), CORNERS)
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.canvas.draw()
    boxes = [
        text.get_bbox_patch().get_window_extent(renderer) for text in figure.axes[0].texts if text.get_text()
    ]
    centres = np.array([(box.x0 + box.width / 2, box.y0 + box.height / 2) for box in boxes])
    widest = max(box.width for box in boxes)
    apart = np.linalg.norm(centres[:, None] - centres, axis=2)[np.triu_indices(15, 1)]
    assert len(boxes) == 15
    assert apart.min() >= widest


@pytest.mark.parametrize(
    "loss",
    [
        np.full((9, 13), 0.1),
        np.zeros((9, 13)),
        np.full((9, 13), np.nan),
        np.logspace(-9, 9, 117).reshape(9, 13),
    ],
    ids=["equal", "zero", "nan", "eighteen decades"],
)
def test_degenerate_losses_can_be_drawn_and_saved(loss, tmp_path):
    draw_surface(surface(loss), CORNERS, cutoff=0.1).savefig(tmp_path / "figure.png")
