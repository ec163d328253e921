"""The model card of a published study's tickets (Mitchell et al. 2019, arXiv 1810.03993).

`python -m studies.publish` writes it, and `python -m studies.card results/<name>` of what is published already.
"""

from __future__ import annotations

import csv
import json
import statistics
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import click

FILE = "model_card.md"
_TRAINED = (
    "network",
    "dataset",
    "train_examples",
    "augmentation",
    "optimizer",
    "loss",
    "epochs",
    "batch_size",
    "lr",
)
_SPARSE = ("prune_fraction", "levels", "scope", "rewind", "rewind_step", "methods")
_LIMITS = """\
## Meant for

Studying sparse networks and their loss landscape: the masks, the weights and what was measured of them.

## Not meant for

Deciding anything about people or things. The images are small and few, the networks far from the best known.
Nothing was measured of robustness, calibration, or how errors spread over classes and groups. Intervals are
over seeds of this data set and network alone.

## Getting them

Checkpoints are not in git. `bash studies/{name}.sh` trains them again: to the same bits on the same kind of
processor with the versions above, elsewhere to other bits and so somewhat other numbers. Each is then a logged
model of its run, with a card of its own; `lth.load_solution(…)` or
`mlflow.pytorch.load_model("models:/…")` loads it.
"""


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
def main(folder: Path) -> None:
    """Write the card of what lies in FOLDER there."""
    (folder / FILE).write_text(card(folder))


def card(folder: Path) -> str:
    """Return the card, in Markdown, of the study published in `folder`."""
    study = json.loads((folder / "study.json").read_text())
    settings = study["settings"]
    facts = [
        ("trained", _named(settings, _TRAINED)),
        ("made sparse", _named(settings, _SPARSE)),
        ("data", f"SHA-256 {study['data_sha256'][:16]}…"),
        ("computed by", "; ".join(study["computed_by"])),
        ("with", ", ".join(f"{package} {version}" for package, version in study["versions"].items())),
        ("hours of all tasks", _hours(study["hours_of_all_tasks"])),
    ]
    parts = [
        f"# Model card: the tickets of `{folder.resolve().name}`",
        _table(("", ""), facts),
        "## How well they do",
        _attained(folder / "solutions.csv"),
        _LIMITS.format(name=folder.resolve().name),
    ]
    return "\n\n".join(parts)


def _named(settings: dict[str, str], names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}={settings[name]}`" for name in names if settings.get(name, "none") != "none")


def _hours(hours: float | None) -> str:
    return "not known" if hours is None else f"{hours:.1f}"


def _attained(path: Path) -> str:
    """Return a row a solution: what its seeds attain on average, ± their standard deviation."""
    rows = defaultdict(list)
    with path.open() as file:
        for row in csv.DictReader(file):
            rows[row["solution"]].append(row)
    found = [
        (
            name,
            str(len(seeds)),
            f"{float(seeds[0]['density']):.1%}",
            _spread([float(seed["train_loss"]) for seed in seeds], ".3g"),
            _spread([100 * float(seed["test_accuracy"]) for seed in seeds], ".1f"),
        )
        for name, seeds in rows.items()
    ]
    return _table(("solution", "seeds", "weights kept", "training loss", "test accuracy (%)"), found)


def _spread(values: list[float], form: str) -> str:
    mean = format(statistics.mean(values), form)
    return mean if len(values) == 1 else f"{mean} ± {format(statistics.stdev(values), form)}"


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    main()
