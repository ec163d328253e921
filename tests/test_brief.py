import dataclasses

import numpy as np
import pytest
import torch
from problems import image_data
from torch import nn

from lth.brief import brief
from lth.measure.curvature.matrix import MatrixOperator
from lth.measure.curvature.spectrum import leading_spectrum
from lth.measure.interpolation import Interpolation
from lth.network.mask import Mask
from lth.network.weights import Weights
from lth.training.train import TrainingState

NETWORK = nn.Sequential(nn.Conv2d(1, 40, 3), nn.BatchNorm2d(40), nn.Flatten(), nn.Linear(4000, 10))
WEIGHTS = Weights.of(NETWORK)
LINE = np.linspace(0, 1, 500)
RECORDS = [
    WEIGHTS,
    Mask.dense(NETWORK),
    TrainingState(WEIGHTS, dict(WEIGHTS.parameters), 7),
    image_data(),
    leading_spectrum(MatrixOperator(torch.diag(torch.arange(300.0) + 1)), 100, seed=0),
    Interpolation(LINE, LINE, LINE, LINE, LINE),
]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_a_record_of_large_arrays_is_one_line(record):
    assert len(repr(record)) < 400
    assert "\n" not in repr(record)


@dataclasses.dataclass
class Record:
    field: object

    __repr__ = brief


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (torch.zeros(3, 2), "<float32 of 3 × 2>"),
        (torch.tensor(2.5), "2.5"),
        (np.arange(3), "<int64 of 3>"),
        (7, "7"),
        ("a name", "'a name'"),
        ((1, 2), "(1, 2)"),
        (tuple(range(99)), "<99 of tuple>"),
        ({"a": torch.zeros(9)}, "<1 of dict>"),
        ("x\n" * 99, "<str>"),
        (Record(torch.zeros(4)), "Record(field=<float32 of 4>)"),
    ],
)
def test_a_field_is_shown_by_its_value_or_its_size(value, shown):
    assert repr(Record(value)) == f"Record(field={shown})"
