"""Forecasts of pruning: exact on quadratics, and of a network against its dense Hessian and pruning by hand."""

import numpy as np
import pytest
import torch
from problems import (
    DOUBLE,
    SPEC,
    Matrix,
    dense_hessian,
    free_coordinates,
    imp_solution,
    reference_logits,
    tiny_setting,
    training_data,
)
from torch.nn.functional import cross_entropy

from lth.measure.kind import forecast
from lth.measure.kind.site import Site
from lth.measure.kind.take import numbers, read, take
from lth.measure.packed import Packed, pack
from lth.measure.pruning_forecast import PruningForecast, largest_share, quadratic_form, spectral_form
from lth.measure.surveyor import Surveyor
from lth.network import build_network
from lth.network.mask import Mask
from lth.plan.jobs import ForecastJob
from lth.plan.place import Place, Point

STREAM = torch.Generator().manual_seed(0)
JOB = ForecastJob(Point.at(Place.imp(1)))


def symmetric(dimension: int) -> torch.Tensor:
    factor = torch.randn(dimension, dimension, generator=STREAM, dtype=DOUBLE)
    return factor @ factor.T


@pytest.mark.parametrize("k", [0, 1, 5, 12])
def test_a_spectrum_forecasts_what_lies_in_it_exactly_and_the_rest_on_average(k):
    matrix = symmetric(12)
    values, vectors = torch.linalg.eigh(matrix)
    leading, q = values.flip(0)[:k].numpy(), vectors.flip(1)[:, :k].T
    differences = []
    for _ in range(400):
        change = torch.randn(12, generator=STREAM, dtype=DOUBLE)
        found = spectral_form(
            (q @ change).numpy(), float(change @ change), leading, float(matrix.trace()), dimension=12
        )
        differences.append(found - quadratic_form(Matrix(matrix), change))
        inside = q.T @ (q @ change)
        exact = spectral_form(
            (q @ inside).numpy(), float(inside @ inside), leading, float(matrix.trace()), dimension=12
        )
        assert exact == pytest.approx(quadratic_form(Matrix(matrix), inside), rel=1e-9, abs=1e-9)
    assert abs(np.mean(differences)) < 3 * np.std(differences) / 20 + 1e-9


@pytest.mark.parametrize(
    ("losses", "cutoff", "share"),
    [
        ([0.0, 1.0, 2.0], 0.5, 0.25),
        ([0.0, 1.0, 0.0], 0.5, 0.25),  # the first time, though it comes back
        ([0.0, 0.1, 0.2], 0.5, 1.0),
        ([0.6, 0.1, 0.2], 0.5, 0.0),
        ([0.0, np.nan, 0.2], 0.5, 0.0),
        ([0.0, 0.1, np.inf], 0.5, 0.5),
        ([0.0, 0.5, 0.6], 0.5, 0.5),
    ],
)
def test_the_largest_share_is_where_the_cutoff_is_first_exceeded(losses, cutoff, share):
    assert largest_share(np.array([0.0, 0.5, 1.0]), np.array(losses), cutoff) == pytest.approx(share)


@pytest.fixture(scope="module")
def taken() -> PruningForecast:
    return of_scope("global")


def of_scope(scope: str, k: int = 4) -> PruningForecast:
    setting = tiny_setting(scope=scope, k=k, trace_probes=3)
    surveyor = Surveyor(build_network(SPEC, 0), training_data(), setting.analysis.hessian_examples, seed=0)
    site = Site(lambda place: imp_solution(place.level), surveyor, setting.deciding("forecast"))
    return read(Packed(pack(take(JOB, site))), JOB)


def pruned_by_hand(share: float) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Return w(1) as one vector, and what is left where that share of its kept weights, the smallest, goes."""
    solution = imp_solution(1)
    kept = {name: solution.final.parameters[name][keep] for name, keep in solution.mask.keep.items()}
    every = torch.cat(list(kept.values())).abs().sort().values
    bound = every[round(share * len(every)) - 1]
    parameters = {
        name: torch.where(tensor.abs() <= bound, 0, tensor) if name in kept else tensor
        for name, tensor in solution.final.parameters.items()
    }
    return solution.final, parameters


def test_loss_and_forms_are_those_of_weights_pruned_by_hand_and_of_the_dense_hessian(taken):
    solution = imp_solution(1)
    surveyor = Surveyor(
        build_network(SPEC, 0), training_data(), tiny_setting().analysis.hessian_examples, seed=0
    )
    examples = surveyor.examples
    hessian = dense_hessian(solution.final, examples)
    inputs = ((examples.images.float() - examples.mean) / examples.std).to(DOUBLE)
    for index in (0, len(taken.pruned) // 2, len(taken.pruned) - 1):
        before, after = pruned_by_hand(float(taken.pruned[index]))
        exact = {name: tensor.to(DOUBLE) for name, tensor in after.items()}
        loss = cross_entropy(reference_logits(exact, before.buffers, inputs), examples.labels)
        assert taken.loss[index] == pytest.approx(float(loss), rel=1e-4)
        change = torch.cat([(after[name] - before.parameters[name]).reshape(-1) for name in after]).to(DOUBLE)
        assert taken.quadratic[index] == pytest.approx(float(change @ hessian @ change) / 2, rel=1e-3, abs=1e-6)
        free = free_coordinates(solution.mask, solution.final)
        _, vectors = torch.linalg.eigh(hessian[free][:, free])
        inside = (vectors.flip(1)[:, :4].T @ change[free]).square().sum() / change.square().sum()
        assert taken.inside[index] == pytest.approx(float(inside), rel=0.02, abs=1e-4)


def test_shares_ascend_and_hold_that_of_a_level(taken):
    assert (np.diff(taken.pruned) > 0).all()
    kept = imp_solution(1).mask.num_kept
    assert round(0.3 * kept) / kept in taken.pruned  # prune_fraction
    assert taken.pruned[-1] < 1
    assert np.isfinite([*numbers(JOB, taken).values()]).all()


def test_every_layer_gives_its_own_share_where_the_scope_says_so():
    solution = imp_solution(1)
    located = forecast.MaskedPoint(solution.final, solution.mask)
    for pruned in forecast._further(located, tiny_setting(scope="layer").pruning):
        for name, keep in solution.mask.keep.items():
            left = int(pruned.weights.parameters[name].count_nonzero())
            assert abs(left / int(keep.sum()) - (1 - pruned.share)) < 1 / int(keep.sum()) + 0.02


def test_where_few_weights_are_left_shares_are_those_that_whole_weights_make():
    solution = imp_solution(1)
    few = {name: torch.zeros_like(keep) for name, keep in solution.mask.keep.items()}
    few["fc.weight"].view(-1)[:3] = True
    mask = Mask(few)
    located = forecast.MaskedPoint(mask.apply(solution.final), mask)
    shares = [pruned.share for pruned in forecast._further(located, tiny_setting().pruning)]
    assert shares == pytest.approx([1 / 3, 2 / 3])
