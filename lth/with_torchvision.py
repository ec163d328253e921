"""Importing torchvision, which fails beside a torch that it was not built for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from lth.errors import InputError


@contextmanager
def importing_torchvision(lead: str) -> Iterator[None]:
    """Tell in one line that torchvision can't be imported here; `lead` says what is read by it, or is of it.

    Raises:
        InputError: If it can't, whatever its loader raises.
    """
    try:
        yield
    except Exception as error:
        raise InputError(
            f"{lead} torchvision, which can't be imported beside torch {torch.__version__} "
            f"({type(error).__name__}: {' '.join(str(error).split())}); install both from one index"
        ) from error
