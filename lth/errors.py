"""What a user can mend, told apart from faults of this program."""

from __future__ import annotations


class MendableError(Exception):
    """Something that a user can mend; the message names what was found, what was expected and the remedy.

    Commands say it in one line. Whatever else is raised is a fault of `lth` or of what it stands on, and keeps
    its traceback.
    """


class InputError(MendableError, ValueError):
    """A value, a file or a combination of them that can't be used as it is."""


class LackingError(MendableError, KeyError):
    """Something of a study that was not trained or measured yet; `name` is what a person calls it."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        return f"{self.name} is not there yet; complete the study"
