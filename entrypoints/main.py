"""The whole study of a preset: dense, every level, every baseline at the last one, and the analyses."""

from __future__ import annotations

import click

from entrypoints.options import ProjectCommand, is_fresh, opened_study, study_options


@click.command(cls=ProjectCommand)
@study_options
def main(**options: str | None) -> None:
    """Train and measure everything, then say what was found."""
    if is_fresh(options):
        raise click.UsageError("fresh=true would train everything again; use it on one entry point at a time")
    with opened_study(options) as study:
        run_id = study.run_all()
        from lth.summary import text_table

        click.echo(f"\n{text_table(study.rows())}\n")
        click.echo(
            f"Everything is in run {run_id}. To look at it: make ui (or: mlflow ui), http://127.0.0.1:5000"
        )


if __name__ == "__main__":
    main()
