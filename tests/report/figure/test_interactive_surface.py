import re

import numpy as np
import pytest

from lth.measure.kind.surface import LevelSurface
from lth.measure.surface import Marker, Surface
from lth.plan.jobs import SurfaceJob
from lth.plan.place import Place
from lth.report.figure.interactive_surface import surface_html
from lth.report.measurement import draw_measurement

HOSTILE = '</script><img src=x onerror="alert(1)">'
CORNERS = (Place.imp(0), Place.imp(1), Place("random_init", 1))


def made(places=CORNERS, loss=None):
    x, y = np.linspace(-1, 5, 6), np.linspace(-1, 3, 5)
    across, up = np.meshgrid(x, y)
    markers = tuple(Marker(place, float(i), 0.5, 0.25 + i, 0.0123 + i) for i, place in enumerate(places))
    found = Surface(x, y, 0.01 + across**2 + up**2 if loss is None else loss, markers)
    return LevelSurface(found, places, cutoff=0.0321)


def own_part(page):
    """Return the page without Plotly's library, the longest of its scripts."""
    library = max(re.findall(r"<script[^>]*>.*?</script>", page, re.DOTALL), key=len)
    assert len(library) > 10**6
    return page.replace(library, "")


@pytest.fixture(scope="module")
def page():
    return surface_html(made())


def test_the_page_needs_no_network(page):
    assert not re.search(r"<script[^>]+src=", page)
    assert "<link" not in own_part(page)


def test_equal_surfaces_give_equal_pages(page):
    assert surface_html(made()) == page


def test_hovering_gives_own_loss_and_distance(page):
    own = own_part(page)
    assert "loss 1.012 nats" in own
    assert "1.25 (L2) off the plane" in own
    assert "0.0321 nats" in own


def test_the_map_comes_with_a_relief_to_unfold(page):
    own = own_part(page)
    for part in ('"contour"', '"surface"', '"scatter3d"', "In 3-D"):
        assert part in own


def test_names_are_escaped(monkeypatch):
    hostile = Place("random_init", 1)
    monkeypatch.setattr(Place, "name", property(lambda place: HOSTILE if place == hostile else "level 1"))
    own = own_part(surface_html(made((Place.imp(0), Place.imp(1), hostile))))
    assert "<img" not in own
    assert "\\u003cimg" not in own  # Plotly would read it as markup
    assert "lt;img src=x" in own


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_losses_that_are_not_finite_are_left_out(value):
    loss = np.full((5, 6), 0.5)
    loss[0] = value
    own = own_part(surface_html(made(loss=loss)))
    assert "null" in own
    assert "NaN" not in own
    assert surface_html(made(loss=np.full((5, 6), value)))


def test_where_plotly_is_not_the_surface_is_drawn_and_has_no_page(monkeypatch):
    monkeypatch.setattr("lth.report.measurement.has_plotly", lambda: False)
    assert set(draw_measurement(SurfaceJob(CORNERS, ()), made())) == {"surface.png"}
