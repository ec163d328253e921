"""Look at everything that a store holds, and say what of it is damaged."""

from __future__ import annotations

import sys

import click

from lth.command.options import ProjectCommand, told_as

_DAMAGED = 1  # status


@click.command(cls=ProjectCommand)
@click.option("--experiment", default=None, help="The name of one alone. [all experiments of the store]")
@click.option(
    "--patience", default="300", help="Seconds to wait for a tracking store that does not answer. [300]"
)
def main(experiment: str | None, patience: str) -> None:
    """Check every checkpoint, model and number of the store that MLFLOW_TRACKING_URI names; change nothing.

    Ends with status 1 where something is damaged, and says how it is computed again.
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
        store = Store(float(patience), click.echo, adopts=False, creates=False, experiment=experiment)
        names = [] if experiment is not None else store.other_experiments()
        others = (Store(float(patience), adopts=False, creates=False, experiment=name) for name in names)
        damaged = 0
        for each in (store, *others):
            verified = verify(each, tell)
            damaged += len(verified.damages)
            if verified.counts or each is store:
                what = f"{len(verified.damages)} damaged" if verified.damages else "all as they were written"
                click.echo(f"{each.description}: {verified.described}; {what}")
    if damaged:
        sys.exit(_DAMAGED)


if __name__ == "__main__":
    main()
