"""The whole study, by default of the embedded digits under one seed."""

from lth.command.main import main

if __name__ == "__main__":
    main()
