"""Problems that the tests share: a small network with BatchNorm, a few images, and a study of two levels.

`problems:small_conv` is a network as a user would name one, so whole studies run on 242 parameters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor, nn
from torch.func import hessian
from torch.nn.functional import cross_entropy, pad

from lth.data import Examples, ImageData, TrainingData, prepare
from lth.measure.curvature.hessian import HessianOperator
from lth.network import build_network
from lth.network.mask import Mask
from lth.network.space import LevelSpace
from lth.network.weights import Weights
from lth.plan.place import OtherDense, Place
from lth.setting.network import NetworkSpec
from lth.setting.preset import PRESETS
from lth.setting.setting import Setting, with_overrides
from lth.solution.recipe import Ingredients, Start, start_dense, start_sparse
from lth.solution.recipe.beside import start_other
from lth.solution.solution import Solution
from lth.training.schedule import resolve_schedule
from lth.training.train import Procedure, TrainingState, train

# Tensors this small gain nothing from threads, and lose tenfold where other programs use the cores.
torch.set_num_threads(1)

DOUBLE = torch.float64
CPU = torch.device("cpu")
IMAGE_SHAPE = (1, 6, 6)
NUM_CLASSES = 3
SPEC = NetworkSpec("problems:small_conv", IMAGE_SHAPE, NUM_CLASSES)


@dataclass
class Matrix:
    """A dense symmetric matrix that counts its products; `dtype` is what they are rounded to."""

    entries: Tensor
    dtype: torch.dtype = DOUBLE
    count: int = 0
    device = CPU

    @property
    def dimension(self) -> int:
        """Side of the matrix."""
        return len(self.entries)

    def __call__(self, vector: Tensor) -> Tensor:
        """Return the product with `vector`, which must be of `dtype`."""
        assert vector.dtype == self.dtype
        self.count += 1
        return self.entries.to(self.dtype) @ vector


class SmallConv(nn.Module):
    """Two convolutions with BatchNorm and one linear layer: every kind of parameter a level's space has."""

    def __init__(self, channels: int, num_classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 4, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(4)
        self.conv2 = nn.Conv2d(4, 3, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(3)
        self.fc = nn.Linear(3 * 3 * 3, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.bn1(self.conv1(x)))
        x = torch.relu(self.bn2(self.conv2(x)))
        return self.fc(nn.functional.avg_pool2d(x, 2).flatten(1))


def small_conv(input_shape: tuple[int, int, int], num_classes: int) -> nn.Module:
    return SmallConv(input_shape[0], num_classes)


def dropout_network(input_shape: tuple[int, int, int], num_classes: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(36, 8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, num_classes))


class LogisticRegression(nn.Module):
    """Softmax regression without a bias, whose Hessian is known on paper."""

    def __init__(self, fan_in: int, num_classes: int) -> None:
        super().__init__()
        self.fc = nn.Linear(fan_in, num_classes, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(x.flatten(1))


def image_data(num_train: int = 40, num_test: int = 18, seed: int = 0, name: str = "made") -> ImageData:
    """Return grey noise images whose brightest column depends on the class, every class present."""
    stream = torch.Generator().manual_seed(seed)

    def split(count: int) -> tuple[Tensor, Tensor]:
        labels = torch.arange(count) % NUM_CLASSES
        images = torch.randint(0, 120, (count, *IMAGE_SHAPE), generator=stream)
        images[torch.arange(count), :, :, 2 * labels] += 60
        return images.to(torch.uint8), labels

    return ImageData(name, *split(num_train), *split(num_test))


def training_data(
    num_train: int = 40, num_test: int = 18, seed: int = 0, device: torch.device = CPU
) -> TrainingData:
    data = image_data(num_train, num_test, seed)
    return prepare(data, PRESETS["digits"].data.train_examples, seed, device)


def random_examples(
    count: int, shape: tuple[int, int, int] = IMAGE_SHAPE, num_classes: int = NUM_CLASSES, seed: int = 0
) -> Examples:
    """Return standard normal float images with random labels and no normalisation."""
    stream = torch.Generator().manual_seed(seed)
    images = torch.randn(count, *shape, generator=stream)
    labels = torch.randint(num_classes, (count,), generator=stream)
    channels = shape[0]
    return Examples(images, labels, torch.zeros(channels, 1, 1), torch.ones(channels, 1, 1))


def tiny_setting(**overrides: object) -> Setting:
    """Return a setting of 4 epochs of 5 steps with one decay, rewinding to step 7, inside the second epoch."""
    return with_overrides(
        PRESETS["digits"],
        {
            "network": SPEC.name,
            "epochs": 4,
            "batch_size": 8,
            "lr": 0.05,
            "milestones": "3ep",
            "rewind_step": 7,
            "fine_tune_epochs": 2,
            "levels": 2,
            "prune_fraction": 0.3,
            "k": 4,
            "hessian_examples": 20,
            "directions": 4,
            "points": 5,
            "grid": 3,
            "trajectory": "none",
            **overrides,
        },
    )


def procedure(seed: int = 0) -> Procedure:
    return Procedure(augmentation="crop_flip", precision="fp32", seed=seed)


def random_mask(network: nn.Module, density: float, seed: int = 0) -> Mask:
    dense = Mask.dense(network)
    stream = torch.Generator().manual_seed(seed)
    return dense.with_flat(torch.rand(dense.num_prunable, generator=stream) < density)


def random_state(weights: Weights, seed: int = 0) -> Weights:
    """Return weights whose BatchNorm is no identity: scales, shifts and statistics are random."""
    stream = torch.Generator().manual_seed(seed)

    def draw(name: str, tensor: Tensor) -> Tensor:
        if not tensor.is_floating_point():
            return tensor
        values = torch.randn(tensor.shape, generator=stream)
        return values.abs() + 0.5 if name.endswith("running_var") else values

    return Weights(
        {name: draw(name, tensor) for name, tensor in weights.parameters.items()},
        {name: draw(name, tensor) for name, tensor in weights.buffers.items()},
    )


def run_start(start: Start, setting: Setting, place: Place, rewind: TrainingState | None) -> Solution:
    """Train `start` to its end and return the solution of `place`."""
    trajectory: dict[int, Weights] = {}
    training = train(
        build_network(SPEC, 99),
        start.state,
        start.mask,
        training_data(),
        start.schedule,
        procedure(setting.seed),
        movement=start.movement,
        capture_at=start.capture_at,
        on_epoch=lambda record, weights: trajectory.update({record.epoch: weights}),
    )
    captured = rewind if training.captured is None else training.captured
    assert captured is not None
    return Solution(
        place=place,
        spec=SPEC,
        setting=setting,
        mask=training.mask,
        initial=start.state.weights,
        rewind=captured,
        final=training.final,
        history=training.history,
        data_digest=image_data().digest,
        key=f"{place.level:064d}",
        ancestors=tuple(f"{above:064d}" for above in range(place.level)),
        trajectory=trajectory,
        mask_moved=start.movement is not None,
    )


@cache
def dense_solution() -> Solution:
    """Return w(0) of the study that every test shares; nobody may change it."""
    setting = tiny_setting()
    return run_start(start_dense(build_network(SPEC, setting.seed), setting, 40), setting, Place.imp(0), None)


def ingredients(level: int = 2) -> Ingredients:
    """Return what recipes for `level` draw on."""
    setting = tiny_setting()
    return Ingredients(
        setting=setting,
        schedule=resolve_schedule(setting.training, 40),
        level=level,
        previous=dense_solution() if level == 1 else imp_solution(level - 1),
        dense=dense_solution(),
        network=build_network(SPEC, 99),  # its own weights are no one's
        examples=training_data().train,
        other=other_dense_solution(),
    )


@cache
def other_dense_solution() -> Solution:
    """Return the dense network from another initialisation, of the shared study."""
    setting = tiny_setting()
    dense = start_dense(build_network(SPEC, setting.seed), setting, 40)
    return run_start(start_other(dense, SPEC, setting.seed), setting, OtherDense.trained(), None)


@cache
def imp_solution(level: int) -> Solution:
    """Return w(L) of the shared study, L >= 1."""
    given = ingredients(level)
    return run_start(start_sparse("imp", given), given.setting, Place.imp(level), given.previous.rewind)


def same_mask(a: Mask, b: Mask) -> bool:
    return list(a.keep) == list(b.keep) and torch.equal(a.flat(), b.flat())


def assert_same_weights(a: Weights, b: Weights) -> None:
    """Fail unless both hold the same names in the same order, and the same bits."""
    for ours, theirs in ((a.parameters, b.parameters), (a.buffers, b.buffers)):
        assert list(ours) == list(theirs)
        for name in ours:
            assert ours[name].dtype == theirs[name].dtype, name
            assert torch.equal(ours[name], theirs[name]), name


def assert_same_state(a: TrainingState, b: TrainingState) -> None:
    """Fail unless SGD goes on from both alike: the same step, weights, momentum and names in the same order."""
    assert a.step == b.step
    assert_same_weights(a.weights, b.weights)
    assert_same_weights(Weights(a.momentum, {}), Weights(b.momentum, {}))


def reference_logits(p: dict[str, Tensor], buffers: Mapping[str, Tensor], x: Tensor) -> Tensor:
    """Return what `SmallConv` returns in evaluation mode, from sums and products alone."""
    for layer in "12":
        padded, kernel, side = pad(x, [1] * 4), p[f"conv{layer}.weight"], x.shape[-1]
        shifts = [padded[:, :, i : i + side, j : j + side] for i in range(3) for j in range(3)]
        x = torch.einsum("knchw,ock->nohw", torch.stack(shifts), kernel.flatten(2))
        mean, variance = (
            buffers[f"bn{layer}.running_{of}"].to(DOUBLE)[:, None, None] for of in ("mean", "var")
        )
        scale, shift = (p[f"bn{layer}.{of}"][:, None, None] for of in ("weight", "bias"))
        x = ((x - mean) / (variance + 1e-5).sqrt() * scale + shift).relu()
    pooled = x.unflatten(2, (3, 2)).unflatten(4, (3, 2)).mean((3, 5))
    return pooled.flatten(1) @ p["fc.weight"].T + p["fc.bias"]


def dense_hessian(weights: Weights, examples: Examples) -> Tensor:
    """Return the Hessian over every parameter, float64, by forward over reverse: nothing shared with ours."""
    names, shapes = list(weights.parameters), [t.shape for t in weights.parameters.values()]
    inputs = ((examples.images.float() - examples.mean) / examples.std).to(DOUBLE)

    def loss(flat: Tensor) -> Tensor:
        parts = flat.split([shape.numel() for shape in shapes])
        parameters = {n: p.reshape(s) for n, p, s in zip(names, parts, shapes, strict=True)}
        return cross_entropy(reference_logits(parameters, weights.buffers, inputs), examples.labels)

    return hessian(loss)(torch.cat([t.reshape(-1).to(DOUBLE) for t in weights.parameters.values()]))


def free_coordinates(mask: Mask, weights: Weights) -> Tensor:
    return torch.cat(
        [mask.keep.get(n, torch.ones(t.shape)).reshape(-1).bool() for n, t in weights.parameters.items()]
    )


def masked_hessian(density: float, num_examples: int) -> tuple[HessianOperator, Tensor]:
    """Return the Hessian of one network under a random mask, float64: as an operator, and dense."""
    network = build_network(SPEC, 3)
    mask = random_mask(network, density)
    point, examples = mask.apply(random_state(Weights.of(network))), random_examples(num_examples)
    free = free_coordinates(mask, point)
    operator = HessianOperator(network, point, LevelSpace(mask, point), examples, dtype=DOUBLE)
    return operator, dense_hessian(point, examples)[free][:, free]
