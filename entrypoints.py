"""The commands of `lth.command` by another name: `python -m entrypoints.study` runs `lth/command/study.py`."""

from lth.command import __path__ as __path__
