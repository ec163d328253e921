"""Which combinations of values a sweep is of."""

import pytest

from lth.errors import InputError
from lth.setting.grid import grid


def test_every_combination_comes_once_the_last_parameter_changing_first():
    swept, settings = grid({"preset": "digits", "lr": "0.05, 0.1", "levels": "2", "batch_size": "32,64"})
    assert swept == ("lr", "batch_size")
    assert [(setting["lr"], setting["batch_size"]) for setting in settings] == [
        ("0.05", "32"),
        ("0.05", "64"),
        ("0.1", "32"),
        ("0.1", "64"),
    ]
    assert all(setting["levels"] == "2" and setting["preset"] == "digits" for setting in settings)


@pytest.mark.parametrize(
    ("name", "written", "values"),
    [
        ("milestones", "80ep,120ep;60ep", ["80ep,120ep", "60ep"]),
        ("milestones", "none;2ep", ["none", "2ep"]),
        ("plane", "0,1,2;0,last,one_shot", ["0,1,2", "0,last,one_shot"]),
        ("network", "resnet20,vgg16", ["resnet20", "vgg16"]),
        ("preset", "digits,resnet20-cifar10", ["digits", "resnet20-cifar10"]),
        ("train_examples", "100;all", ["100", "all"]),
    ],
)
def test_a_list_is_one_value_and_semicolons_always_separate(name, written, values):
    swept, settings = grid({name: written})
    assert swept == (name,)
    assert [setting[name] for setting in settings] == values


@pytest.mark.parametrize("given", [{}, {"lr": "0.1"}, {"milestones": "2ep,4ep"}, {"device": "cuda:0,cuda:1"}])
def test_without_several_values_there_is_nothing_to_sweep(given):
    with pytest.raises(InputError, match="nothing is swept"):
        grid(given)


@pytest.mark.parametrize(("name", "written"), [("lr", "0.1,0.10"), ("epochs", "3,3"), ("network", "a,b,a")])
def test_a_value_that_comes_twice_is_refused(name, written):
    with pytest.raises(InputError, match="names one value twice"):
        grid({name: written})


@pytest.mark.parametrize("written", ["0.1,", "0.1,,0.2", "0.1,fast"])
def test_a_value_that_cannot_be_read_is_refused(written):
    with pytest.raises(InputError, match="lr="):
        grid({"lr": written})
