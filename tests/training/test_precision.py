from contextlib import nullcontext

import pytest
import torch
from torch.backends import cuda, cudnn

from lth.training.precision import full_float32, training_format

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
