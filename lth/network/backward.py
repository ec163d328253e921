"""A pass through the user's own network and back, told by the line of theirs whose derivative failed."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import torch
from torch import nn

from lth.errors import InputError, MendableError
from lth.setting.own_fault import described, is_out_of_memory, is_own, own_faults

_TRACED = re.compile(r'File "(.+?)", line (\d+)')  # in what torch says of a derivative's origin


def told_backward(run: Callable[[], None], network: nn.Module, whose: str, name: str) -> None:
    """Have `run` take a forward and a backward pass; if that fails, tell the line whose derivative failed.

    Args:
        run: Is run again to find that line, if it fails in no line of the user's.
        network: Whose class is told where no line is found.
        whose: Begins the message.
        name: The function `package.module:function` that built it.

    Raises:
        ValueError: If it fails.
    """
    lead = f"{whose} fails in its backward pass:"
    try:
        with own_faults(lead, name, only_theirs=True):
            run()
    except MendableError:
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise
        where = _line_of_forward(run, name) or f"the class {type(network).__qualname__}"
        raise InputError(f"{lead} {described(error)} ({where})") from error


def _line_of_forward(run: Callable[[], object], name: str) -> str | None:
    """Return the user's line that computed what has no derivative, as torch says it of a second attempt."""
    with warnings.catch_warnings(record=True) as caught, suppress(Exception):
        warnings.simplefilter("always")
        with torch.autograd.detect_anomaly(check_nan=False):
            run()
    said = "\n".join(str(warning.message) for warning in caught)
    lines = [(Path(path), int(line)) for path, line in _TRACED.findall(said)]
    own = [f"{path}, line {line}" for path, line in lines if is_own(path, name)]
    return own[-1] if own else None
