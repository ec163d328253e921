"""Let a store that was moved or copied name its artifacts where they are now."""

from __future__ import annotations

from pathlib import Path

import click

from lth.command.options import OPTIONAL, ProjectCommand, is_true, told_as


@click.command(cls=ProjectCommand)
@click.option("--folder", default=None, help="Where the artifacts are. [beside the store]")
@click.option(
    "--dry_run", "--dry-run", default=None, **OPTIONAL, help="true: say what would be changed, change nothing."
)
def main(folder: str | None, dry_run: str | None) -> None:
    """Correct the places of artifacts that an SQLite store has written down; MLFLOW_TRACKING_URI says which."""
    only_look = is_true("dry_run", dry_run)
    with told_as(click.ClickException):
        from lth.tracking.address import store_name
        from lth.tracking.relocation import relocate

        found = relocate(None if folder is None else Path(folder), dry_run=only_look)
        for before, after in found.folders.items():
            click.echo(f"{before} is {after} now")
        if not found.changes:
            click.echo(
                f"{store_name()}: nothing to change; where its artifacts are said to be, or in the folder"
            )
        runs = sum(table == "runs" for table, _key in found.changes)
        models = sum(table == "logged_models" for table, _key in found.changes)
        told = f"{runs} runs and {models} models {'would be' if only_look else 'are'} given their new place"
        click.echo(told + (f"; the store as it was is {found.backup}" if found.backup is not None else ""))
        if found.missing:
            click.echo(f"{found.missing} runs have no files in either place; what needs them is computed again")


if __name__ == "__main__":
    main()
