"""What a signal does to a process whose work is done."""

import signal
import subprocess
import sys

import pytest

_WAYS = {
    "atexit": "atexit.register(send)",
    "finalizer": "kept = frozenset('a'); weakref.finalize(kept, send)",
    "thread": "threading.Thread(target=lambda: (threading.main_thread().join(), send())).start()",
}
_PROGRAM = """
import atexit, os, signal, threading, time, weakref
from lth.signals import interrupt_on_signals

def send():
    os.kill(os.getpid(), {number})
    time.sleep(0)  # where Python sees to it

interrupt_on_signals()
{way}
"""


@pytest.mark.parametrize("way", _WAYS)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_a_process_that_is_ending_prints_nothing_and_changes_no_status(way, number):
    program = _PROGRAM.format(number=number.value, way=_WAYS[way])
    process = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (process.returncode, process.stdout, process.stderr) == (0, "", "")
