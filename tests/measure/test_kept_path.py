"""Where on the kept path of a training the loss was a given one, against closed forms."""

import math
from itertools import pairwise

import pytest
import torch

from lth.measure.kept_path import KeptPath, trace_back
from lth.network.weights import Weights


def falling(epoch):
    return math.exp(-epoch)


@pytest.mark.parametrize("epochs", [(0.0, 1.0, 2.0, 4.0, 8.0, 16.0), tuple(map(float, range(17))), (0.0, 16.0)])
@pytest.mark.parametrize("sought", [0.3, 3.0, 7.7, 15.99, 8.0])
def test_an_exponential_loss_is_traced_back_to_its_logarithm(epochs, sought):
    found = trace_back(falling, epochs, falling(sought))
    assert found.epoch == pytest.approx(sought, abs=1e-6)
    assert found.is_there
    assert found.kept_before <= sought <= found.kept_after
    assert {found.kept_before, found.kept_after} <= set(epochs)


@pytest.mark.parametrize("share", [0.0, 0.25, 0.9, 1.0])
def test_on_the_line_between_kept_weights_a_quadratic_loss_is_where_algebra_puts_it(share):
    before, after = torch.tensor([3.0, 4.0]), torch.tensor([0.0, 1.0])
    path = KeptPath((8.0, 16.0), lambda epoch: Weights({"w": before if epoch == 8 else after}, {}))
    wanted = float(((1 - share) * before + share * after).square().sum())

    def loss_at(epoch):
        return float(path.at(epoch).parameters["w"].double().square().sum())

    found = trace_back(loss_at, path.epochs, wanted)
    assert found.epoch == pytest.approx(8 + 8 * share, abs=1e-5)
    assert found.is_there


def test_of_several_places_the_last_is_taken():
    """The loss crosses 0.5 on its way down, up and down again."""

    def waving(epoch):
        return 1 - epoch / 20 + 0.3 * math.sin(epoch)

    fine = [step / 100 for step in range(1601)]
    crossings = [b for a, b in pairwise(fine) if (waving(a) - 0.5) * (waving(b) - 0.5) < 0]
    found = trace_back(waving, (0.0, 4.0, 8.0, 12.0, 16.0), 0.5)
    assert len(crossings) > 1
    assert found.epoch == pytest.approx(crossings[-1], abs=0.01)


@pytest.mark.parametrize("wanted", [falling(16), falling(16) / 2, 0.0])
def test_an_end_that_is_no_lower_stays_where_it_is(wanted):
    found = trace_back(falling, (0.0, 16.0), wanted)
    assert (found.epoch, found.kept_before, found.kept_after, found.num_evaluations) == (16.0, 16.0, 16.0, 1)
    assert found.is_there == (wanted == falling(16))


@pytest.mark.parametrize("wanted", [1.5, math.inf])
def test_a_path_that_never_had_the_loss_says_so_and_gives_its_highest_kept_place(wanted):
    found = trace_back(falling, (0.0, 4.0, 16.0), wanted)
    assert (found.epoch, found.loss, found.is_there) == (0.0, 1.0, False)


@pytest.mark.parametrize("odd", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_counts_as_above_every_other(odd):
    found = trace_back(lambda epoch: odd if epoch < 3 else falling(epoch), (0.0, 2.0, 16.0), falling(5))
    assert found.epoch == pytest.approx(5, abs=1e-6)


def test_weights_are_read_from_the_end_and_no_further_than_needed():
    read = []

    def weights(epoch):
        read.append(epoch)
        return Weights({"w": torch.tensor([falling(epoch)])}, {})

    path = KeptPath((0.0, 2.0, 4.0, 8.0, 16.0), weights)
    trace_back(lambda epoch: float(path.at(epoch).parameters["w"]), path.epochs, 0.01)
    assert set(read) == {16.0, 8.0, 4.0}
    assert len(read) <= 4


@pytest.mark.parametrize("epoch", [1.9, 16.1])
def test_an_epoch_beyond_the_path_is_refused(epoch):
    path = KeptPath((2.0, 16.0), lambda _: Weights({}, {}))
    with pytest.raises(ValueError, match=f"epoch {epoch:g} is not on a path from 2 to 16"):
        path.at(epoch)


def test_kept_weights_are_on_the_path_bit_for_bit():
    kept = {2.0: torch.tensor([0.1, 1e-30]), 4.0: torch.tensor([7.7, -3.0])}
    path = KeptPath(tuple(kept), lambda epoch: Weights({"w": kept[epoch]}, {"mean": kept[epoch]}))
    for epoch, tensor in kept.items():
        assert torch.equal(path.at(epoch).parameters["w"], tensor)
        assert torch.equal(path.at(epoch).buffers["mean"], tensor)
