"""The commands behind the MLproject's entry points: they parse, call the library, and say what was found."""
