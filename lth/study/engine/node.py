"""What decides on a machine which results its workers come to, and whether that is the same as on another."""

from __future__ import annotations

from collections.abc import Mapping
from platform import python_version

import torch

from lth.study.study import Study
from lth.version import __version__

_DIGITS_SHOWN = 12
_INSTALL, _PLACE = "install the same there", "place the same there"
_REMEDIES = {  # in the order in which they are told, a cause before what follows of it
    "Python": _INSTALL,
    "torch": _INSTALL,
    "lth": _INSTALL,
    "device": "name the one that all have by device=, or leave the node out of the cluster",
    "data": _PLACE,
    "code": _PLACE,
    "precision": "write precision=fp32, or what the other has",
    "compile": "write compile=off, or what the other has",
    "key": _INSTALL,
}


def facts_of(study: Study) -> dict[str, str]:
    """Return what decides the results of a study on this machine, by what a person calls it."""
    problem = study.problem
    return {
        "Python": python_version(),
        "torch": str(torch.__version__),
        "lth": __version__,
        "device": problem.devices[0].type,
        "data": problem.images.digest[:_DIGITS_SHOWN],
        "code": "none of its own" if problem.code is None else problem.code.digest[:_DIGITS_SHOWN],
        **problem.keys.computing.written(),
        "key": problem.keys.evidence()[:_DIGITS_SHOWN],
    }


def difference(there: Mapping[str, str], here: Mapping[str, str]) -> str | None:
    """Return what is other there, and what to do; None if nothing is.

    >>> difference({"torch": "2.8.0", "key": "91"}, {"torch": "2.9.1", "key": "3f"})
    'torch is 2.8.0, and not 2.9.1: install the same there'
    """
    for name, remedy in _REMEDIES.items():
        if there.get(name) != here.get(name):
            return f"{name} is {there.get(name)}, and not {here.get(name)}: {remedy}"
    return None
