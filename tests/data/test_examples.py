import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from problems import CPU, image_data

from lth.data import Examples, ImageData, prepare
from lth.data.examples import sample
from lth.data.room import has_room
from lth.inputs import each
from lth.setting.amount import Amount

DATA = image_data()


@given(st.integers(1, 300), st.integers(0, 100), st.data())
def test_draws_are_distinct_ascending_and_as_many_as_asked(total, seed, data):
    count = data.draw(st.integers(1, total))
    drawn = sample(total, Amount(count), seed, "test").tolist()
    assert len(drawn) == count
    assert drawn == sorted(set(drawn))
    assert 0 <= drawn[0] <= drawn[-1] < total


def test_draws_are_functions_of_seed_and_purpose():
    first = sample(1000, Amount(50), 3, "a")
    assert torch.equal(first, sample(1000, Amount(50), 3, "a"))
    assert not torch.equal(first, sample(1000, Amount(50), 4, "a"))
    assert not torch.equal(first, sample(1000, Amount(50), 3, "b"))


def test_every_position_is_drawn_equally_often():
    times = sum(torch.bincount(sample(20, Amount(5), seed, "test"), minlength=20) for seed in range(2000))
    # Each count is binomial(2000, 1/4), standard deviation 19.4; five of them for the extremes of 20 counts.
    assert (times - 500).abs().max() < 5 * 19.4


def test_more_than_there_are_raises():
    with pytest.raises(ValueError, match="41 examples were asked for, but there are 40"):
        prepare(DATA, Amount(41), 0, CPU)


def test_all_examples_come_in_their_order():
    data = prepare(DATA, Amount(None), 0, CPU)
    assert data.positions.tolist() == list(range(40))
    assert torch.equal(data.train.images, DATA.train_images)


def test_a_subset_holds_the_drawn_examples_and_the_whole_test_split():
    data = prepare(DATA, Amount(0.25), 5, CPU)
    assert len(data.train) == len(data.positions) == 10
    assert torch.equal(data.train.images, DATA.train_images[data.positions])
    assert torch.equal(data.train.labels, DATA.train_labels[data.positions])
    assert torch.equal(data.test.images, DATA.test_images)


def test_both_splits_are_normalised_by_the_whole_training_splits_statistics():
    whole, subset = prepare(DATA, Amount(None), 0, CPU), prepare(DATA, Amount(7), 0, CPU)
    pixels = DATA.train_images.numpy().astype(np.float64)
    for examples in (whole.train, whole.test, subset.train, subset.test):
        # numpy's float64 against float64 rounded once to float32
        np.testing.assert_allclose(examples.mean.numpy().ravel(), pixels.mean((0, 2, 3)), rtol=1e-7)
        np.testing.assert_allclose(examples.std.numpy().ravel(), pixels.std((0, 2, 3)), rtol=1e-7)


def test_channels_are_normalised_each_by_its_own_and_constant_ones_only_shifted():
    stream = torch.Generator().manual_seed(0)
    images = torch.randn(12, 3, 4, 4, generator=stream) * torch.tensor([1.0, 50.0, 0.0]).reshape(3, 1, 1) + 7
    labels = torch.arange(12) % 2
    train = prepare(ImageData("made", images, labels, images, labels), Amount(None), 0, CPU).train
    normal = train.normalise(train.images)
    # float32 rounding of values around 7, relative to standard deviations of 1 and 50
    torch.testing.assert_close(normal.mean((0, 2, 3)), torch.zeros(3), rtol=0, atol=1e-5)
    torch.testing.assert_close(
        normal.std((0, 2, 3), correction=0), torch.tensor([1.0, 1, 0]), rtol=1e-5, atol=1e-6
    )


def test_bytes_are_normalised_in_float32():
    train = prepare(DATA, Amount(None), 0, CPU).train
    normal = train.normalise(train.images[:2])
    assert normal.dtype == torch.float32
    torch.testing.assert_close(normal, (train.images[:2].float() - train.mean) / train.std)


def test_taken_examples_come_in_the_order_asked_for():
    train = prepare(DATA, Amount(None), 0, CPU).train
    taken = train.take(torch.tensor([5, 2, 2]))
    assert torch.equal(taken.images, DATA.train_images[[5, 2, 2]])
    assert taken.labels.tolist() == DATA.train_labels[[5, 2, 2]].tolist()
    assert torch.equal(taken.mean, train.mean)


@pytest.mark.parametrize("index", [torch.arange(len(DATA.train_labels)), torch.arange(3, 7), torch.tensor([4])])
def test_neighbours_are_taken_without_a_copy(index):
    train = prepare(DATA, Amount(None), 0, CPU).train
    taken = train.take(index)
    assert taken.images.data_ptr() == DATA.train_images[index[0]].data_ptr()
    assert torch.equal(taken.images, DATA.train_images[index])
    assert torch.equal(taken.labels, DATA.train_labels[index])


@pytest.mark.parametrize("index", [[2, 1], [1, 3], [-1], [-2, -1, 0], [0, 2, 1, 3], []])
def test_others_are_taken_as_they_are_asked_for(index):
    taken = prepare(DATA, Amount(None), 0, CPU).train.take(torch.tensor(index, dtype=torch.int64))
    assert torch.equal(taken.images, DATA.train_images[index])
    assert torch.equal(taken.labels, DATA.train_labels[index])


@pytest.mark.parametrize("at_once", [1, 7, 1024])
def test_statistics_of_bytes_are_those_of_float64_in_any_parts(at_once, monkeypatch):
    monkeypatch.setattr("lth.data.examples._COUNTED", at_once)
    train = prepare(DATA, Amount(None), 0, CPU).train
    values = DATA.train_images.double().transpose(0, 1).flatten(1)
    assert torch.equal(train.mean.flatten(), values.mean(1).float())
    assert torch.equal(train.std.flatten(), values.std(1, correction=0).float())


@pytest.mark.parametrize("inputs", [torch.ones(5, 3), (torch.ones(5, 3), torch.ones(5, 2, dtype=torch.int64))])
def test_inputs_that_a_device_has_no_room_for_stay_and_are_moved_when_they_are_read(inputs, monkeypatch):
    monkeypatch.setattr("lth.data.examples.has_room", lambda _device, size: size < 60)
    none = None if isinstance(inputs, torch.Tensor) else (None, None)
    examples = Examples(inputs, torch.arange(5), none, none).to(torch.device("meta"))
    assert (examples.labels.device.type, examples.held_on.type) == ("meta", "cpu")
    read = [examples.normalise(examples.images), examples.at(torch.tensor([3, 1]))]
    assert {tensor.device.type for part in read for _, tensor in each(part)} == {"meta"}
    few = examples.take(torch.arange(2))
    assert few.held_on.type == "cpu"
    assert few.to(torch.device("meta")).held_on.type == "meta"


@pytest.mark.parametrize(("size", "part", "fits"), [(79, 1.0, True), (81, 1.0, False), (41, 0.5, False)])
def test_examples_take_four_fifths_of_what_is_free_of_the_part_of_a_process(size, part, fits, monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _device: (100, 100))
    monkeypatch.setattr(torch.cuda, "get_per_process_memory_fraction", lambda _device: part, raising=False)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda _device: 0)
    assert has_room(torch.device("cuda"), size) == fits
    assert has_room(CPU, size)
