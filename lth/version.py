"""Which version of lth this is."""

VERSION = "0.2.0"
