"""Train one level of iterative magnitude pruning with rewinding, and the levels below it that are missing."""

from lth.command.imp_level import main

if __name__ == "__main__":
    main()
