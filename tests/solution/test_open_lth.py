"""What open_lth left of a level is a solution, of the same function, and what is none says what is wrong."""

import pickle
import re
from pathlib import Path

import pytest
import torch
from open_lth_folder import outputs_of, write_level
from torch.func import functional_call
from torchvision import models

import lth
from lth.errors import InputError
from lth.network import build_network
from lth.network.open_lth import names_of, open_lth_network, spec_of
from lth.network.weights import Weights
from lth.plan.place import Place
from lth.setting.network import NetworkSpec
from lth.setting.open_lth import _IGNORED, _SAME, _WORDS, OPEN_LTH_PRESETS, preset_for
from lth.setting.parameter import BY_NAME
from lth.solution.checkpoint import read_solution, write_solution

SMALL = "mnist_lenet_6_5"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_level(tmp_path, SMALL)


@pytest.mark.parametrize(
    "network", [SMALL, "mnist_lenet_300_100", "cifar_resnet_20", "cifar_resnet_14_4", "cifar_vgg_16"]
)
def test_a_level_of_open_lth_becomes_the_function_that_open_lth_trained(tmp_path, network):
    folder = write_level(tmp_path, network)
    solution = lth.load_open_lth(folder)
    images = torch.rand(2, *solution.spec.input_shape, generator=torch.Generator().manual_seed(0)) * 255
    normalised = solution.normalise(images)
    expected = outputs_of(torch.load(folder / "model_ep2_it0.pth", weights_only=True), normalised)
    with torch.device("meta"):
        network_of_ours = open_lth_network(solution.spec)
    state = {**solution.final.parameters, **solution.final.buffers}
    found = functional_call(network_of_ours.eval(), state, (normalised,))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    kept = torch.load(folder / "mask.pth", weights_only=True)
    assert solution.mask.num_kept == sum(int(mask.sum()) for mask in kept.values())
    assert solution.mask.apply(solution.final).parameters.keys() == solution.initial.parameters.keys()
    assert (solution.spec.name, solution.place) == (network, Place.imp(2))


def test_a_level_has_the_history_the_rewind_point_and_the_parameters_that_open_lth_wrote(folder, tmp_path):
    solution = lth.load_open_lth(str(folder.parent))
    assert [(record.epoch, record.test.loss) for record in solution.history] == [(1, 0.05), (2, 0.1)]
    assert solution.rewind.step == 3
    flat = solution.setting.flat()
    expected = {"lr": "0.05", "epochs": "2", "milestones": "1ep", "prune_fraction": "0.3", "rewind_step": "3"}
    assert {name: flat[name] for name in expected} == expected
    write_solution(tmp_path / "ours", solution)
    read = read_solution(tmp_path / "ours")
    assert str(read.history) == str(solution.history), "what was not logged is NaN"
    assert read.normalise(torch.zeros(1, 1, 28, 28)).flatten()[0] == pytest.approx(-0.1307 / 0.3081)


def test_a_level_is_measured_like_any_network(folder):
    solution = lth.load_open_lth(folder)
    images = torch.rand(6, 1, 28, 28, generator=torch.Generator().manual_seed(0)) * 255
    data = (solution.normalise(images), torch.arange(6) % 3)
    hessian = lth.hessian(solution.network, data, mask=solution.mask)
    assert hessian.dimension == solution.mask.num_kept + 6 + 5 + 3, "biases move, too"
    assert bool(hessian(torch.ones(hessian.dimension)).any())


def test_what_a_flag_of_open_lth_has_no_parameter_for_is_said(tmp_path):
    folder = write_level(tmp_path, SMALL, hparams="Training Hyperparameters\n    * gamma => 0.2")
    with pytest.warns(UserWarning, match=r"no parameter for gamma=0\.2"):
        lth.load_open_lth(folder)


def _without(name):
    return lambda folder: (folder / name).unlink()


def _with(name, content):
    return lambda folder: torch.save(content, folder / name)


def _cut(name):
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:200])


def _changed(file, name, tensor):
    def change(folder):
        torch.save({**torch.load(folder / file, weights_only=True), name: tensor}, folder / file)

    return change


