"""The report of a study drawn again from its stored numbers."""

from lth.command.report import main

if __name__ == "__main__":
    main()
