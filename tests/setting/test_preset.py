import pytest

from lth.data import load_images
from lth.network import build_network
from lth.plan.jobs import surface_job
from lth.plan.place import Place
from lth.setting.network import NetworkSpec
from lth.setting.preset import DEFAULT_PRESET, PRESETS, changes_from_preset, resolve
from lth.setting.setting import AnalysisSetting
from lth.training.schedule import resolve_schedule

# docs/protocol.md, section 2
_SCHEDULE = {
    "epochs": "160",
    "batch_size": "128",
    "lr": "0.1",
    "momentum": "0.9",
    "weight_decay": "0.0001",
    "milestones": "50%,75%",
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
    assert setting.analysis.hessian_examples.of(len(data.train_labels)) == 144


def test_an_unknown_preset_raises_and_lists_those_that_exist():
    with pytest.raises(ValueError, match="preset='svhn' is unknown; choose one of digits, topics, "):
        resolve("svhn", {})


def test_changes_name_what_decides_the_weights_and_nothing_else():
    setting = resolve("digits", {"lr": "0.2", "epochs": 31, "seed": 3, "k": 7, "levels": 2, "grid": 5})
    assert changes_from_preset(setting) == "epochs=31 lr=0.2"


OTHERWISE = {
    "k": 3,
    "basis_gib": 5.0,
    "second_k": 0.3,
    "trace_probes": 3,
    "density_probes": 3,
    "density_steps": 3,
    "volume_directions": 30,
    "mass_draws": 8,
    "mass_window": 0.2,
    "hessian_examples": 3,
    "directions": 3,
    "direction_norm": "plain",
    "cutoff_margin": 0.3,
    "points": 5,
    "grid": 5,
    "plane": "0,1,2",
    "every_level": "one_shot",
    "methods": "snip",
    "own_method": "own_methods:first_weights",
    "matched_loss": "on",
    "vectors": "on",
    "halvings": 2,
    "beyond": "density",
    "rho": "0.3,0.4",
    "align_points": 5,
    "layers": "each,conv+fc",
    "layer_k": 4,
    "loss_margin": 0.3,
    "error_margin": 0.3,
}


def test_how_a_solution_is_measured_is_no_change_of_its_training():
    assert set(OTHERWISE) == set(AnalysisSetting.__dataclass_fields__)
    for name, value in OTHERWISE.items():
        setting = resolve("digits", {name: value})
        assert setting != PRESETS["digits"], name
        assert changes_from_preset(setting) == "", name


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("network", "resnet8-w4"),
        ("dataset", "mnist"),
        ("train_examples", "0.5"),
        ("augmentation", "none"),
        ("epochs", "3"),
        ("batch_size", "32"),
        ("lr", "0.2"),
        ("momentum", "0.8"),
        ("weight_decay", "0.001"),
        ("milestones", "none"),
        ("rewind_step", "7"),
        ("fine_tune_epochs", "2"),
        ("fine_tune_lr", "0.01"),
        ("precision", "bf16"),
        ("prune_fraction", "0.3"),
    ],
)
def test_whatever_decides_the_weights_is_a_change(name, value):
    assert changes_from_preset(resolve("digits", {name: value})) == f"{name}={value}"


@pytest.mark.parametrize("name", PRESETS)
def test_the_surface_of_a_preset_goes_through_solutions_of_its_study(name):
    setting = PRESETS[name]
    last = setting.pruning.levels
    assert surface_job(last, setting.analysis).corners == (
        Place.imp(0),
        Place.imp(last),
        Place("random_init", last),
    )
    assert setting.analysis.every_level == ()
    assert 1 <= setting.analysis.second_cut < setting.analysis.k
