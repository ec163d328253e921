"""Curvature over parts of the examples: which they are, and that together they are the whole."""

import pytest
import torch
from problems import SPEC, imp_solution, tiny_setting, training_data
from tiny_problem import make_problem

from lth.measure.kind.site import Site
from lth.measure.kind.take import numbers, read, take
from lth.measure.packed import Packed, pack
from lth.measure.surveyor import MaskedPoint, Surveyor
from lth.network import build_network
from lth.plan.jobs import PartJob
from lth.plan.place import Place, Point
from lth.solution.problem import check_measurable

SETTING = tiny_setting(k=3, trace_probes=2)  # 20 examples
SOLUTION = imp_solution(1)
LOCATED = MaskedPoint(SOLUTION.mask.apply(SOLUTION.final), SOLUTION.mask)


def surveyor(seed: int = 0) -> Surveyor:
    return Surveyor(build_network(SPEC, 0), training_data(), SETTING.analysis.hessian_examples, seed=seed)


@pytest.mark.parametrize("parts", [1, 2, 3, 4, 20])
def test_parts_are_disjoint_make_up_the_sample_and_are_as_large_but_for_one(parts):
    found = [surveyor().positions_of((part, parts)) for part in range(1, parts + 1)]
    assert sorted(position for part in found for position in part) == surveyor().positions
    assert max(map(len, found)) - min(map(len, found)) <= 1
    assert all(part == sorted(part) for part in found)


def test_another_seed_divides_them_otherwise_and_the_same_one_does_not():
    first, again, other = (surveyor(seed).chosen((1, 2)).tolist() for seed in (0, 0, 1))
    assert first == again != other


@pytest.mark.parametrize("parts", [2, 4])
def test_the_mean_hessian_of_equal_parts_is_that_of_the_whole(parts):
    at = surveyor()
    vector = torch.randn(LOCATED.space.dimension, generator=torch.Generator().manual_seed(0))
    shares = [at.hessian(LOCATED, (part, parts))(vector) for part in range(1, parts + 1)]
    whole = at.hessian(LOCATED)(vector)
    torch.testing.assert_close(torch.stack(shares).mean(dim=0), whole, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(at.hessian(LOCATED, (1, parts))(vector), shares[0], rtol=0, atol=0)


def test_what_is_stored_of_a_part_says_how_many_examples_it_has():
    job = PartJob(Point.at(Place.imp(1)), 2, 3)
    site = Site(lambda _place: SOLUTION, surveyor(), SETTING.deciding("parts"))
    found = read(Packed(pack(take(job, site))), job)
    assert found.examples == numbers(job, found)["examples"] == 7
    assert len(found.curvature.spectrum.eigenvalues) == 3


@pytest.mark.parametrize(("halvings", "fits"), [("4", True), ("5", False)])
def test_more_parts_than_examples_are_refused_before_anything_is_trained(halvings, fits):
    problem = make_problem(halvings=halvings)  # of 16 examples
    if fits:
        check_measurable(problem)
        return
    with pytest.raises(ValueError, match="makes 32 parts of 16 examples; lower it, or raise hessian_examples"):
        check_measurable(problem)
