"""The commands: they parse what a user types, call the library, and say what was found."""
