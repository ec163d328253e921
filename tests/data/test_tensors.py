import numpy as np
import pytest
import torch
from own_data import INPUTS, LABELS, PAIRS, SOURCES, OfDicts, Ragged, network_of, numbers, of, whole

from lth.data import TensorData, load_images, prepare
from lth.data.description import as_json, headline, particulars
from lth.data.drained import drained
from lth.data.tensors import spec_of
from lth.inputs import called, each
from lth.measure.curvature.hessian import HessianOperator
from lth.network.mask import Mask
from lth.network.space import LevelSpace
from lth.network.weights import Weights
from lth.network.zeros import zeros_for
from lth.setting.amount import ALL
from lth.setting.network import NetworkSpec
from lth.training.evaluate import Evaluator
from lth.training.objective import Objective

CPU = torch.device("cpu")


def loss_of(kind: str) -> Objective:
    return Objective() if of(kind).has_classes else Objective("mse")


@pytest.mark.parametrize("kind", INPUTS)
def test_a_network_for_data_of_any_kind_is_called_as_its_spec_says(kind):
    spec = spec_of("own:net", of(kind))
    assert NetworkSpec.from_json(spec.as_json()) == spec
    outputs = called(network_of(kind, spec.num_classes), zeros_for(spec, 2))
    assert outputs.shape == (2, *spec.outputs)


@pytest.mark.parametrize("kind", INPUTS)
def test_data_of_any_kind_is_evaluated_and_measured_in_chunks_as_in_one(kind):
    data = prepare(of(kind), ALL, 0, CPU)
    network = network_of(kind, spec_of("own:net", of(kind)).num_classes).eval()
    weights = Weights.of(network)
    few, many = (Evaluator(network, data.train, batch_size=size, objective=loss_of(kind)) for size in (5, 100))
    assert few(weights).loss == pytest.approx(many(weights).loss, rel=1e-6)
    outputs = called(network, data.train.normalise(data.train.images)).detach()
    assert many(weights).loss == pytest.approx(float(loss_of(kind).mean(outputs, data.train.labels)), rel=1e-5)
    space = LevelSpace(Mask.dense(network), weights)
    hessian = HessianOperator(network, weights, space, data.train, objective=loss_of(kind))
    u, v = torch.randn(2, hessian.dimension, generator=torch.Generator().manual_seed(1))
    assert float(u @ hessian(v)) == pytest.approx(float(v @ hessian(u)), rel=1e-3, abs=1e-4)


def test_numbers_are_standardised_by_channel_and_tokens_and_truths_stay():
    train = prepare(of("by name"), ALL, 0, CPU).train
    read = train.normalise(train.images)
    assert read["features"].mean(0).abs().max() < 1e-6
    assert (read["features"].std(0, correction=0) - 1).abs().max() < 1e-5
    for name in ("tokens", "shown"):
        assert read[name] is train.images[name]
    inputs, targets = INPUTS["vectors"]
    plain = prepare(
        TensorData("plain", inputs, targets, inputs, targets, standardised=False), ALL, 0, CPU
    ).train
    assert plain.normalise(plain.images) is plain.images


@pytest.mark.parametrize("kind", INPUTS)
def test_a_digest_names_inputs_and_targets_of_any_kind_and_nothing_else(kind):
    data = of(kind)
    inputs, targets = INPUTS[kind]
    assert TensorData("another", inputs, targets, inputs, targets, source="x").digest == data.digest
    other = targets.roll(1, 0)
    assert TensorData(kind, inputs, other, inputs, targets).digest != data.digest
    changed = {name: tensor.roll(1, 0) for name, tensor in each(inputs)}
    held = changed if isinstance(inputs, dict) else tuple(changed.values())
    assert (
        TensorData(kind, held if not torch.is_tensor(inputs) else held[0], targets, inputs, targets).digest
        != data.digest
    )


@pytest.mark.parametrize("kind", INPUTS)
def test_what_was_read_is_described(kind):
    data = of(kind)
    assert "12 train and 12 test examples" in headline(data)
    assert as_json(data, is_public=False)["examples"] == {"train": 12, "test": 12}
    assert particulars(data) == []


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([[1.0, 2.0], [3.0, 4.0]], torch.float32),
        (np.ones((2, 3)), torch.float32),
        (np.ones((2, 3), dtype=np.int16), torch.int64),
        (torch.ones(2, 3, dtype=torch.float16), torch.float32),
        (torch.ones(2, 3, dtype=torch.uint8), torch.int64),
        (torch.ones(2, 3, 4, 4, dtype=torch.uint8), torch.uint8),
        (torch.ones(2, 3) > 0, torch.bool),
    ],
)
def test_arrays_and_lists_become_what_a_network_is_called_with(given, expected):
    assert TensorData("x", given, [0, 1], given, [0, 1]).train_images.dtype == expected


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train_images": numbers(11, 5)}, "12 targets for .* 11"),
        ({"test_images": numbers(12, 6)}, "training inputs are .* make them equal"),
        ({"train_images": numbers(12, 5) / 0}, "holds NaN or infinity"),
        ({"train_labels": LABELS.float()}, "training targets are torch.float32"),
        ({"train_labels": LABELS - 1}, "target -1 is negative"),
        ({"train_labels": LABELS * 0, "test_labels": LABELS * 0}, "all of one class"),
        ({"classes": 2}, "class 2 occurs, and classes=2"),
        ({"train_images": {"a b": numbers(12, 5)}}, "can't be the name of an argument"),
        ({"train_images": [[1.0], [1.0, 2.0]]}, "inhomogeneous|no numbers in one array"),
        ({"train_images": ["a", "b"]}, "no numbers in one array"),
    ],
)
def test_data_that_does_not_fit_together_is_refused(changes, message):
    whole_data = {
        "train_images": numbers(12, 5),
        "train_labels": LABELS,
        "test_images": numbers(12, 5),
        "test_labels": LABELS,
    }
    with pytest.raises(ValueError, match=message):
        TensorData("odd", **{**whole_data, **changes})


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_every_example_of_a_torch_data_set_or_loader_is_read_once_and_in_order(source):
    found = drained("pairs", source, PAIRS)
    assert torch.equal(found.train_images, PAIRS.tensors[0])
    assert torch.equal(found.train_labels, LABELS)
    assert found.digest == drained("pairs", PAIRS, PAIRS).digest


def test_examples_that_are_dicts_are_called_by_name():
    found = drained("dicts", OfDicts(), OfDicts())
    assert found.input_shape == {"features": (5,), "tokens": (3,)}
    assert torch.equal(found.train_images["tokens"], whole(12, 3, below=7))


def test_examples_of_several_shapes_are_refused():
    with pytest.raises(ValueError, match="ragged, train split: reading an example raised RuntimeError"):
        drained("ragged", Ragged(), Ragged())


def test_loaders_of_a_function_are_a_data_set():
    assert load_images("own_data:loaders").digest == drained("pairs", PAIRS, PAIRS).digest
