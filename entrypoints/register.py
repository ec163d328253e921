"""The models of a study in MLflow's registry, under aliases that say which is which."""

from lth.command.register import main

if __name__ == "__main__":
    main()
