"""What was typed, made what click reads, and what click says of what it can't read, made a hint."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import click

from lth.setting.choice import value_hint
from lth.setting.misspelt import meant, parameter_meant

_QUOTED = re.compile(r"'([^']*)' is not one of")  # so too
_EXTRA = re.compile(r"unexpected extra arguments? \((.*)\)")  # as click says it


def spelled_out(arguments: Sequence[str]) -> list[str]:
    """Return arguments with each `-P name=value` as `--name=value`.

    >>> spelled_out(["-P", "level=3", "-Pseed=1", "--k", "9"])
    ['--level=3', '--seed=1', '--k', '9']
    """
    spelled, rest = [], iter(arguments)
    for argument in rest:
        if argument == "-P":
            spelled.append(f"--{next(rest, '')}")
        elif argument.startswith("-P") and "=" in argument:
            spelled.append(f"--{argument.removeprefix('-P')}")
        else:
            spelled.append(argument)
    return spelled


@contextmanager
def hinted(parameters: Sequence[click.Parameter]) -> Iterator[None]:
    """Say which option is meant by one that there is not, or whose it is; how a bare `name=value` is written.

    Args:
        parameters: Of the command.
    """
    known = [str(parameter.name) for parameter in parameters]
    try:
        yield
    except click.NoSuchOption as error:
        name = error.option_name.lstrip("-").partition("=")[0]
        hint = _hint(name, known)
        raise click.NoSuchOption(
            error.option_name, f"No such option {error.option_name!r}; {hint}", ctx=error.ctx
        ) from error
    except click.BadParameter as error:
        written, param = _QUOTED.match(error.message), error.param
        if written is None or param is None or not isinstance(param.type, click.Choice):
            raise
        hint = value_hint(written[1], param.type.choices, str(param.name))
        raise click.BadParameter(f"{error.message.rstrip('.')}{hint or '.'}", error.ctx, param) from error
    except click.UsageError as error:
        extra = _EXTRA.search(error.message)
        bare = [word for word in extra[1].split() if "=" in word] if extra else []
        if not bare:
            raise
        raise click.UsageError(f"{bare[0]!r} lacks its hyphens; write --{bare[0]}", error.ctx) from error


def _hint(name: str, known: Sequence[str]) -> str:
    """Return what to say of an option that a command does not take."""
    here = parameter_meant(name, known)
    takers = _takers(name)
    if takers:
        whose = f"{name.replace('-', '_')} is taken by {', '.join(takers)}"
        return whose + (f"; did you mean --{here}?" if here else "")
    if here:
        return f"did you mean --{here}?"
    elsewhere = parameter_meant(name, set().union(*_options().values()) - set(known))
    if elsewhere is not None:
        return f"{elsewhere} may be meant, which is taken by {', '.join(_takers(elsewhere))}"
    return meant(name, known) or "--help lists what there is"


def _takers(name: str) -> list[str]:
    """Return the commands that take an option of this name."""
    wanted = name.replace("-", "_").lower()
    return [command for command, options in _options().items() if wanted in options]


def _options() -> dict[str, set[str]]:
    """Return the options of every command."""
    from lth.command.line import COMMANDS  # which imports the commands, and they this

    return {name: {str(parameter.name) for parameter in each.params} for name, each in COMMANDS.items()}
