"""Which version of lth this is, as checkpoints and reports name it."""

__version__ = "0.2.0"
