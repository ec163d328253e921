"""The same bits again from the same arguments on the same machine, also on a GPU.

A CPU repeats itself for one number of threads (`lth.training.threads`). On CUDA some operations add in whatever
order their threads arrive, cuDNN may choose by a race between routines, and cuBLAS repeats itself only with
workspaces of a fixed size. So within `repeatable` only deterministic routines run; an operation that has none
is an error, and never a result that can't be repeated.

Source: docs.pytorch.org/docs/stable/notes/randomness.html.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch.backends import cudnn
from torch.utils import deterministic

from lth.errors import InputError

_MEMORY: Any = deterministic  # whose only setting torch defines when it is imported
_WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"
_FIXED_WORKSPACES = (":4096:8", ":16:8")  # the two with which cuBLAS repeats itself
_NOT_REPEATABLE = "does not have a deterministic implementation"  # what torch says of such an operation


def fix_workspaces(devices: Sequence[torch.device]) -> None:
    """Let cuBLAS take workspaces of a fixed size, if one of `devices` is a GPU.

    It reads the environment when it starts, which is some time after CUDA: so call this before anything is put
    on a GPU. A size that the user has fixed stays.

    Raises:
        InputError: If CUDA has started already without one, or the user's is not fixed.
    """
    if all(device.type != "cuda" for device in devices):
        return
    written = os.environ.get(_WORKSPACE)
    if written in _FIXED_WORKSPACES:
        return
    if written is None and not torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        os.environ[_WORKSPACE] = _FIXED_WORKSPACES[0]
        return
    state = "not set" if written is None else repr(written)
    raise InputError(
        f"{_WORKSPACE} is {state} and CUDA may be under way, so its results could not be repeated; set it to "
        f"{' or '.join(_FIXED_WORKSPACES)} before Python starts"
    )


@contextmanager
def repeatable(*devices: torch.device) -> Iterator[None]:
    """Compute only what gives the same bits again on `devices`; the caller's settings are restored afterwards.

    On CPUs alone nothing is set.

    Raises:
        InputError: If cuBLAS can't repeat itself (`fix_workspaces`), or an operation has no such routine.
    """
    if all(device.type != "cuda" for device in devices):
        yield
        return
    fix_workspaces(devices)
    enabled, warn_only = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    before = cudnn.deterministic, cudnn.benchmark, _MEMORY.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True)
    # Filling is for programs that read what was never written; it costs a pass over every new tensor.
    cudnn.deterministic, cudnn.benchmark, _MEMORY.fill_uninitialized_memory = True, False, False
    try:
        yield
    except RuntimeError as error:
        if _NOT_REPEATABLE not in str(error):
            raise
        raise InputError(
            f"the network can't be computed repeatably on a GPU: {str(error).split('. ')[0]}; replace what "
            "computes it, or choose device=cpu"
        ) from error
    finally:
        cudnn.deterministic, cudnn.benchmark, _MEMORY.fill_uninitialized_memory = before
        torch.use_deterministic_algorithms(enabled, warn_only=warn_only)
