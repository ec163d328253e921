import pytest

from lth.network import build_network
from lth.network.families import EXAMPLES
from lth.plan.jobs import parse_measures
from lth.plan.place import parse_place
from lth.setting.choice import value_hint
from lth.setting.network import NetworkSpec
from lth.setting.parameter import PARAMETERS
from lth.setting.preset import resolve
from lth.training.objective import objective_like

CHOICES = [(row.name, choice) for row in PARAMETERS for choice in row.choices if len(choice) > 3]


def refused(name, written):
    with pytest.raises(ValueError, match=f"{name}=") as caught:
        resolve("digits", {name: written})
    return str(caught.value)


@pytest.mark.parametrize(("name", "choice"), CHOICES)
def test_every_choice_with_a_slip_in_it_or_in_other_case_is_told(name, choice):
    for slip in (choice.upper(), choice + choice[-1], choice.title()):
        assert f"did you mean {choice}?" in refused(name, slip)


@pytest.mark.parametrize(
    ("name", "written", "meant"),
    [
        ("schedule", "multistep", "milestones"),
        ("schedule", "CosineAnnealingLR", "cosine"),
        ("loss", "ce", "cross_entropy"),
        ("loss", "MSELoss", "mse"),
        ("metric", "top-1", "accuracy"),
        ("metric", "r2_score", "r2"),
        ("precision", "float16", "bf16"),
        ("compile", "true", "on"),
        ("nesterov", "True", "on"),
        ("nesterov", "0", "off"),
        ("scope", "layerwise", "layer"),
        ("trajectory", "all", "every"),
        ("augmentation", "random_crop", "crop"),
        ("direction_norm", "none", "plain"),
        ("optimizer", "AdamW", "adamw"),
        ("optimizer", "torch.AdamW", "adamw"),
    ],
)
def test_a_word_of_another_program_for_a_value_is_told_by_ours(name, written, meant):
    assert f"did you mean {meant}?" in refused(name, written)


@pytest.mark.parametrize(
    ("name", "written", "instead"),
    [
        ("optimizer", "adam", "choose adamw, which is torch's Adam at weight_decay=0, or a function"),
        ("optimizer", "torch.optim.Adam", "that returns torch.optim.Adam "),
        *[
            ("optimizer", name.lower(), f"choose a function of parameters that returns torch.optim.{name} ")
            for name in ("Adamax", "RMSprop", "NAdam", "LBFGS", "Adagrad", "Muon")
        ],
        ("optimizer", "lion", "choose a function of parameters that returns it"),
        ("loss", "mae", "write a function of (outputs, targets) that returns a value an example"),
        ("loss", "HuberLoss", "write a function of (outputs, targets) that returns a value an example"),
        ("schedule", "one_cycle", "an optimizer of your own"),
        ("augmentation", "mixup", "augmented already"),
    ],
)
def test_what_there_is_not_is_told_with_what_to_do_instead(name, written, instead):
    said = refused(name, written)
    assert instead in said
    assert "did you mean" not in said


@pytest.mark.parametrize(
    ("call", "meant"),
    [
        (lambda: resolve("resnet20_cifar", {}), "resnet20-cifar10"),
        (lambda: resolve("digit", {}), "digits"),
        (lambda: parse_measures("spectrum"), "spectra"),
        (lambda: parse_measures("raddii,lines"), "radii"),
        (lambda: parse_place("one-shot", 2), "one_shot"),
        (lambda: objective_like("MSE"), "mse"),
        (lambda: build_network(NetworkSpec("resnet-20", (3, 8, 8), 2), 0), "resnet20"),
    ],
)
def test_choices_that_are_no_parameters_of_a_training_are_told_too(call, meant):
    with pytest.raises(ValueError, match=rf"did you mean {meant}\?"):
        call()


def test_nothing_is_made_up_for_what_resembles_nothing():
    assert value_hint("zzz", EXAMPLES.split(", ")) == ""
    assert value_hint("zzz", ["sgd", "adamw"], "optimizer") == ""
