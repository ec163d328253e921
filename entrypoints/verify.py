"""Look at everything that a store holds, and say what of it is damaged."""

from lth.command.verify import main

if __name__ == "__main__":
    main()
