"""Publishes from which step on a training is stable: `python -m studies.publish_stability results/<name> …`.

The options are those of `stability`. Its figure, numbers and words go into the folder of a study that was
published before; what is missing is trained.
"""

from __future__ import annotations

from pathlib import Path

import click

from lth.command.options import opened_stability, study_options_but
from lth.plan.stability import DEFAULT_COPIES, DEFAULT_LEVELS, DEFAULT_STEPS


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--seeds", default=None)
@click.option("--steps", default=DEFAULT_STEPS)
@click.option("--levels", default=DEFAULT_LEVELS)
@click.option("--copies", default=str(DEFAULT_COPIES))
@study_options_but("levels")
def main(folder: Path, seeds: str | None, steps: str, levels: str, copies: str, **options: str | None) -> None:
    """Copy what copies of a training say of its stability from its store into FOLDER."""
    with opened_stability(options, seeds, steps, levels, copies, say=click.echo) as stability:
        stability.fetch(stability.complete(), folder)
    click.echo(f"written to {folder}")


if __name__ == "__main__":
    main()
