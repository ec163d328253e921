"""A plain PyTorch loop in `benchmarks.training`, as tutorials write it; the variant: how many workers load."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from benchmarks.training_setup import SPEC, Lap, Problem, TrainingSetup, load_problem
from lth.network import build_network

_MEAN, _STD = [0.4914, 0.4822, 0.4465], [0.2470, 0.2435, 0.2616]  # of CIFAR-10


class _Images(Dataset[tuple[Tensor, int]]):
    """Images in memory through torchvision's transforms, as in `torchvision.datasets.CIFAR10`."""

    def __init__(self, images: Tensor, labels: Tensor, transform: Callable[[Image.Image], Tensor]) -> None:
        self._images: np.ndarray = images.permute(0, 2, 3, 1).contiguous().numpy()
        self._labels: list[int] = labels.tolist()
        self._transform = transform

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self._transform(Image.fromarray(self._images[index])), self._labels[index]


def prepare(setup: TrainingSetup, variant: str) -> Callable[[object], Lap]:
    """Return a function that trains one epoch and evaluates the test set."""
    problem = load_problem(setup)
    network = build_network(SPEC, 0)
    network.load_state_dict(problem.state)
    train_loader, test_loader = _loaders(problem, setup.batch_size, int(variant))

    def lap(_command: object) -> Lap:
        model = copy.deepcopy(network)
        began = time.perf_counter()
        _train(model, problem.mask, train_loader, setup)
        trained = time.perf_counter()
        loss, accuracy = _evaluate(model, test_loader)
        return Lap(
            steps=trained - began,
            evaluate_test=time.perf_counter() - trained,
            evaluate_train=None,
            evaluate_some=None,
            save=0.0,
            test_loss=loss,
            test_accuracy=accuracy,
        )

    return lap


Batches = DataLoader[tuple[Tensor, int]]


def _loaders(problem: Problem, batch_size: int, workers: int) -> tuple[Batches, Batches]:
    normalise = [transforms.ToTensor(), transforms.Normalize(_MEAN, _STD)]
    augment = [transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip()]
    images = problem.images
    train = _Images(images.train_images, images.train_labels, transforms.Compose([*augment, *normalise]))
    test = _Images(images.test_images, images.test_labels, transforms.Compose(normalise))
    keep = workers > 0  # starting the workers is not counted
    return (
        DataLoader(train, batch_size, shuffle=True, num_workers=workers, persistent_workers=keep),
        DataLoader(test, batch_size, num_workers=workers, persistent_workers=keep),
    )


def _train(model: nn.Module, mask: dict[str, Tensor], loader: Batches, setup: TrainingSetup) -> None:
    masked = [(parameter, mask[name].float()) for name, parameter in model.named_parameters() if name in mask]
    optimiser = torch.optim.SGD(
        model.parameters(), lr=setup.lr, momentum=setup.momentum, weight_decay=setup.weight_decay
    )
    model.train()
    for images, labels in loader:
        optimiser.zero_grad()
        cross_entropy(model(images), labels).backward()
        optimiser.step()
        with torch.no_grad():
            for parameter, keep in masked:
                parameter.mul_(keep)


@torch.no_grad()
def _evaluate(model: nn.Module, loader: Batches) -> tuple[float, float]:
    model.eval()
    loss, correct, count = 0.0, 0, 0
    for images, labels in loader:
        logits = model(images)
        loss += cross_entropy(logits, labels, reduction="sum").item()
        correct += int((logits.argmax(dim=1) == labels).sum())
        count += len(labels)
    return loss / count, correct / count
