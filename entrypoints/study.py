"""The whole study: every level and baseline under every seed, all measurements, the claims and the report."""

from lth.command.study import main

if __name__ == "__main__":
    main()
