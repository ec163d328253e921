"""A part of a GPU for each task: which GPU that is for torch, and how much of its memory may be taken.

Several trainings of a small network share a GPU well, but nothing keeps one from the memory of the others. So
each process is held to its part, and what does not fit into that is done once more with a GPU of its own.
"""

from __future__ import annotations

from collections.abc import Sequence


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


def does_not_fit(task: str, share: float) -> str:
    """Return what is said of a task that is done once more.

    >>> does_not_fit("level 1", 0.225)
    'level 1 does not fit into 0.225 of a GPU: it gets one of its own'
    """
    return f"{task} does not fit into {share:g} of a GPU: it gets one of its own"
