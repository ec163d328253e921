"""Whether the training loss has settled, on made-up histories whose trend is known."""

import math
from dataclasses import replace

import pytest
from made_evidence import made_evidence

from lth.evidence.certainty import estimate_mean
from lth.evidence.evidence import Attained
from lth.evidence.regime import change_from_previous, in_words, late_change, regime, regime_table, state
from lth.plan.place import Place
from lth.training.evaluate import Evaluation
from lth.training.train import EpochRecord

LAST = 2


def history(loss_at, epochs=range(2, 31)):
    return tuple(EpochRecord(epoch, Evaluation(loss_at(epoch), 1.0), Evaluation(0.1, 0.9)) for epoch in epochs)


def with_losses(*losses, seed=0, **overrides):
    """A study whose levels have these losses, functions of the epoch."""
    evidence = made_evidence(seed, LAST, **overrides)
    attained = {
        Place.imp(level): Attained(0.8**level, history(loss_at)) for level, loss_at in enumerate(losses)
    }
    return replace(evidence, attained={**evidence.attained, **attained})


def flat(loss):
    return lambda epoch: loss


def falling(rate):
    return lambda epoch: math.exp(-rate * epoch)


def seeds(*factors):
    return [with_losses(flat(0.1), flat(0.1 * f), flat(0.1 * f), seed=s) for s, f in enumerate(factors)]


@pytest.mark.parametrize(
    ("factors", "expected"),
    [
        ((0.5, 0.52, 0.48), "falling"),
        ((2.0, 2.1, 1.9), "rising"),
        ((1.0, 1.01, 0.99), "settled"),
        ((0.97, 0.98, 0.96), "settled"),  # surely lower, and by nothing that matters
        ((0.5, 2.0, 1.0), "not known"),
        ((0.8, 0.95, 1.02), "not known"),
        ((1.0,), "not known"),
    ],
)
def test_a_level_has_settled_if_its_change_is_surely_within_a_tenth(factors, expected):
    _, first, second = regime(seeds(*factors))
    assert first.between == expected
    assert second.between == ("settled" if len(factors) > 1 else "not known")


def test_the_dense_network_has_no_level_before_it():
    first, *_ = regime(seeds(1.0, 1.0))
    assert (first.from_previous, first.between) == (None, "not known")
    assert change_from_previous(seeds(1.0)[0], 0) is None


@pytest.mark.parametrize("rate", [0.0, 0.01, 0.3, -0.05])
def test_a_loss_that_falls_exponentially_changes_by_its_rate_in_a_tenth_of_the_epochs(rate):
    evidence = with_losses(falling(rate), falling(rate), falling(rate))
    assert late_change(evidence, 1) == pytest.approx(-rate * 28 / 10, abs=1e-9)


def test_only_the_last_fifth_of_the_epochs_counts():
    """Steep to epoch 24 and flat from then on."""
    bent = with_losses(*[lambda epoch: math.exp(-0.5 * min(epoch, 24))] * 3)
    assert late_change(bent, 1) == pytest.approx(0, abs=1e-9)


def test_a_last_record_of_other_examples_is_left_out():
    def jumping(epoch):
        return 0.2 if epoch == 30 else 0.1

    assert late_change(with_losses(*[jumping] * 3, epoch_examples="0.5"), 1) == pytest.approx(0, abs=1e-9)
    assert late_change(with_losses(*[jumping] * 3, epoch_examples="all"), 1) > 0.1


@pytest.mark.parametrize("odd", [0.0, math.inf, math.nan])
def test_a_loss_without_a_logarithm_has_no_change(odd):
    evidence = with_losses(flat(0.1), flat(odd), flat(0.1))
    assert change_from_previous(evidence, 1) is None
    assert change_from_previous(evidence, 2) is None
    assert late_change(evidence, 1) is None
    assert regime([evidence, evidence])[1].between == "not known"


def test_a_seed_without_a_change_leaves_the_level_unknown():
    assert state(estimate_mean([0.0, 0.0, None], alpha=0.05)) == "not known"


def test_words_and_table_say_the_levels_and_what_the_loss_alone_moves():
    found = regime(seeds(0.5, 0.52, 0.48))
    said = in_words(found, 20, matched=False)
    assert "still falls at level 1" in said
    assert "has settled at level 2" in said
    assert "about 20 ln f" in said
    assert "With matched_loss=on" in said
    assert "Their kin “-matched” compare at one loss" in in_words(found, 20, matched=True)
    first, second, third = regime_table(found, 20).rows
    assert first[2:5] == ("–", "–", "–")
    assert second[2].startswith("-50")
    assert (second[3], second[4], third[4]) == ("-14", "falling", "settled")
