"""The command `lth`, of which every other command is a part: `lth study`, `lth report`, `lth show preset`."""

from __future__ import annotations

from typing import Final

import click

import lth
from lth.command import (
    analyze,
    baseline,
    imp_level,
    register,
    relocate,
    report,
    show,
    stability,
    study,
    sweep,
    train_dense,
    ui,
    verify,
)
from lth.setting.misspelt import parameter_meant

COMMANDS: Final = {  # in the order in which they are listed
    "study": study.main,
    "sweep": sweep.main,
    "stability": stability.main,
    "report": report.main,
    "ui": ui.main,
    "train_dense": train_dense.main,
    "imp_level": imp_level.main,
    "baseline": baseline.main,
    "analyze": analyze.main,
    "register": register.main,
    "verify": verify.main,
    "relocate": relocate.main,
    "show": show.main,
}
_ALIASES = {"main": "study"}  # as the entry point is called that a plain `mlflow run .` takes


class _Commands(click.Group):
    """Commands by name; a hyphen in a name is as good as an underscore."""

    def list_commands(self, _context: click.Context) -> list[str]:
        """Return their names."""
        return list(COMMANDS)

    def get_command(self, _context: click.Context, name: str) -> click.Command | None:
        """Return a command; None if there is none of this name."""
        plain = name.replace("-", "_")
        return COMMANDS.get(_ALIASES.get(plain, plain))

    def resolve_command(
        self, context: click.Context, arguments: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that is named first, and say of one that there is not which is meant."""
        name = arguments[0]
        if self.get_command(context, name) is None and not name.startswith("-"):
            close = parameter_meant(name, COMMANDS)
            hint = f"did you mean {close}?" if close else f"there are {', '.join(COMMANDS)}"
            raise click.UsageError(f"there is no command {name!r}; {hint}", context)
        return super().resolve_command(context, arguments)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(lth.__version__, prog_name="lth", message="%(prog)s %(version)s")
def main() -> None:
    """Train lottery tickets, measure the loss landscape of what is found, and report on it.

    Results are tracked by MLflow: in mlflow.db and mlruns/ of the directory you are in, or in the store that
    MLFLOW_TRACKING_URI names. In a checkout, `mlflow run . -e study -P levels=2` is `lth study --levels 2`.
    """


if __name__ == "__main__":
    main()
