from pathlib import Path
from pydoc_data.topics import topics

import pytest
import torch

from lth.data import load_images
from lth.data.tensors import spec_of
from lth.network import build_network

DATA = load_images("topics")


def test_the_pieces_one_after_the_other_are_the_text_that_python_ships():
    text = "".join(topics[name] for name in sorted(topics))
    signs = sorted(set(text))
    read = torch.cat([DATA.train_images, DATA.test_images]).flatten().tolist()
    assert "".join(signs[number] for number in read) == text[: len(read)]
    assert len(text) - len(read) <= 64


def test_every_target_is_the_character_after_the_one_that_is_read():
    for inputs, targets in ((DATA.train_images, DATA.train_labels), (DATA.test_images, DATA.test_labels)):
        assert torch.equal(inputs[:, 1:], targets[:, :-1])
        assert torch.equal(inputs[1:, 0], targets[:-1, -1])


def test_every_character_is_a_class_and_a_transformer_takes_them():
    assert DATA.num_classes == len(set("".join(topics.values())))
    network = build_network(spec_of("transformer1-w8", DATA), 0)
    assert network(DATA.test_images[:2]).shape == (2, 64, DATA.num_classes)


def test_a_directory_is_refused_for_nothing_is_read_there(tmp_path: Path):
    with pytest.raises(ValueError, match="dataset=topics is embedded and reads no data_dir"):
        load_images("topics", tmp_path)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("topic", "topics"),
        ("CIFAR-10", "cifar10"),
        ("fmnist", "fashion-mnist"),
        ("text", "topics"),
        ("minst", "mnist"),
    ],
)
def test_a_misspelt_data_set_is_told_which_is_meant(name, meant):
    with pytest.raises(ValueError, match=rf"did you mean {meant}\?"):
        load_images(name)
