import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lth.randomness import generator, global_stream, stream_seed


@given(st.integers(0, 2**31), st.integers(0, 2**31), st.text(max_size=5), st.text(max_size=5))
def test_streams_of_another_seed_or_purpose_differ(seed, other, purpose, another):
    same = (seed, purpose) == (other, another)
    assert (stream_seed(seed, purpose) == stream_seed(other, another)) == same
    assert 0 <= stream_seed(seed, purpose) < 2**63


def test_streams_are_the_same_on_every_machine():
    assert stream_seed(0, "order", 3) == 2723741169552378311  # first 63 bits of SHA-256 of "0/order/3"
    assert torch.equal(torch.rand(3, generator=generator(1, "a")), torch.rand(3, generator=generator(1, "a")))


def test_global_stream_seeds_and_restores_even_after_an_error():
    before = torch.get_rng_state()
    with global_stream(3, "test"):
        first = torch.rand(4)
    assert torch.equal(torch.get_rng_state(), before)
    with global_stream(3, "test"):
        assert torch.equal(torch.rand(4), first)
    with pytest.raises(ZeroDivisionError), global_stream(3, "test"):
        torch.rand(1).item() / 0
    assert torch.equal(torch.get_rng_state(), before)


def test_global_stream_leaves_the_devices_alone(monkeypatch):
    """Only the CPU's generator is restored, so only it may be seeded."""
    seeded = []
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeded.append)
    with global_stream(3, "test"):
        pass
    assert seeded == []
