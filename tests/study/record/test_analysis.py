"""What does not exist, has not converged or is only a bound is a result of an analysis, and never an error."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from made_evidence import K, made_evidence, with_results
from matplotlib.figure import Figure
from tiny_problem import make_study

from lth.evidence.evidence import Evidence
from lth.plan.jobs import successive_line
from lth.plan.place import Place, Point
from lth.study.record.solution import log_analysis, measuring

SOLUTION = Point.at(Place.imp(2))


@dataclass
class Run:
    """A run that keeps what is logged to it."""

    logged: dict[str, float] = field(default_factory=dict)
    figures: list[str] = field(default_factory=list)
    tagged: dict[str, str] = field(default_factory=dict)
    said: str = ""

    def metrics(self, numbers: Mapping[str, float], _step: int) -> None:
        self.logged |= numbers

    def tags(self, values: Mapping[str, str]) -> None:
        self.tagged |= values

    def note(self, text: str) -> None:
        self.said = text

    def flush(self) -> None:
        pass

    def figure(self, _figure: Figure, path: str) -> None:
        self.figures.append(path)


def logged(evidence: Evidence) -> Run:
    run = Run()
    log_analysis(run, evidence, 2)
    assert run.figures == ["spectra.png", "radii.png", "interpolation.png"]
    return run


def with_spectrum(**changes: object) -> Evidence:
    evidence = made_evidence(last=2)
    found = evidence.curvature[SOLUTION]
    spoiled = replace(found, spectrum=replace(found.spectrum, **changes))
    return with_results(evidence, curvature={**evidence.curvature, SOLUTION: spoiled})


def test_sound_numbers_come_without_a_warning():
    run = logged(made_evidence(last=2))
    assert run.tagged == {}
    assert run.said == ""
    assert {"landscape/log_eig_product", "landscape/log_eig_product_projected"} <= run.logged.keys()
    assert {"landscape/radius_mean_previous", "landscape/barrier_loss_anew"} <= run.logged.keys()


@pytest.mark.parametrize(
    "changes",
    [
        {"eigenvalues": np.array([5.0, 4, 3, 2, 1, -1])},
        {"noise": 1.0},  # every eigenvalue is above zero, the smallest not beyond rounding
        {"residuals": np.array([0.0, 0, 0, 0, 0, 9])},  # nor beyond its residual
    ],
    ids=["negative", "rounding", "residual"],
)
def test_a_log_product_that_does_not_exist_is_a_result(changes):
    run = logged(with_spectrum(**changes))
    assert "landscape/log_eig_product" not in run.logged
    assert "landscape/log_eig_product_projected" in run.logged
    positive = run.logged["solver/positive_eigenvalues"]
    assert positive < K
    expected = (
        f"log_eig_product does not exist: only {positive:.0f} of the {K} leading eigenvalues are positive"
    )
    assert run.tagged["lth.warnings"].startswith(expected)
    assert run.said.startswith(f"- **warning**: {expected}")


def test_radii_that_never_cross_are_a_result():
    evidence = made_evidence(last=2)
    radii = {
        job: {point: replace(one, censored=np.ones_like(one.censored)) for point, one in found.items()}
        for job, found in evidence.radii.items()
    }
    assert "20 of 20 directions never left the basin" in logged(with_results(evidence, radii=radii)).said


def test_a_line_that_is_not_finite_is_a_result():
    evidence, job = made_evidence(last=2), successive_line(2)
    stored = evidence.lines[job].stored
    broken = replace(stored, train_loss=np.where(stored.alphas == 1, np.inf, stored.train_loss))
    line = replace(evidence.lines[job], stored=broken)
    run = logged(with_results(evidence, lines={**evidence.lines, job: line}))
    assert "landscape/barrier_loss" not in run.logged
    assert "landscape/barrier_loss_anew" in run.logged
    assert run.said.endswith("has losses that are not finite, so it has no barrier")


def test_what_a_store_says_of_how_its_numbers_were_measured_is_not_changed_by_a_parameter_that_came_later(
    tracking,
):
    assert "basis_gib" not in measuring(make_study().problem)
    assert "basis_gib=5.0" in measuring(make_study(basis_gib="5").problem).split()
