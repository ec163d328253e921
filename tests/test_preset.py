import pytest

from lth.data import load_images
from lth.network import NetworkSpec, build_network
from lth.preset import DEFAULT_PRESET, PRESETS, changes_from_preset, resolve
from lth.schedule import resolve_schedule

# docs/protocol.md, section 2
_SCHEDULE = {
    "epochs": "160",
    "batch_size": "128",
    "lr": "0.1",
    "momentum": "0.9",
    "weight_decay": "0.0001",
    "milestones": "80ep,120ep",
    "prune_fraction": "0.2",
    "rewind_step": "1000",
    "augmentation": "crop_flip",
    "fine_tune_epochs": "40",
    "fine_tune_lr": "last",
    "k": "100",
    "points": "31",
    "direction_norm": "filter",
}


@pytest.mark.parametrize(
    ("preset", "specific"),
    [
        (
            "resnet20-cifar10",
            {"network": "resnet20", "dataset": "cifar10", "levels": "10", "hessian_examples": "0.1"},
        ),
        (
            "vgg16-cifar10",
            {"network": "vgg16", "dataset": "cifar10", "levels": "13", "hessian_examples": "0.05"},
        ),
        (
            "resnet20-fashion-mnist",
            {"network": "resnet20", "dataset": "fashion-mnist", "levels": "10", "hessian_examples": "0.1"},
        ),
    ],
)
def test_preset_is_that_of_the_protocol(preset, specific):
    expected = _SCHEDULE | specific
    flat = PRESETS[preset].flat()
    assert {name: flat[name] for name in expected} == expected


@pytest.mark.parametrize("name", PRESETS)
def test_preset_knows_its_own_name_and_resolves_to_itself(name):
    assert PRESETS[name].preset == name
    assert resolve(name, {}) == PRESETS[name]
    assert changes_from_preset(PRESETS[name]) == ""


def test_default_preset_fits_its_data():
    setting = PRESETS[DEFAULT_PRESET]
    data = load_images(setting.data.dataset)
    schedule = resolve_schedule(setting.training, setting.data.train_examples.of(len(data.train_labels)))
    build_network(NetworkSpec(setting.network, data.input_shape, data.num_classes), 0)
    assert schedule.iterations_per_epoch == 23
    assert setting.analysis.hessian_examples.of(len(data.train_labels)) == 256


def test_an_unknown_preset_raises_and_lists_those_that_exist():
    with pytest.raises(ValueError, match="preset='cifar' is unknown; choose one of digits, resnet20-cifar10"):
        resolve("cifar", {})


def test_changes_name_what_decides_the_weights_and_nothing_else():
    setting = resolve("digits", {"lr": "0.2", "epochs": 31, "seed": 3, "k": 7, "levels": 2, "grid": 5})
    assert changes_from_preset(setting) == "epochs=31 lr=0.2"
