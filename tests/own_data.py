"""Data of every shape and type, as a user would hand it over, and networks for it."""

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset, TensorDataset

from lth.data import TensorData


def numbers(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def whole(*shape: int, below: int) -> Tensor:
    return torch.randint(below, shape, generator=torch.Generator().manual_seed(0))


LABELS = torch.arange(12) % 3
INPUTS = {
    "vectors": (numbers(12, 5), LABELS),
    "signals": (numbers(12, 2, 9), LABELS),
    "volumes": (numbers(12, 1, 4, 4, 4), LABELS),
    "tokens": (whole(12, 6, below=7), LABELS),
    "next tokens": (whole(12, 6, below=7), whole(12, 6, below=7)),
    "a number": (numbers(12, 5), numbers(12)),
    "numbers": (numbers(12, 5), numbers(12, 4)),
    "a field": (numbers(12, 1, 6), numbers(12, 2, 6)),
    "two": ((numbers(12, 5), whole(12, 3, below=7)), LABELS),
    "by name": (
        {"features": numbers(12, 5), "tokens": whole(12, 3, below=7), "shown": numbers(12, 3) > 0},
        LABELS,
    ),
}


def of(kind: str) -> TensorData:
    """Return data of a kind, its test examples those of training."""
    inputs, targets = INPUTS[kind]
    return TensorData(kind, inputs, targets, inputs, targets)


class Mixed(nn.Module):
    """Takes features and tokens, and of these only those shown."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.first, self.table = nn.Linear(5, 8), nn.Embedding(7, 8)
        self.last = nn.Linear(8, classes)

    def forward(self, features: Tensor, tokens: Tensor, shown: Tensor | None = None) -> Tensor:
        rows = self.table(tokens)
        rows = rows if shown is None else rows * shown[:, :, None]
        return self.last(torch.tanh(self.first(features) + rows.mean(1)))  # type: ignore[no-any-return]


def network_of(kind: str, outputs: int) -> nn.Module:
    """Return a small network for data of a kind."""
    made = {
        "vectors": lambda: nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, outputs)),
        "signals": lambda: nn.Sequential(
            nn.Conv1d(2, 4, 3), nn.BatchNorm1d(4), nn.Flatten(), nn.Linear(28, outputs)
        ),
        "volumes": lambda: nn.Sequential(nn.Conv3d(1, 4, 3), nn.GELU(), nn.Flatten(), nn.Linear(32, outputs)),
        "tokens": lambda: nn.Sequential(nn.Embedding(7, 4), nn.Flatten(), nn.Linear(24, outputs)),
        "next tokens": lambda: nn.Sequential(nn.Embedding(7, 4), nn.LayerNorm(4), nn.Linear(4, outputs)),
        "a field": lambda: nn.Conv1d(1, 2, 3, padding=1),
    }
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return made.get(kind, made["vectors"])() if kind not in ("two", "by name") else Mixed(outputs)


def field(_shape: object, _outputs: int) -> nn.Module:
    return network_of("a field", 12)


def by_name(_data_dir: Path | None) -> TensorData:
    return of("by name")


def mixed(_shape: object, classes: int) -> nn.Module:
    return Mixed(classes)


PAIRS = TensorDataset(numbers(12, 5), LABELS)


class OfDicts(Dataset[dict[str, Tensor]]):
    """Hugging Face's form."""

    def __len__(self) -> int:
        return 12

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {
            "features": numbers(12, 5)[index],
            "tokens": whole(12, 3, below=7)[index],
            "labels": LABELS[index],
        }


class Streamed(IterableDataset[tuple[Tensor, Tensor]]):
    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return iter(PAIRS)


class Ragged(Dataset[tuple[Tensor, int]]):
    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return torch.zeros(index + 1), index % 2


SOURCES = {
    "a data set": PAIRS,
    "a part of one": Subset(PAIRS, list(range(12))),
    "a stream": Streamed(),
    "a loader": DataLoader(PAIRS, batch_size=5),
    "a shuffled loader": DataLoader(PAIRS, batch_size=5, shuffle=True, drop_last=True),
    "a loader without batches": DataLoader(PAIRS, batch_size=None),
    "a loader of a stream": DataLoader(Streamed(), batch_size=5),
}


def loaders(_data_dir: Path | None) -> tuple[DataLoader, DataLoader]:
    return DataLoader(PAIRS, batch_size=5, shuffle=True), DataLoader(PAIRS)
