"""The entry points of the project, one a file: what each does is the command of that name in `lth.command`."""
