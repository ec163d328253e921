"""Call a command in a process that sends itself a signal after so many steps: `SIGNAL STEPS NAME OPTION …`."""

import os
import sys
from importlib import import_module
from itertools import count

import pytest
from conftest import log_no_models
from torch.optim.optimizer import register_optimizer_step_post_hook


def main() -> None:
    number, steps, command, *options = sys.argv[1:]
    taken = count(1)

    def end(*_: object) -> None:
        if next(taken) == int(steps):
            os.kill(os.getpid(), int(number))

    register_optimizer_step_post_hook(end)
    log_no_models(pytest.MonkeyPatch())
    import_module(f"lth.command.{command}").main(options)


if __name__ == "__main__":
    main()
