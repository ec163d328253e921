"""The table of docs/figures.md: what each figure is for, what of a study it reads, and what that takes.

`python -m tests.figures_page` writes it anew. What a figure reads is noted while it is drawn of a made study.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from made_evidence import made_evidence

from lth.evidence.evidence import Evidence, Read
from lth.plan.cost import CPU, H100, Hardware, Size, seconds_of
from lth.plan.jobs import CurvatureJob, DistanceJob, Job, LineJob, RadiiJob, SurfaceJob
from lth.plan.keys import Computing, TaskKeys
from lth.plan.place import Place
from lth.plan.tasks import StudyTasks, Task
from lth.report.exhibit.exhibit import Exhibit
from lth.report.exhibit.paper import EXHIBITS
from lth.setting.network import NetworkSpec
from lth.setting.preset import resolve

PAGE = Path(__file__).parent.parent / "docs" / "figures.md"
TABLE = "<!-- the table: written by `python -m tests.figures_page` -->"
END = "<!-- the end of the table -->"
LEVELS = 10
RESNET20 = Size(train=50_000, test=10_000, products=41e6)
_KINDS: Mapping[type, str] = {
    Place: "trainings",
    CurvatureJob: "spectra",
    RadiiJob: "radii",
    LineJob: "lines",
    SurfaceJob: "surface",
    DistanceJob: "distances",
}


def reads(exhibit: Exhibit, evidence: Evidence) -> list[Place | Job]:
    """Return the trainings and measurements that an exhibit is drawn of."""
    noted: dict[Place | Job, None] = {}

    def attained(place: Place) -> object:
        noted[place] = None
        return evidence.attained[place]

    def measured(job: Job) -> object:
        noted[job] = None
        return evidence.measured[job]

    watched = replace(
        evidence,
        attained=Read(evidence.attained, attained),  # type: ignore[arg-type]
        measured=Read(evidence.measured, measured),
    )
    exhibit.numbers(watched)
    if exhibit.draw is not None:
        exhibit.draw(watched).savefig(io.BytesIO())
    return list(noted)


def hours(read: list[Place | Job], hardware: Hardware, threads: int) -> float:
    """Return how long what is read takes of `resnet20-cifar10`, with the trainings that it needs."""
    setting = resolve("resnet20-cifar10", {})
    keys = TaskKeys(setting, NetworkSpec("resnet20", (3, 32, 32), 10), "digest", Computing("bf16", "off"))
    tasks, wanted = StudyTasks(keys, "study"), dict[Task, None]()

    def need(task: Task) -> None:
        for before in task.needs:
            need(before)
        wanted[task] = None

    for node in read:
        need(tasks.training(node) if isinstance(node, Place) else tasks.measurement(node))
    return sum(seconds_of(task, setting, RESNET20, hardware, "bf16", threads) for task in wanted) / 3600


def table() -> str:
    """Return the table of every figure and table of the paper, as Markdown."""
    evidence = made_evidence(0, LEVELS)
    lines = [
        "| `figures=` | what it shows | what to look for | reads | H100, h | two cores, h |",
        "|---|---|---|---|---|---|",
    ]
    for exhibit in EXHIBITS:
        read = reads(exhibit, evidence)
        kinds = ", ".join(name for kind, name in _KINDS.items() if any(isinstance(each, kind) for each in read))
        gpu, cpu = hours(read, H100, 1), hours(read, CPU, 2)
        title = exhibit.title.partition(": ")[2]
        lines.append(f"| `{number(exhibit)}` | {title} | {exhibit.paper} | {kinds} | {gpu:.1f} | {cpu:.0f} |")
    return "\n".join(lines)


def number(exhibit: Exhibit) -> str:
    """Return what `figures=` calls an exhibit: `5`, or `table1`."""
    figure = re.match(r"fig0?(\d+)_", exhibit.file)
    return figure[1] if figure else exhibit.file.partition("_")[0]


if __name__ == "__main__":
    before, _, rest = PAGE.read_text().partition(TABLE)
    PAGE.write_text(f"{before}{TABLE}\n{table()}\n{END}{rest.partition(END)[2]}")
