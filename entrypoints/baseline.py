"""Train one baseline at the density of a level, and the levels below it that are missing."""

from lth.command.baseline import main

if __name__ == "__main__":
    main()
