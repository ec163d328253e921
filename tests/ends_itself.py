"""Call `imp_level` in a process that sends itself a signal after so many steps: `SIGNAL STEPS OPTION …`."""

import os
import sys
from itertools import count

import pytest
from conftest import log_no_models
from torch.optim.optimizer import register_optimizer_step_post_hook

from lth.command import imp_level


def main() -> None:
    number, steps, *options = sys.argv[1:]
    taken = count(1)

    def end(*_: object) -> None:
        if next(taken) == int(steps):
            os.kill(os.getpid(), int(number))

    register_optimizer_step_post_hook(end)
    log_no_models(pytest.MonkeyPatch())
    imp_level.main(options)


if __name__ == "__main__":
    main()
