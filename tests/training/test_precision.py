import json
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from torch.backends import cuda, cudnn

from lth.training.precision import full_float32, multiplies_bfloat16, training_format

ROOT = Path(__file__).parent.parent.parent
CPU, GPU = torch.device("cpu"), torch.device("cuda")


@pytest.fixture
def processors(monkeypatch):
    """Return a function that says whether CPU and GPU multiply bfloat16 natively."""

    def say(*, native: bool) -> None:
        def supported(*, including_emulation: bool = True) -> bool:
            return native or including_emulation

        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: native)
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", supported)
        monkeypatch.setattr(torch.cuda, "device", lambda _device: nullcontext())

    return say


@pytest.mark.parametrize("device", [CPU, GPU], ids=str)
@pytest.mark.parametrize("native", [False, True])
@pytest.mark.parametrize("asked", ["fp32", "bf16"])
def test_the_format_that_is_asked_for_is_taken_on_every_processor(asked, native, device, processors):
    processors(native=native)
    assert training_format(asked, device) == asked


@pytest.mark.parametrize("device", [CPU, GPU], ids=str)
@pytest.mark.parametrize(("native", "expected"), [(True, "bf16"), (False, "fp32")])
def test_auto_is_bf16_where_it_is_native_and_not_where_it_is_emulated(native, expected, device, processors):
    processors(native=native)
    assert training_format("auto", device) == expected


@pytest.mark.parametrize(("flags", "native"), [("fpu avx512f avx512_bf16", True), ("fpu avx512f", False)])
def test_linux_says_what_a_torch_without_the_private_name_does_not(flags, native, monkeypatch):
    monkeypatch.delattr(torch.cpu, "_is_avx512_bf16_supported")
    monkeypatch.setattr(Path, "read_text", lambda _path: f"vendor_id : x\nflags\t\t: {flags}\nbugs :\n")
    assert multiplies_bfloat16() == native


def test_a_processor_that_nobody_describes_is_taken_not_to_multiply_bfloat16(monkeypatch):
    def missing(_path: Path) -> str:
        raise FileNotFoundError

    monkeypatch.delattr(torch.cpu, "_is_avx512_bf16_supported")
    monkeypatch.setattr(Path, "read_text", missing)
    assert not multiplies_bfloat16()


def test_linux_and_torch_agree_on_this_machine(monkeypatch):
    said = multiplies_bfloat16()
    monkeypatch.delattr(torch.cpu, "_is_avx512_bf16_supported")
    assert multiplies_bfloat16() == said


def test_auto_is_answered_on_this_machine():
    assert training_format("auto", CPU) in ("fp32", "bf16")


def flags() -> tuple[bool, bool]:
    return cudnn.allow_tf32, cuda.matmul.allow_tf32


def set_flags(convolutions: bool, products: bool) -> None:
    cudnn.allow_tf32, cuda.matmul.allow_tf32 = convolutions, products


@pytest.fixture(autouse=True)
def flags_as_before():
    before = flags()
    yield
    set_flags(*before)


@pytest.mark.parametrize("before", [(False, False), (False, True), (True, False), (True, True)], ids=str)
def test_tensorfloat_32_is_off_within_and_as_before_afterwards(before):
    set_flags(*before)
    with full_float32():
        assert flags() == (False, False)
        with full_float32():
            assert flags() == (False, False)
        assert flags() == (False, False)
    assert flags() == before


def test_tensorfloat_32_is_as_before_after_an_error():
    set_flags(True, True)
    with pytest.raises(KeyboardInterrupt), full_float32():
        raise KeyboardInterrupt
    assert flags() == (True, True)


# Torch keeps what was ever written: every caller is a process of its own, forked, as importing takes long.
CALLERS = [
    "pass",
    "cudnn.allow_tf32 = False",
    "cudnn.allow_tf32 = True; cuda.matmul.allow_tf32 = True",
    "torch.set_float32_matmul_precision('high')",
    "torch.set_float32_matmul_precision('medium')",
    "torch.backends.fp32_precision = 'tf32'",
    "torch.backends.fp32_precision = 'ieee'",
    "cudnn.fp32_precision = 'tf32'",
    "cudnn.conv.fp32_precision = 'tf32'",
    "cudnn.conv.fp32_precision = 'ieee'",
    "cuda.matmul.fp32_precision = 'tf32'",
    "mkldnn.matmul.fp32_precision = 'bf16'",
    "torch.backends.fp32_precision = 'tf32'; cuda.matmul.fp32_precision = 'ieee'",
    "torch.backends.fp32_precision = 'ieee'; cudnn.conv.fp32_precision = 'tf32'",
]
# Flags before, within, twice within, afterwards; and then, with and without us, what each inherits.
PROGRAM = f"""
import json, os
import torch
from torch.backends import cuda, cudnn, mkldnn
from lth.training.precision import full_float32

def older(flag):
    try:
        return flag()
    except RuntimeError:
        return "mixed"

def seen():
    parents = [owner.fp32_precision for owner in (torch.backends, cudnn, mkldnn)]
    products = [owner.fp32_precision for owner in (
        cudnn.conv, cudnn.rnn, cuda.matmul, mkldnn.conv, mkldnn.rnn, mkldnn.matmul)]
    flags = [lambda: cudnn.allow_tf32, lambda: cuda.matmul.allow_tf32, torch.get_float32_matmul_precision]
    return {{"parents": parents, "products": products, "older": [older(flag) for flag in flags]}}

def inherited():
    answers = []
    for precision in ("ieee", "tf32", "none"):
        torch.backends.fp32_precision = precision
        answers.append(seen())
    return answers

def told(caller, ours):
    exec(caller)
    answer = {{"before": seen()}}
    if ours:
        with full_float32():
            answer["within"] = seen()
            with full_float32():
                answer["twice"] = seen()
            answer["between"] = seen()
    return {{**answer, "after": seen(), "inherited": inherited()}}

for caller in {CALLERS!r}:
    for ours in (True, False):
        if os.fork() == 0:
            print(json.dumps([caller, ours, told(caller, ours)]), flush=True)
            os._exit(0)
        os.wait()
"""


@pytest.fixture(scope="module")
def flags_of() -> dict[tuple[str, bool], dict[str, object]]:
    if not hasattr(torch.backends, "fp32_precision"):
        pytest.skip("torch has it from 2.9 on")
    python = [sys.executable, "-c", PROGRAM]
    lines = subprocess.run(python, check=True, capture_output=True, text=True, cwd=ROOT).stdout.splitlines()
    return {(caller, ours): told for caller, ours, told in map(json.loads, lines)}


@pytest.mark.parametrize("caller", CALLERS)
def test_float32_is_full_within_whichever_flags_the_caller_uses(caller, flags_of):
    flags = flags_of[caller, True]
    assert flags["within"]["products"] == ["ieee"] * 6
    assert flags["twice"] == flags["between"] == flags["within"]


@pytest.mark.parametrize("caller", CALLERS)
def test_all_flags_are_as_before_afterwards_whichever_the_caller_uses(caller, flags_of):
    flags = flags_of[caller, True]
    assert flags["after"] == flags["before"]
    assert flags["inherited"] == flags_of[caller, False]["inherited"]  # nothing is set that was inherited


@pytest.mark.parametrize("caller", [caller for caller in CALLERS if "fp32_precision" not in caller])
def test_the_older_flags_of_products_can_be_read_within_where_they_could_before(caller, flags_of):
    """As torch.compile reads them."""
    assert flags_of[caller, True]["within"]["older"][1:] == [False, "highest"]
