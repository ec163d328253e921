"""What `examples/` shows is done, small."""

import pytest
from open_lth_folder import write_level

import examples.torchvision_model as torchvision_model
from examples import is_my_plot_right
from examples.from_open_lth import measured


def test_a_folder_of_open_lth_is_imported_and_measured(tmp_path):
    solution, went, spectrum = measured(write_level(tmp_path, "mnist_lenet_6_5"), count=8, k=2)
    assert solution.level == 2
    assert went.euclidean[0, 1] > 0
    assert spectrum.eigenvalues[0] > spectrum.eigenvalues[1]


def test_a_plot_of_a_function_that_is_known_is_right():
    surface, ways, error = is_my_plot_right.checked(grid=15)
    assert error < 1e-6
    assert [marker.loss for marker in surface.markers] == pytest.approx([1] * 4, abs=1e-4)
    assert ways.in_plane == pytest.approx(1)
    assert (ways.x[-1], ways.y[-1]) == pytest.approx(
        (0, 0), abs=1e-2
    )  # the minimum at (3, 2), the first corner
    on_plane, *_ = is_my_plot_right.drawn(surface, ways).axes
    assert on_plane.get_aspect() == 1


def test_every_program_that_is_installed_finds_the_same_largest_eigenvalue(monkeypatch):
    few = torchvision_model.images
    monkeypatch.setattr(torchvision_model, "images", lambda _count: few(2))
    found = torchvision_model.largest_eigenvalues()
    assert found["lth"] > 0
    assert all(value == pytest.approx(found["lth"], rel=1e-2) for value in found.values())