MODEL = "model_ep2_it0.pth"
DAMAGED = {
    "no mask": (_without("mask.pth"), "holds no mask.pth"),
    "no end": (_without(MODEL), "model_ep0_it3.pth alone"),
    "no start": (_without("model_ep0_it3.pth"), "model_ep2_it0.pth alone"),
    "a mask cut off": (_cut("mask.pth"), "can't be read as tensors"),
    "a model cut off": (_cut(MODEL), "can't be read as tensors"),
    "code": (lambda folder: (folder / MODEL).write_bytes(pickle.dumps(Path)), "can't be read as tensors"),
    "a list": (_with(MODEL, [1]), "holds no tensors by name"),
    "a checkpoint": (_with(MODEL, {"ep": 1, "model_state_dict": {}}), "holds 'ep', which is no tensor"),
    "another program's": (_with(MODEL, {"features.0.weight": torch.zeros(2)}), "no network of open_lth's"),
    "another start": (_with("model_ep0_it3.pth", {"fc.weight": torch.zeros(2)}), "not of one network"),
    "a mask of a layer less": (_with("mask.pth", {"fc.weight": torch.ones(3, 5)}), "fc_layers.0.weight"),
    "a mask of halves": (_changed("mask.pth", "fc.weight", torch.full((3, 5), 0.5)), "zeros and ones"),
    "a mask of another shape": (_changed("mask.pth", "fc.weight", torch.ones(5, 3)), "has shape (5, 3)"),
    "NaN": (_changed(MODEL, "fc.bias", torch.full((3,), torch.nan)), "NaN or infinity"),
    "a log of another form": (
        lambda folder: (folder / "logger").write_text("loss 3"),
        "metric,iteration,value",
    ),
    "a log of bytes": (lambda folder: (folder / "logger").write_bytes(b"\xff"), "it is damaged"),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_folder_that_is_none_of_open_lths_says_what_is_wrong(folder, damage):
    change, said = DAMAGED[damage]
    change(folder)
    with pytest.raises(InputError, match=re.escape(said)) as raised:
        lth.load_open_lth(folder)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", ["", "level_2", "nowhere"])
def test_a_folder_near_the_one_that_is_meant_is_understood_or_told(folder, tmp_path, name):
    if name == "level_2":
        assert lth.load_open_lth(tmp_path / name).level == 2
    else:
        with pytest.raises(InputError, match="level_3/main"):
            lth.load_open_lth(tmp_path / name)


def test_the_level_of_a_folder_that_was_moved_is_asked_for(folder, tmp_path):
    moved = folder.rename(tmp_path / "mine")
    with pytest.raises(InputError, match="give level=3"):
        lth.load_open_lth(moved)
    assert lth.load_open_lth(moved, level=3, kind="random_init").place == Place("random_init", 3)


@pytest.mark.parametrize("depth", [18, 34, 50])
def test_open_lths_networks_of_imagenet_are_torchvisions(depth):
    with torch.device("meta"):
        network = getattr(models, f"resnet{depth}")(num_classes=7)
    names = names_of(NetworkSpec(f"imagenet_resnet_{depth}", (3, 224, 224), 7), network)
    state = {name: network.state_dict()[ours] for name, ours in names.items()}
    assert spec_of(state) == NetworkSpec(f"imagenet_resnet_{depth}", (3, 224, 224), 7)
    assert preset_for(f"imagenet_resnet_{depth}") == "imagenet_resnet_50"


@pytest.mark.parametrize("preset", OPEN_LTH_PRESETS)
def test_a_preset_is_of_a_network_that_is_initialised_as_open_lth_does(preset):
    if preset == "imagenet_resnet_50":
        preset = "imagenet_resnet_18"
    shape = (1, 28, 28) if "mnist" in preset else (3, 32, 32)
    weights = Weights.of(build_network(NetworkSpec(preset, shape, 10), 0))
    norms = [
        name for name, tensor in weights.parameters.items() if name.endswith("weight") and tensor.ndim == 1
    ]
    assert all(float(weights.parameters[name].min()) >= 0 for name in norms)
    assert all(0.05 < float(weights.parameters[name].std()) < 0.5 for name in norms), "of U(0, 1), std 0.29"
    assert bool(weights.parameters["fc.bias" if "mnist" not in preset else "layers.5.bias"].any())


@pytest.mark.parametrize(
    ("preset", "expected"),
    [
        (
            "mnist_lenet_300_100",
            {"lr": "0.1", "momentum": "0.0", "prune_layers": "default,-last"},
        ),
        ("cifar_resnet_20", {"lr": "0.1", "momentum": "0.9", "epochs": "160", "prune_layers": "default"}),
        ("cifar_vgg_16", {"weight_decay": "0.0001", "epochs": "160", "prune_layers": "default,-last"}),
        ("imagenet_resnet_50", {"lr": "0.4", "batch_size": "1024", "epochs": "90", "image_size": "224x224"}),
    ],
)
def test_a_preset_has_the_hyper_parameters_of_open_lth(preset, expected):
    flat = OPEN_LTH_PRESETS[preset].flat()
    assert {name: flat[name] for name in expected} == expected
    training = OPEN_LTH_PRESETS[preset].training
    places = [str(step.of(training.epochs)) for step in (*training.milestones, training.warmup)]
    assert (
        places
        == {
            "mnist_lenet_300_100": ["0"],
            "cifar_resnet_20": ["80ep", "120ep", "0"],
            "cifar_vgg_16": ["80ep", "120ep", "0"],
            "imagenet_resnet_50": ["30ep", "60ep", "80ep", "5ep"],
        }[preset]
    )


def test_the_page_from_open_lth_has_every_flag_that_is_read_with_parameters_that_there_are():
    page = (Path(__file__).parents[2] / "docs" / "from_open_lth.md").read_text()
    flags = {*_SAME, *(flag for flag, _ in _WORDS), *_IGNORED, "nesterov_momentum", "training_steps"}
    rows = dict(re.findall(r"^\| `--(\w+)[^|]*\| ([^|]*)\|", page, re.MULTILINE))
    assert flags <= rows.keys()
    named = {name for cell in rows.values() for name in re.findall(r"`(\w+)=", cell)}
    assert named <= BY_NAME.keys() | {"data_dir", "seeds", "preset"}
    assert all(f"`{preset}`" in page for preset in OPEN_LTH_PRESETS)
