from itertools import pairwise

import numpy as np
import pytest
import torch
from problems import SPEC, assert_same_weights
from torch import nn

from lth.network import build_network
from lth.network.mask import Mask
from lth.network.weights import Weights
from lth.setting.network import NetworkSpec

CIFAR = (3, 32, 32)


def num_parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(
    ("name", "shape", "total", "prunable"),
    [
        ("resnet20", CIFAR, 272_474, 270_896),
        ("vgg16", CIFAR, 14_724_042, 14_724_042 - 2 * 4224 - 10),
        ("lenet-300-100", (1, 28, 28), 266_610, 266_200),
        ("mlp-300-100", (1, 28, 28), 266_610, 266_200),
        ("vit6", CIFAR, 2_693_194, 6 * 12 * 192**2 + 3 * 16 * 192 + 192 * 10),
    ],
)
def test_network_has_the_parameters_of_the_literature(name, shape, total, prunable):
    network = build_network(NetworkSpec(name, shape, 10), 0)
    assert num_parameters(network) == total
    assert Mask.dense(network).num_prunable == prunable


@pytest.mark.parametrize(("depth", "convolutions"), [(11, 8), (13, 10), (16, 13), (19, 16)])
def test_vgg_has_its_convolutions_and_one_linear_layer(depth, convolutions):
    modules = list(build_network(NetworkSpec(f"vgg{depth}-w2", CIFAR, 10), 0).modules())
    assert sum(isinstance(module, nn.Conv2d) for module in modules) == convolutions
    assert sum(isinstance(module, nn.BatchNorm2d) for module in modules) == convolutions
    assert sum(isinstance(module, nn.Linear) for module in modules) == 1


@pytest.mark.parametrize("depth", [8, 14, 20])
def test_resnet_has_as_many_weight_layers_as_its_depth_says(depth):
    network = build_network(NetworkSpec(f"resnet{depth}-w2", CIFAR, 10), 0)
    on_the_path = [
        module
        for name, module in network.named_modules()
        if isinstance(module, nn.Conv2d | nn.Linear) and "shortcut" not in name
    ]
    assert len(on_the_path) == depth


def test_width_is_that_of_the_first_stage_and_doubles():
    network = build_network(NetworkSpec("resnet8-w6", CIFAR, 10), 0)
    widths = [m.out_channels for n, m in network.named_modules() if n.endswith("conv1") and "blocks" in n]
    assert widths == [6, 12, 24]
    assert all(b == 2 * a for a, b in pairwise(widths))


@pytest.mark.parametrize("name", ["resnet8-w4", "vgg11-w4", "vgg16-w2", "lenet-8", "mlp-4-6-4", "vit1-w8-p1"])
@pytest.mark.parametrize(
    "shape", [(1, 8, 8), (1, 28, 28), (3, 32, 32), (3, 64, 64), (3, 48, 20), (2, 1, 1)], ids=str
)
def test_every_network_takes_every_input_size(name, shape):
    network = build_network(NetworkSpec(name, shape, 7), 0)
    output = network(torch.rand(2, *shape, generator=torch.Generator().manual_seed(0)))
    assert output.shape == (2, 7)
    assert not torch.equal(output[0], output[1])  # the image reaches the output


@pytest.mark.parametrize(("shape", "outputs"), [((5,), 1), ((3, 7), 4), ((2, 3, 4, 5), 2)], ids=str)
def test_an_mlp_is_of_numbers_in_any_shape(shape, outputs):
    network = build_network(NetworkSpec("mlp-6-3", shape, outputs), 0)
    assert network(torch.ones(2, *shape)).shape == (2, outputs)


TOKENS = NetworkSpec("transformer2-w16-h2", (9,), 5, ("int64",), output_shape=(9, 5))


def test_a_transformer_reads_only_what_is_before_a_token():
    network = build_network(TOKENS, 0)
    read = torch.arange(9)[None] % 5
    changed = read.clone()
    changed[0, 6] = 4
    first, second = network(read), network(changed)
    assert first.shape == (1, 9, 5)
    assert torch.equal(first[0, :6], second[0, :6])
    assert not torch.allclose(first[0, 6:], second[0, 6:])


def test_a_vit_reads_all_patches_and_where_they_are():
    network = build_network(NetworkSpec("vit2-w16-p4-h2", CIFAR, 3), 0)
    image = torch.rand(1, *CIFAR, generator=torch.Generator().manual_seed(0))
    assert not torch.allclose(network(image), network(image.flip(3)), atol=1e-6)
    corner = image.clone()
    corner[..., -1, -1] += 1
    assert not torch.equal(network(image), network(corner))


@pytest.mark.parametrize("name", ["vit2-w16", "transformer2-w16", "mlp-4", "vgg11-w2", "resnet8-w2"])
def test_names_with_sizes_are_of_one_kind_of_data_and_say_so_of_others(name):
    kinds = [NetworkSpec(name, CIFAR, 3), NetworkSpec(name, (9,), 5, ("int64",), output_shape=(9, 5))]
    kinds.append(NetworkSpec(name, ((3,), (4,)), 2, ("float32", "float32")))
    refused = []
    for spec in kinds:
        try:
            build_network(spec, 0)
        except ValueError as error:
            refused.append(str(error))
    assert len(refused) == 2
    assert all(f"network={name}: it is of" in said and "one of your own" in said for said in refused)


