"""Studies of several settings side by side, and what compares them."""

from lth.command.sweep import main

if __name__ == "__main__":
    main()
