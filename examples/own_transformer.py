"""A transformer of one's own on characters, trained by AdamW with warm-up, through levels and all measures.

    python -m entrypoints.study --network examples.own_transformer:network \
        --dataset examples.own_transformer:characters --optimizer adamw --lr 0.003 --weight_decay 0.1 \
        --schedule cosine --warmup 10% --grad_clip 1 --rewind_step 5% --augmentation none --epochs 8 --levels 2

does the whole study; `python -m examples.own_transformer` trains the levels alone, takes every measure of the
last and prints the numbers. The text is that of Python's own help, so that nothing is downloaded.
"""

from __future__ import annotations

from pathlib import Path
from pydoc_data.topics import topics

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

import lth
from lth.data import TensorData
from lth.evidence.summary import text_table
from lth.plan.jobs import DensityJob, level_jobs
from lth.plan.place import Place, Point
from lth.report.spoken import said
from lth.setting.terms import speaking

_LENGTH, _TRAIN, _TEST = 32, 512, 128  # characters an example, and examples
_WIDTH, _HEADS, _LAYERS = 32, 2, 2

PARAMETERS = {
    "network": "examples.own_transformer:network",
    "dataset": "examples.own_transformer:characters",
    "augmentation": "none",
    "optimizer": "adamw",
    "lr": "0.003",
    "weight_decay": "0.1",
    "schedule": "cosine",
    "warmup": "10%",
    "grad_clip": "1.0",
    "rewind_step": "5%",
    "batch_size": "64",
    "epochs": "8",
    "fine_tune_epochs": "2",
    "levels": "2",
    "k": "5",
    "hessian_examples": "64",
    "directions": "3",
    "points": "5",
    "grid": "5",
    "plane": "0,1,2",
    "precision": "fp32",
}


def characters(_data_dir: Path | None) -> TensorData:
    """Return pieces of text, each with the same piece one character on as its targets."""
    text = "".join(topics[name] for name in sorted(topics))
    known = sorted(set(text))
    numbers = torch.tensor([known.index(sign) for sign in text[: (_TRAIN + _TEST) * _LENGTH + 1]])
    inputs, targets = (part.reshape(-1, _LENGTH) for part in (numbers[:-1], numbers[1:]))
    return TensorData(
        "characters",
        inputs[:_TRAIN],
        targets[:_TRAIN],
        inputs[_TRAIN:],
        targets[_TRAIN:],
        source="pydoc_data.topics",
        classes=len(known),
    )


class _Block(nn.Module):
    """Causal attention and a hidden layer, each added to what it reads."""

    def __init__(self) -> None:
        super().__init__()
        self.before_attention, self.before_hidden = nn.LayerNorm(_WIDTH), nn.LayerNorm(_WIDTH)
        self.queries_keys_values = nn.Linear(_WIDTH, 3 * _WIDTH, bias=False)
        self.out = nn.Linear(_WIDTH, _WIDTH, bias=False)
        self.hidden = nn.Sequential(nn.Linear(_WIDTH, 4 * _WIDTH), nn.GELU(), nn.Linear(4 * _WIDTH, _WIDTH))

    def forward(self, x: Tensor) -> Tensor:
        several = self.queries_keys_values(self.before_attention(x)).unflatten(2, (3, _HEADS, -1))
        queries, keys, values = several.permute(2, 0, 3, 1, 4)
        mixed = scaled_dot_product_attention(queries, keys, values, is_causal=True)
        x = x + self.out(mixed.transpose(1, 2).flatten(2))
        return x + self.hidden(self.before_hidden(x))  # type: ignore[no-any-return]


class Transformer(nn.Module):
    """A decoder: logits of the next character at every place."""

    def __init__(self, length: int, num_characters: int) -> None:
        super().__init__()
        self.characters = nn.Embedding(num_characters, _WIDTH)
        self.places = nn.Embedding(length, _WIDTH)
        self.blocks = nn.Sequential(*[_Block() for _ in range(_LAYERS)])
        self.norm = nn.LayerNorm(_WIDTH)
        self.head = nn.Linear(_WIDTH, num_characters, bias=False)

    def forward(self, numbers: Tensor) -> Tensor:
        """Return logits, (n, length, characters), for numbers of characters, (n, length)."""
        places = torch.arange(numbers.shape[1], device=numbers.device)
        read = self.blocks(self.characters(numbers) + self.places(places))
        return self.head(self.norm(read))  # type: ignore[no-any-return]


def network(input_shape: tuple[int, ...], num_classes: int) -> nn.Module:
    """Return the network for pieces of `input_shape` and so many characters."""
    return Transformer(input_shape[0], num_classes)


def main(**changes: str) -> str:
    """Train the levels of a study, take every measure of the last, and return the numbers with their units."""
    study = lth.open_study("digits", **{**PARAMETERS, **changes})
    last = study.problem.setting.pruning.levels
    study.analysis(last)
    study.spectral_density(last)
    study.surface(last)
    study.distances(last)
    of_level = [*level_jobs(last), DensityJob(Point.at(Place.imp(last)))]
    found = study.found([*of_level, study.surface_of(last), study.distances_of(last)])
    with speaking(study.problem.terms):
        return f"{text_table(study.rows())}\n\n{said(found)}"


if __name__ == "__main__":
    print(main())  # noqa: T201