def test_same_seed_and_purpose_give_the_same_bits_and_others_do_not():
    first = Weights.of(build_network(SPEC, 4, "random_init", 2))
    assert_same_weights(first, Weights.of(build_network(SPEC, 4, "random_init", 2)))
    for other in (build_network(SPEC, 5, "random_init", 2), build_network(SPEC, 4, "random_init", 3)):
        assert not torch.equal(Weights.of(other).parameters["fc.weight"], first.parameters["fc.weight"])


def test_building_neither_reads_nor_changes_the_callers_random_state():
    torch_before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    first = Weights.of(build_network(SPEC, 0))
    assert torch.equal(torch.get_rng_state(), torch_before)
    assert np.array_equal(np.random.get_state()[1], numpy_before)  # noqa: NPY002
    torch.rand(1)
    assert_same_weights(Weights.of(build_network(SPEC, 0)), first)


def test_network_comes_in_evaluation_mode():
    assert not any(module.training for module in build_network(SPEC, 0).modules())


def test_weights_have_the_variance_of_he_and_batchnorm_is_the_identity():
    network = build_network(NetworkSpec("resnet20", CIFAR, 10), 0)
    weight = network.get_parameter("blocks.8.conv2.weight")  # 36,864 values
    # The standard error of a standard deviation is σ / sqrt(2 n) = 0.4%; four of them.
    assert float(weight.detach().std()) == pytest.approx((2 / (9 * 64)) ** 0.5, rel=0.016)
    assert not network.get_parameter("fc.bias").any()
    assert (network.get_parameter("bn.weight") == 1).all()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet", r"network='resnet' is unknown; choose resnet20"),
        ("ResNet20", "is unknown"),
        ("resnet20-w16x", "is unknown"),
        ("lenet", "is unknown"),
        ("", "is unknown"),
        ("resnet9", r"depth 8, 14, 20, … \(6n \+ 2\), got 9"),
        ("resnet2", "got 2"),
        ("vgg12", "VGG has depth 11, 13, 16, 19, got 12"),
        ("resnet8-w0", "network=resnet8-w0: a width is at least 1"),
        ("lenet-0", "network=lenet-0: a hidden width is at least 1"),
        ("mlp", r"did you mean mlp-64-64\?"),
        ("ResNet20", r"did you mean resnet20\?"),
        ("vit", r"did you mean vit6-w192\?"),
        ("vit0", "at least one block"),
        ("vit2-p5", "images are 32x32, no whole number of patches of 5"),
        ("vit2-w100-h3", "a width of 100 can't be shared out to 3 heads"),
        ("vit2-w0", "network=vit2-w0: a width is at least 1"),
        ("transformer2-w16", "it is of tokens"),
    ],
)
def test_a_bad_name_raises_and_says_what_would_do(name, message):
    with pytest.raises(ValueError, match=message):
        build_network(NetworkSpec(name, CIFAR, 10), 0)


def without_layers(input_shape, num_classes):
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.BatchNorm1d(input_shape[0]))


def wrong_output(input_shape, num_classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(6 * 6, num_classes + 1))


def wrong_input(input_shape, num_classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(5, num_classes))


def no_module(input_shape, num_classes):
    return 5


class Pair(nn.Linear):
    """Returns two things where one is expected."""

    def forward(self, x):
        return (super().forward(x.flatten(1)),) * 2


class Misspelt(nn.Linear):
    """Reads an attribute that it does not have."""

    def forward(self, x):
        return self.wieght @ x


def two_outputs(input_shape, num_classes):
    return Pair(6 * 6, num_classes)


def misspelt(input_shape, num_classes):
    return Misspelt(6 * 6, num_classes)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("without_layers", "nothing can be pruned"),
        ("wrong_output", r"maps 2 images to \(2, 4\); expected \(2, 3\)"),
        ("wrong_input", r"rejects inputs \(1, 6, 6\)"),
        ("two_outputs", r"maps 2 images to a tuple; expected \(2, 3\)"),
        ("misspelt", r"rejects inputs \(1, 6, 6\): AttributeError: 'Misspelt' object has no attribute"),
        ("no_module", "returned int; expected a torch.nn.Module"),
    ],
)
def test_a_users_network_that_does_not_fit_raises(name, message):
    with pytest.raises(ValueError, match=message):
        build_network(NetworkSpec(f"{__name__}:{name}", (1, 6, 6), 3), 0)


def test_a_users_network_is_built_from_shape_and_classes():
    network = build_network(NetworkSpec("problems:small_conv", (1, 6, 6), 5), 0)
    assert type(network).__name__ == "SmallConv"
    assert network.get_submodule("fc").out_features == 5


def test_spec_as_json_builds_the_spec_again():
    content = SPEC.as_json()
    assert NetworkSpec(content["name"], tuple(content["input_shape"]), content["num_classes"]) == SPEC
