"""Publishes a finished study: `python -m studies.publish results/<name> <the options of the study>`.

Into the folder go the claims and verdicts (CSV, Markdown, a figure), the figures and tables of the report (of
those that each seed has alone, the first seed's), and `study.json`: the settings, the content keys, the seeds
of every report that was made, what computed it, and the hours it took; and a model card. Checkpoints stay in
the store. Of a folder in `results`, what the claims come to in all of them is written anew beside it
(`studies.what_holds`).
"""

from __future__ import annotations

import json
import platform
import shutil
import tempfile
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click

from lth import __version__
from lth.command.options import opened_replication, study_options
from lth.errors import InputError
from lth.evidence.claim.wording import study_command
from lth.evidence.evidence import Evidence
from lth.study.record.report import earlier_reports
from lth.study.replication import Replication
from lth.tracking.store import COMPUTED_BY
from studies.card import FILE, card
from studies.what_holds import FILE as WHAT_HOLDS
from studies.what_holds import RESULTS, what_holds

_COMMIT = "mlflow.source.git.commit"
_PACKAGES = ("torch", "torchvision", "numpy", "scipy", "mlflow")
_PUBLISHED = {".csv", ".json", ".md", ".png"}
_LEFT_OUT = {".html", ".md", ".pdf", ".svg"}  # what repeats every picture; `-e report` draws it again


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--seeds", default=None, help="As of the study.")
@study_options
def main(folder: Path, seeds: str | None, **options: str | None) -> None:
    """Copy what a finished study found from its store into FOLDER, which is written anew."""
    _check(folder)
    with opened_replication(options, seeds, reads_only=True) as replication:
        run_id = replication.report_run()
        if run_id is None:
            problem = replication.studies[0].problem
            command = study_command(
                problem.setting, [each.problem.setting.seed for each in replication.studies]
            )
            raise InputError(f"{replication.name} is not there; finish the study first: {command}")
        folder = folder.resolve()
        folder.parent.mkdir(parents=True, exist_ok=True)
        # Beside it, so that what was published before stays until all of the new is there.
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".publishing-") as directory:
            written = Path(directory, "written", folder.name)
            written.parent.mkdir()
            _write(written, replication, run_id, Path(directory, "report"))
            if folder.exists():
                folder.rename(Path(directory, "before"))
            written.rename(folder)
    if folder.parent == RESULTS:
        (RESULTS / WHAT_HOLDS).write_text(what_holds(RESULTS))
    click.echo(f"written to {folder}: {len(list(folder.rglob('*.*')))} files")


def _check(folder: Path) -> None:
    """Raise if a folder holds what publishing did not write there, for it would be gone."""
    if not folder.exists() or not any(folder.iterdir()):
        return
    study = folder / "study.json"
    if not study.is_file() or "evidence_keys" not in study.read_text():
        raise click.ClickException(f"{folder} holds no published study; name a new folder, or that of one")
    if other := sorted(path.name for path in folder.iterdir() if path.suffix not in _PUBLISHED):
        raise click.ClickException(
            f"{folder} is written anew, and {', '.join(other)} would be gone; move that elsewhere first"
        )


def _write(folder: Path, replication: Replication, run_id: str, fetched: Path) -> None:
    store = replication.studies[0].store
    fetched.mkdir()
    folder.mkdir()
    first, *others = [study.problem.setting.seed for study in replication.studies]
    of_all = {Path(path).name: path for path in store.files(run_id, "")}
    of_first = {Path(path).name: path for path in store.files(run_id, f"seed_{first}")}
    alone = {name: path for name, path in of_first.items() if name not in of_all}  # what seeds do not share
    copied = of_all | {f"seed_{first}_{name}" if others else name: path for name, path in alone.items()}
    for name, path in sorted(copied.items()):
        if Path(name).suffix not in _LEFT_OUT:
            shutil.copy(store.fetch(run_id, path, str(fetched)), folder / name)
    (folder / "claims.md").write_text(f"# {replication.name}\n\n{replication.verdicts(run_id)}\n")
    evidences = [study.evidence() for study in replication.studies]
    content = _study(replication, run_id, evidences)
    (folder / "study.json").write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    (folder / FILE).write_text(card(folder))


def _study(replication: Replication, run_id: str, evidences: list[Evidence]) -> dict[str, Any]:
    """Return what the results depend on."""
    studies = replication.studies
    store, problem = studies[0].store, studies[0].problem
    runs = {run_id for evidence in evidences for run_id in evidence.runs.values()}
    tags = [store.run(run_id).data.tags for run_id in sorted(runs)]
    hours = {str(each.seed): None if each.seconds is None else each.seconds / 3600 for each in evidences}
    known = [each for each in hours.values() if each is not None]
    return {
        "study": replication.name,
        "report": {"run": run_id, "when": _when(store.run(run_id).info.end_time)},
        "seeds_of_all_reports": earlier_reports(store, [each.problem for each in studies]),
        "settings": {name: value for name, value in problem.setting.flat().items() if name != "seed"},
        "data_sha256": problem.images.digest,
        "evidence_keys": {str(study.problem.setting.seed): study.problem.keys.evidence() for study in studies},
        "computed_by": sorted({each[COMPUTED_BY] for each in tags if COMPUTED_BY in each}),
        "commits": sorted({each[_COMMIT] for each in tags if _COMMIT in each}),
        "system": platform.platform(),
        "versions": {
            "lth": __version__,
            "python": platform.python_version(),
            **{name: version(name) for name in _PACKAGES},
        },
        "hours_of_seeds": hours,
        "hours_of_all_tasks": sum(known) if len(known) == len(hours) else None,
    }


def _when(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="seconds")


if __name__ == "__main__":
    main()
