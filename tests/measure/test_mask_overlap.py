"""Overlaps of masks and signs against closed forms, and chance against masks that are drawn."""

import math

import pytest
import torch

from lth.measure.mask_overlap import chance_of_iou, intersection_over_union, sign_agreement

STREAM = torch.Generator().manual_seed(0)


def drawn(density: float, count: int = 4000) -> torch.Tensor:
    kept = torch.zeros(count, dtype=torch.bool)
    kept[torch.randperm(count, generator=STREAM)[: round(density * count)]] = True
    return kept


@pytest.mark.parametrize(("first", "second"), [(0.5, 0.5), (0.9, 0.1), (0.05, 0.05), (1.0, 0.3), (1.0, 1.0)])
def test_random_masks_overlap_as_chance_says(first, second):
    found = [intersection_over_union(drawn(first), drawn(second)) for _ in range(60)]
    error = torch.tensor(found).std().item() / math.sqrt(60) + 1e-12
    assert abs(sum(found) / 60 - chance_of_iou(first, second)) < 4 * error + 1e-3 * chance_of_iou(first, second)


@pytest.mark.parametrize(("inner", "outer"), [(1, 4), (3, 3), (0, 5)])
def test_of_nested_masks_it_is_the_ratio_of_their_sizes(inner, outer):
    kept = torch.arange(10)
    assert intersection_over_union(kept < inner, kept < outer) == pytest.approx(inner / outer)


def test_masks_that_keep_nothing_have_no_overlap():
    none = torch.zeros(3, dtype=torch.bool)
    assert math.isnan(intersection_over_union(none, none))
    assert math.isnan(chance_of_iou(0, 0))
    assert chance_of_iou(0, 0.5) == 0
    assert all(map(math.isnan, sign_agreement(torch.zeros(0), torch.zeros(0))))


@pytest.mark.parametrize("positive", [0.5, 0.9, 0.0])
def test_signs_agree_by_chance_as_often_as_shuffled_ones_do(positive):
    signs = torch.where(torch.arange(1000) < 1000 * positive, 1.0, -1.0)
    other = torch.where(torch.arange(1000) < 300, 2.0, -2.0)
    shuffled = [sign_agreement(signs[torch.randperm(1000, generator=STREAM)], other) for _ in range(80)]
    chance = shuffled[0][1]
    assert chance == pytest.approx(positive * 0.3 + (1 - positive) * 0.7)
    assert sum(share for share, _ in shuffled) / 80 == pytest.approx(chance, abs=4e-3)


def test_the_same_signs_agree_whatever_the_magnitudes():
    weights = torch.randn(50, generator=STREAM)
    assert sign_agreement(weights, 0.01 * weights)[0] == 1
    assert sign_agreement(weights, -weights)[0] == 0
