"""MLflow's UI, opened where the runs are."""

from __future__ import annotations

import webbrowser
from contextlib import suppress

import click

from lth.command.options import ProjectCommand, is_true, told_as
from lth.signals import interrupt_on_signals


@click.command(cls=ProjectCommand)
@click.option("--port", type=click.IntRange(1, 65535), default=5000, help="Of this machine. [5000]")
@click.option("--browser", default="true", help="false: only print the address. [true]")
def main(port: int, browser: str) -> None:
    """Show the runs of the experiment in MLflow's UI: a tracking server's, else one that is started here."""
    opens = is_true("browser", browser)
    interrupt_on_signals()
    with told_as(click.ClickException):
        from lth.study.record.views import RUNS
        from lth.tracking.ui import experiment, runs_address, served

        address = runs_address(experiment(), RUNS, port)
        with served(port) as process:
            click.echo(f"the runs are at {address}" + (" (Ctrl-C ends it)" if process is not None else ""))
            if opens:
                webbrowser.open(address)
            if process is not None:
                with suppress(KeyboardInterrupt):  # Ctrl-C or SIGTERM, which are how it ends
                    process.wait()


if __name__ == "__main__":
    main()
