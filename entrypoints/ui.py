"""MLflow's UI, opened where the runs are."""

from lth.command.ui import main

if __name__ == "__main__":
    main()
