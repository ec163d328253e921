"""Train the dense network, level 0, and keep its rewind point."""

from lth.command.train_dense import main

if __name__ == "__main__":
    main()
