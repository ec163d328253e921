"""A folder as open_lth leaves it of a level, and what its networks compute, by the names of their tensors."""

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

VGG_16 = [64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512]  # 0 is a pool
HPARAMS = """Dataset Hyperparameters
    * dataset_name => mnist
    * batch_size => 60
Training Hyperparameters
    * optimizer_name => sgd
    * lr => 0.05
    * training_steps => 2ep
    * milestone_steps => 1ep
    * gamma => 0.1
Hyperparameters for Sparse Global Pruning
    * pruning_strategy => sparse_global
    * pruning_fraction => 0.3
Pretraining Training Hyperparameters
    * optimizer_name => sgd
    * lr => 0.05
    * training_steps => 3it"""


def shapes_of(network: str, classes: int = 3) -> dict[str, tuple[int, ...]]:
    """Return the shape of every floating-point tensor of a network, by open_lth's name."""
    if network.startswith("mnist_lenet"):
        widths = [784, *map(int, network.split("_")[2:])]
        shapes: dict[str, tuple[int, ...]] = {}
        for layer, (fan_in, fan_out) in enumerate(pairwise(widths)):
            shapes |= {f"fc_layers.{layer}.weight": (fan_out, fan_in), f"fc_layers.{layer}.bias": (fan_out,)}
        return {**shapes, "fc.weight": (classes, widths[-1]), "fc.bias": (classes,)}
    if network == "cifar_vgg_16":
        shapes, channels = {}, 3
        for place, width in enumerate(VGG_16):
            if width:
                shapes |= {f"layers.{place}.conv.weight": (width, channels, 3, 3)}
                shapes |= {f"layers.{place}.conv.bias": (width,), **_norm(f"layers.{place}.bn", width)}
                channels = width
        return {**shapes, "fc.weight": (classes, 512), "fc.bias": (classes,)}
    width = int(network.split("_")[3]) if network.count("_") == 3 else 16
    shapes, channels = {"conv.weight": (width, 3, 3, 3), **_norm("bn", width)}, width
    for block in range((int(network.split("_")[2]) - 2) // 2):
        wide = width * 2 ** (3 * block // ((int(network.split("_")[2]) - 2) // 2))
        where = f"blocks.{block}"
        shapes |= {f"{where}.conv1.weight": (wide, channels, 3, 3), **_norm(f"{where}.bn1", wide)}
        shapes |= {f"{where}.conv2.weight": (wide, wide, 3, 3), **_norm(f"{where}.bn2", wide)}
        if wide != channels:
            shapes |= {
                f"{where}.shortcut.0.weight": (wide, channels, 1, 1),
                **_norm(f"{where}.shortcut.1", wide),
            }
        channels = wide
    return {**shapes, "fc.weight": (classes, channels), "fc.bias": (classes,)}


def _norm(where: str, width: int) -> dict[str, tuple[int, ...]]:
    return {f"{where}.{name}": (width,) for name in ("weight", "bias", "running_mean", "running_var")}


def state_of(network: str, seed: int) -> dict[str, Tensor]:
    """Return random tensors of a network by open_lth's names, of which outputs have a usual size."""
    drawn, state = torch.Generator().manual_seed(seed), {}
    for name, shape in shapes_of(network).items():
        scale = (2 / torch.Size(shape[1:]).numel()) ** 0.5 if len(shape) > 1 else 0.1
        tensor = scale * torch.randn(shape, generator=drawn)
        state[name] = tensor.abs() + 0.5 if name.endswith("running_var") else tensor
        if name.endswith("running_var"):
            state[name.replace("running_var", "num_batches_tracked")] = torch.tensor(seed)
        if ("bn" in name or "shortcut.1" in name) and name.endswith(".weight"):
            state[name] = tensor.abs() + 0.5
    return state


def outputs_of(state: Mapping[str, Tensor], images: Tensor) -> Tensor:
    """Return what open_lth's network of this state computes in evaluation mode, of normalised images."""
    if "fc_layers.0.weight" in state:
        x, layer = images.flatten(1), 0
        while f"fc_layers.{layer}.weight" in state:
            x = F.relu(F.linear(x, state[f"fc_layers.{layer}.weight"], state[f"fc_layers.{layer}.bias"]))
            layer += 1
        return F.linear(x, state["fc.weight"], state["fc.bias"])
    if "layers.0.conv.weight" in state:
        x = images
        for place, width in enumerate(VGG_16):
            x = (
                F.relu(_bn(state, f"layers.{place}.bn", _conv(state, f"layers.{place}.conv", x)))
                if width
                else x
            )
            x = x if width else F.max_pool2d(x, 2)
        return F.linear(F.avg_pool2d(x, 2).flatten(1), state["fc.weight"], state["fc.bias"])
    x, block = F.relu(_bn(state, "bn", _conv(state, "conv", images))), 0
    while f"blocks.{block}.conv1.weight" in state:
        where, stride = f"blocks.{block}", 2 if f"blocks.{block}.shortcut.0.weight" in state else 1
        inner = F.relu(_bn(state, f"{where}.bn1", _conv(state, f"{where}.conv1", x, stride)))
        inner = _bn(state, f"{where}.bn2", _conv(state, f"{where}.conv2", inner))
        if stride == 2:
            x = _bn(state, f"{where}.shortcut.1", _conv(state, f"{where}.shortcut.0", x, 2))
        x, block = F.relu(inner + x), block + 1
    return F.linear(x.mean((2, 3)), state["fc.weight"], state["fc.bias"])


def _conv(state: Mapping[str, Tensor], where: str, x: Tensor, stride: int = 1) -> Tensor:
    kernel = state[f"{where}.weight"]
    return F.conv2d(x, kernel, state.get(f"{where}.bias"), stride, kernel.shape[-1] // 2)


def _bn(state: Mapping[str, Tensor], where: str, x: Tensor) -> Tensor:
    mean, variance, weight, bias = (
        state[f"{where}.{name}"] for name in ("running_mean", "running_var", "weight", "bias")
    )
    return F.batch_norm(x, mean, variance, weight, bias)


def write_level(root: Path, network: str, level: int = 2, *, hparams: str = HPARAMS) -> Path:
    """Write what open_lth leaves of a level that was trained for 2 epochs of 5 steps, from step 3 on."""
    folder = root / f"level_{level}" / "main"
    folder.mkdir(parents=True)
    end = state_of(network, 1)
    start = {name: tensor * 2 for name, tensor in end.items()}
    shapes = {name: tensor.shape for name, tensor in end.items()}
    prunable = [name for name, shape in shapes.items() if len(shape) > 1]
    drawn = torch.Generator().manual_seed(2)
    mask = {name: (torch.rand(shapes[name], generator=drawn) < 0.7).int() for name in prunable}
    for state in (start, end):
        state.update({name: state[name] * mask[name] for name in prunable})
    torch.save(mask, folder / "mask.pth")
    torch.save(start, folder / "model_ep0_it3.pth")
    torch.save(end, folder / "model_ep2_it0.pth")
    rows = [(name, step, step / 100) for step in (3, 5, 10) for name in ("test_loss", "test_accuracy")]
    (folder / "logger").write_text("\n".join(f"{name},{step},{value}" for name, step, value in rows))
    first = root / "level_0" / "main"
    first.mkdir(parents=True, exist_ok=True)
    (first / "hparams.log").write_text(hparams)
    return folder
