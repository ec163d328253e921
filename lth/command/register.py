"""The models of a study in MLflow's registry, under aliases that say which is which."""

from __future__ import annotations

import click

from lth.command.options import ProjectCommand, is_fresh, opened_replication, study_options


@click.command(cls=ProjectCommand)
@click.option("--name", default=None, help="Of the registered model. [lth-<preset>]")
@click.option("--seeds", default=None, help="Such as 0,1,2 or 0-2, each a registered model. [seed]")
@study_options
def main(name: str | None, seeds: str | None, **options: str | None) -> None:
    """Register every trained solution: @dense, @level-3, @one_shot-at-level-4, and @best of the pruned ones.

    Nothing is trained. What is registered already is found, and its alias set anew.
    """
    if is_fresh(options):
        raise click.UsageError("register trains nothing; leave fresh out")
    with opened_replication(options, seeds, reads_only=True) as replication:
        for line in replication.register(name):
            click.echo(line)


if __name__ == "__main__":
    main()
