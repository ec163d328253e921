"""Look at everything that a store holds, and say what of it is damaged."""

from __future__ import annotations

import sys

import click

from lth.command.options import ProjectCommand, told_as

_DAMAGED = 1  # status


@click.command(cls=ProjectCommand)
@click.option("--experiment", default=None, help="The name of one alone. [all experiments of the store]")
def main(experiment: str | None) -> None:
    """Check every checkpoint, model and number of the store that MLFLOW_TRACKING_URI names; change nothing.

    Ends with status 1 where something is damaged.
    """
    with told_as(click.ClickException):
        from lth.study.verify import Damage, verify
        from lth.tracking.address import check_sound
        from lth.tracking.client import set_request_defaults
        from lth.tracking.store import Store

        def tell(damage: Damage) -> None:
            click.echo(f"{damage.run_name}, run {damage.run_id}: {damage.what}")

        set_request_defaults()
        check_sound()
        store = Store(say=click.echo, adopts=False, creates=False, experiment=experiment)
        names = [] if experiment is not None else store.other_experiments()
        others = (Store(adopts=False, creates=False, experiment=name) for name in names)
        damaged = 0
        for each in (store, *others):
            verified = verify(each, tell)
            damaged += len(verified.damages)
            if verified.counts or each is store:
                what = f"{len(verified.damages)} damaged" if verified.damages else "all as they were written"
                click.echo(f"{each.description}: {verified.described}; {what}")
    if damaged:
        click.echo(
            "`mlflow runs delete --run-id …` of a run, then the command that made it, computes it again."
        )
        sys.exit(_DAMAGED)


if __name__ == "__main__":
    main()
