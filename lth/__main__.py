"""`python -m lth` is the command `lth`."""

from lth.command.line import main

if __name__ == "__main__":
    main()
