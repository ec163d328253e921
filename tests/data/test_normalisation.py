"""What a solution's network is called with is made of raw inputs, in Python and inside of a program."""

import pytest
import torch
from own_data import INPUTS, network_of, of
from problems import CPU
from torch import nn

from lth.data.examples import prepare
from lth.data.images import ImageData
from lth.data.normalisation import Normalisation
from lth.inputs import called, each
from lth.setting.amount import ALL
from lth.setting.network import NetworkSpec

_IMAGES = torch.randint(256, (6, 2, 4, 4), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
_LABELS = torch.arange(6) % 2


def examples_of(kind):
    data = ImageData(kind, _IMAGES, _LABELS, _IMAGES, _LABELS) if kind == "images" else of(kind)
    return prepare(data, ALL, 0, CPU).train


@pytest.mark.parametrize("kind", ["images", *INPUTS])
def test_a_network_with_its_normalisation_takes_raw_inputs_as_it_took_normalised_ones(kind):
    examples = examples_of(kind)
    network = nn.Sequential(nn.Flatten(), nn.Linear(32, 3)) if kind == "images" else network_of(kind, 7)
    network.register_forward_hook(lambda _module, _inputs, output: output * 3)  # it runs once
    raw, expected = examples.normalisation.before(network), called(network, examples.normalise(examples.images))
    assert torch.equal(called(raw, examples.images), expected)
    assert raw.state_dict().keys() == network.state_dict().keys()
    assert torch.equal(called(network, examples.normalise(examples.images)), expected), (
        "the network is as it was"
    )


def test_a_program_of_whole_numbers_takes_them_as_floats_too():
    examples = examples_of("images")
    raw = examples.normalisation.before(nn.Flatten())
    program = torch.export.export(raw, (examples.images,)).module()
    assert torch.equal(program(examples.images.float()), program(examples.images))


@pytest.mark.parametrize("kind", ["images", *INPUTS])
def test_a_normalisation_comes_back_from_json_to_the_bit(kind):
    examples = examples_of(kind)
    inputs = dict(each(examples.images))
    shapes = tuple(tuple(tensor.shape[1:]) for tensor in inputs.values())
    one = list(inputs) == [""]
    names = tuple(inputs) if isinstance(examples.images, dict) else ()
    types = ("float32",) * len(shapes)
    spec = NetworkSpec("mine:net", shapes[0] if one else shapes, 3, types, names)
    read = Normalisation.from_json(examples.normalisation.as_json(), spec)
    again, expected = dict(each(read(examples.images))), dict(each(examples.normalise(examples.images)))
    assert all(torch.equal(again[name], expected[name]) for name in inputs)
