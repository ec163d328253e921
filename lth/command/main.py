"""The whole study, by default of the embedded digits under one seed."""

from __future__ import annotations

from lth.command.study import main

if __name__ == "__main__":
    main()
