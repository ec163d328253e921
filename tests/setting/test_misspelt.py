import pytest

from lth.errors import InputError
from lth.setting.misspelt import check_known, meant, parameter_meant
from lth.setting.parameter import BY_NAME
from lth.setting.preset import DEFAULT_PRESET, PRESETS, resolve

STUDY = [
    *BY_NAME,
    "seeds",
    "workers",
    "declare",
    "preset",
    "data_dir",
    "device",
    "keep_every",
    "patience",
    "fresh",
]


@pytest.mark.parametrize(
    ("typed", "parameter"),
    [
        ("learning_rate", "lr"),
        ("learning-rate", "lr"),
        ("LearningRate", "lr"),
        ("wd", "weight_decay"),
        ("bs", "batch_size"),
        ("model", "network"),
        ("arch", "network"),
        ("data_root", "data_dir"),
        ("sparsity", "prune_fraction"),
        ("rewind_epoch", "rewind_step"),
        ("lr_scheduler", "schedule"),
        ("milestone_steps", "milestones"),
        ("optimiser", "optimizer"),
        ("Adam", "optimizer"),
        ("loss_fn", "loss"),
        ("criterion", "loss"),
        ("label-smoothing", "label_smoothing"),
        ("warmup_steps", "warmup"),
        ("max_grad_norm", "grad_clip"),
        ("gradient_clip_val", "grad_clip"),
        ("pruning_strategy", "scope"),
        ("pruning_layers_to_ignore", "prune_layers"),
        ("resize", "image_size"),
        ("metrics", "metric"),
        ("amp", "precision"),
        ("gpu", "device"),
        ("num_workers", "workers"),
        ("n_seeds", "seeds"),
        ("random_seed", "seed"),
        ("top_k", "k"),
        ("config", "preset"),
        ("overwrite", "fresh"),
    ],
)
def test_a_word_of_another_program_is_told_by_ours(typed, parameter):
    assert parameter_meant(typed, STUDY) == parameter


@pytest.mark.parametrize(
    ("typed", "parameter"),
    [
        ("epoch", "epochs"),
        ("momentun", "momentum"),
        ("bath_size", "batch_size"),
        ("Batch-Size", "batch_size"),
        ("batchsize", "batch_size"),
        ("weigth_decay", "weight_decay"),
        ("presicion", "precision"),
        ("direction", "directions"),
        ("hessian_example", "hessian_examples"),
        ("cutoff_margins", "cutoff_margin"),
    ],
)
def test_a_slip_is_told_by_what_it_is_near(typed, parameter):
    assert parameter_meant(typed, STUDY) == parameter


@pytest.mark.parametrize("typed", ["dampening", "ema", "gradient_accumulation", "dropout", "val_split"])
def test_what_there_is_no_parameter_for_is_told_with_what_there_is_instead(typed):
    assert parameter_meant(typed, STUDY) is None
    assert len(meant(typed, STUDY)) > 20
    assert "did you mean" not in meant(typed, STUDY)


@pytest.mark.parametrize("typed", ["", "x", "zzzz", "--", "qwertz", "9"])
def test_nothing_is_made_of_what_means_nothing(typed):
    assert meant(typed, STUDY) == ""


@pytest.mark.parametrize("parameter", STUDY)
def test_a_parameter_means_itself(parameter):
    assert parameter_meant(parameter, STUDY) == parameter


def test_a_parameter_that_is_not_taken_here_is_not_suggested():
    assert meant("learning_rate", ["momentum", "epochs"]) == ""


def test_one_that_means_nothing_is_refused_with_all_that_there_are():
    with pytest.raises(InputError, match="'zzzz' is not a parameter; known are lr, k"):
        check_known(["zzzz"], ["lr", "k"])


@pytest.mark.parametrize("typed", ["resnet20-cifar", "digit", "vgg16_cifar10", "Resnet20-Fashion-MNIST"])
def test_a_misspelt_preset_is_told_by_the_one_it_is_near(typed):
    with pytest.raises(
        InputError, match=r"did you mean (resnet20-cifar10|digits|vgg16-cifar10|resnet20-fashion)"
    ):
        resolve(typed, {})


@pytest.mark.parametrize("written", ["0,1,2", "0, 1", "1,"])
def test_several_seeds_in_the_place_of_one_are_told_where_they_go(written):
    with pytest.raises(InputError, match="several are given as seeds, to study and report"):
        resolve(DEFAULT_PRESET, {"seed": written})
    assert PRESETS[DEFAULT_PRESET].seed == 0
