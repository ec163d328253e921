"""Signals wait until a block is done; this process sends them to itself."""

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from lth.training import interruption
from lth.training.interruption import held_back

NUMBERS = (signal.SIGINT, signal.SIGTERM)


@pytest.fixture(autouse=True)
def handlers_as_before() -> Iterator[None]:
    """Give the other tests their handlers back, whatever happens here."""
    before = {number: signal.getsignal(number) for number in NUMBERS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def received() -> list[int]:
    """Note what both signals' handler is called with, in order."""
    numbers: list[int] = []

    def note(number: int, _frame: object) -> None:
        numbers.append(number)

    for number in NUMBERS:
        signal.signal(number, note)
    return numbers


def handlers() -> list[object]:
    return [signal.getsignal(number) for number in NUMBERS]


@pytest.mark.parametrize("number", NUMBERS)
def test_a_signal_takes_effect_once_when_the_block_is_done(received, number):
    before = handlers()
    with held_back():
        signal.raise_signal(number)
        assert received == []
    assert received == [number]
    assert handlers() == before


def test_the_same_signal_twice_takes_effect_once(received):
    with held_back():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
    assert received == [signal.SIGINT]


def test_without_a_signal_nothing_takes_effect(received):
    before = handlers()
    with held_back():
        pass
    assert received == []
    assert handlers() == before


def test_a_signal_before_or_after_takes_effect_at_once(received):
    signal.raise_signal(signal.SIGINT)
    assert received == [signal.SIGINT]
    with held_back():
        pass
    signal.raise_signal(signal.SIGTERM)
    assert received == [signal.SIGINT, signal.SIGTERM]


def interrupted_by(block: Callable[[], object]) -> KeyboardInterrupt:
    """Run the block held back, and return the interruption that it ends with."""
    with pytest.raises(KeyboardInterrupt) as caught, held_back():
        block()
    return caught.value


def test_ctrl_c_interrupts_after_the_block():
    signal.signal(signal.SIGINT, signal.default_int_handler)
    done = []
    interrupted_by(lambda: done.extend([signal.raise_signal(signal.SIGINT), "done"]))
    assert done == [None, "done"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_handlers_are_restored_after_an_error_which_goes_on(received):
    before = handlers()
    with pytest.raises(RuntimeError, match="broken"), held_back():
        raise RuntimeError("broken")
    assert handlers() == before
    assert received == []


def test_a_signal_before_an_error_takes_effect_after_it():
    def break_off() -> None:
        signal.raise_signal(signal.SIGINT)
        raise RuntimeError("broken")

    signal.signal(signal.SIGINT, signal.default_int_handler)
    assert isinstance(interrupted_by(break_off).__context__, RuntimeError)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_block_within_a_block_waits_for_the_outer_one(received):
    before = handlers()
    with held_back():
        with held_back():
            signal.raise_signal(signal.SIGTERM)
        assert received == []
        signal.raise_signal(signal.SIGINT)
        assert received == []
    assert received[:1] == [signal.SIGTERM]
    assert handlers() == before


def test_an_ignored_signal_stays_ignored(received):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with held_back():
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
    assert received == [signal.SIGINT]
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN


def test_a_signal_that_ends_the_process_is_left_alone():
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with held_back():
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_in_another_thread_it_does_nothing(received):
    before, within, errors = handlers(), [], []

    def block() -> None:
        try:
            with held_back():
                within.extend(handlers())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=block)
    thread.start()
    thread.join()
    assert errors == []
    assert within == handlers() == before


def test_a_handler_that_the_first_signal_sets_is_kept():
    """As the commands do: the first Ctrl-C lets them ignore the SIGTERM that `mlflow run` sends after it."""

    def ignore_the_other(_number: int, _frame: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise KeyboardInterrupt

    for number in NUMBERS:
        signal.signal(number, ignore_the_other)
    interrupted_by(lambda: [signal.raise_signal(number) for number in NUMBERS])
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN


def at_instruction(wanted: int, act: Callable[[], object]) -> Callable[..., object]:
    """Return a trace function that acts before the instruction of this number in `lth.interruption`."""
    counted = 0

    def trace(frame, event, _argument):
        nonlocal counted
        if frame.f_code.co_filename != interruption.__file__:
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            counted += 1
            if counted == wanted:
                act()
        return trace

    return trace


def interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def is_interrupted_by(number: int) -> bool:
    with suppress(KeyboardInterrupt):
        signal.raise_signal(number)
        return False
    return True


@pytest.mark.parametrize("number", NUMBERS)
def test_a_signal_at_any_instruction_takes_effect_and_so_does_every_later_one(number):
    arrived, lost, spoilt = True, [], []
    instruction, tracer = 0, sys.gettrace()
    while arrived:
        for each in NUMBERS:
            signal.signal(each, interrupt)
        instruction, arrived, took_effect = instruction + 1, False, True

        def act() -> None:
            nonlocal arrived
            arrived = True
            signal.raise_signal(number)

        sys.settrace(at_instruction(instruction, act))
        try:
            with suppress(KeyboardInterrupt):
                with held_back():
                    pass
                took_effect = False
        finally:
            sys.settrace(tracer)
        if arrived and not took_effect:
            lost.append(instruction)
        if not all(map(is_interrupted_by, NUMBERS)):
            spoilt.append(instruction)
    assert instruction > 50, "it saw every instruction"
    assert lost == []
    assert spoilt == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_what_was_held_back_arrives_where_the_signal_is_blocked_meanwhile(number):
    """As Ray's workers block SIGINT, and have their main thread interrupted by other means."""

    def arrive_and_be_blocked() -> None:
        with held_back():
            signal.raise_signal(number)
            signal.pthread_sigmask(signal.SIG_BLOCK, {number})

    before = signal.signal(number, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            arrive_and_be_blocked()
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
        signal.signal(number, before)
