"""What there is to choose from, shown without a store: the presets and their parameters."""

from lth.command.show import main

if __name__ == "__main__":
    main()
