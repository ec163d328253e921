"""From which step on a training is stable to SGD noise: the rewind step for a network and data of one's own."""

from lth.command.stability import main

if __name__ == "__main__":
    main()
