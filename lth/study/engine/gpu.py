"""A part of a GPU for each task: which GPU that is for torch, and how much of its memory may be taken.

Several trainings of a small network share a GPU well, but nothing keeps one from the memory of the others. So
each process is held to its part, and what does not fit into that is done once more with a GPU of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

WHOLE = 1.0


def name_of(given: Sequence[int | str], visible: str | None) -> str | None:
    """Return what torch calls the GPU that was given to a process; None if none was.

    Args:
        given: As the machine numbers them, or by their ids.
        visible: CUDA_VISIBLE_DEVICES of the process, among which torch counts; None if it is not set.

    >>> name_of(["3"], "2,3")
    'cuda:1'
    """
    if not given:
        return None
    names = [] if visible is None else [name.strip() for name in visible.split(",")]
    own = str(given[0])
    return f"cuda:{names.index(own) if own in names else own}"


def hold_to(share: float, device: torch.device) -> None:
    """Let this process take so much of a GPU's memory at most; on a CPU there is nothing to hold to.

    What it took before for tasks that are done is given back, to others on the same GPU.
    """
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.set_per_process_memory_fraction(share, device)
