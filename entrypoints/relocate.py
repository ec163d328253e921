"""Let a store that was moved or copied name its artifacts where they are now."""

from lth.command.relocate import main

if __name__ == "__main__":
    main()
