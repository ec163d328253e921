"""Progress comes back bit by bit from a file that was written whole, and from no other."""

import hashlib
import io
import json
import math
import os
import pickle
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from problems import assert_same_state, dense_solution
from safetensors.torch import save as tensors_to_bytes

from lth.network.weights import Weights
from lth.sealed import CheckpointError, step_of
from lth.solution.progress_file import KIND, KeptProgress, progress_environment, read_progress, write_progress
from lth.training.evaluate import Evaluation
from lth.training.train import EpochRecord, Progress, TrainingState

CPU = torch.device("cpu")
LENGTH_BYTES = 8  # of safetensors' header length


def made_state(step: int, seed: int) -> TrainingState:
    """Return a state whose names do not sort, with every bit pattern that a comparison may overlook."""
    stream = torch.Generator().manual_seed(seed)
    odd = torch.tensor([0.0, -0.0, 1e-45, math.inf, -math.inf, math.nan])
    parameters = {
        "z.weight": torch.randn(2, 3, 2, 2, generator=stream).contiguous(memory_format=torch.channels_last),
        "a.bias": odd,
        "m.scalar": torch.randn((), generator=stream),
    }
    buffers = {"z.count": torch.tensor(2**60 + step), "a.running": torch.randn(3, generator=stream)}
    momentum = {"m.scalar": torch.tensor(-0.0), "a.bias": odd.flip(0)}  # z.weight has no gradient
    return TrainingState(Weights(parameters, buffers), momentum, step)


HISTORY = (
    EpochRecord(0, Evaluation(0.1 + 0.2, 1 / 3), Evaluation(5e-324, 0.0)),
    EpochRecord(1, Evaluation(1.7976931348623157e308, 1.0), Evaluation(-0.0, 2 / 3)),
)
KEPT = KeptProgress(
    Progress(made_state(12, 0), made_state(7, 1), HISTORY),
    key="k" * 64,
    environment="torch, somewhere",
    seconds=1000 / 3,
    snapshots={"epoch-0002.safetensors": "b" * 64, "epoch-0001.safetensors": "a" * 64},
)
NAME, CONTENT = write_progress(KEPT)


def bits(tensors: dict[str, torch.Tensor]) -> list[tuple[str, torch.dtype, torch.Size, bytes]]:
    return [(name, t.dtype, t.shape, t.contiguous().numpy().tobytes()) for name, t in tensors.items()]


def state_bits(state: TrainingState | None) -> object:
    if state is None:
        return None
    return [bits(group) for group in (state.weights.parameters, state.weights.buffers, state.momentum)]


def float_bits(history: tuple[EpochRecord, ...]) -> list[tuple[int, list[str]]]:
    return [
        (r.epoch, [v.hex() for e in (r.train, r.test) for v in (e.loss, e.accuracy)]) for r in history
    ]  # unlike ==, this tells -0.0 from 0.0


def name_of(content: bytes, step: int = 12) -> str:
    return f"step-{step:09d}-{hashlib.sha256(content).hexdigest()}.safetensors"


def edited(edit: Callable[[dict[str, Any]], object]) -> tuple[str, bytes]:
    """Return a file whose header was edited, under the name that fits it."""
    length = int.from_bytes(CONTENT[:LENGTH_BYTES], "little")
    outer = json.loads(CONTENT[LENGTH_BYTES : LENGTH_BYTES + length])
    header = json.loads(outer["__metadata__"]["lth"])
    edit(header)
    outer["__metadata__"]["lth"] = json.dumps(header)
    written = json.dumps(outer).encode()
    content = len(written).to_bytes(LENGTH_BYTES, "little") + written + CONTENT[LENGTH_BYTES + length :]
    return name_of(content), content


@pytest.mark.parametrize("captured", [made_state(7, 1), None], ids=["captured", "nothing captured"])
def test_what_was_written_comes_back_bit_by_bit_in_the_same_order(captured):
    kept = replace(KEPT, progress=replace(KEPT.progress, captured=captured))
    read = read_progress(*write_progress(kept))
    assert state_bits(read.progress.state) == state_bits(kept.progress.state)
    assert state_bits(read.progress.captured) == state_bits(captured)
    assert read.progress.state.step == 12
    assert captured is None or read.progress.captured.step == 7
    assert float_bits(read.progress.history) == float_bits(HISTORY)
    assert all(type(record.epoch) is int for record in read.progress.history)
    assert read.seconds.hex() == kept.seconds.hex()
    assert (read.key, read.environment, read.snapshots) == (kept.key, kept.environment, kept.snapshots)


def test_a_start_without_momentum_or_history_comes_back():
    state = replace(made_state(0, 0), momentum={})
    read = read_progress(*write_progress(replace(KEPT, progress=Progress(state, None, ()), snapshots={})))
    assert state_bits(read.progress.state) == state_bits(state)
    assert read.progress.history == ()
    assert read.snapshots == {}


def test_the_progress_of_a_real_network_comes_back():
    state, captured = TrainingState(dense_solution().final, {}, 20), dense_solution().rewind
    read = read_progress(*write_progress(replace(KEPT, progress=Progress(state, captured, ())))).progress
    assert_same_state(read.state, state)
    assert_same_state(read.captured, captured)


def test_writing_does_not_change_what_is_written():
    before = state_bits(KEPT.progress.state)
    weight = KEPT.progress.state.weights.parameters["z.weight"]
    write_progress(KEPT)
    assert state_bits(KEPT.progress.state) == before
    assert weight.is_contiguous(memory_format=torch.channels_last)


def test_the_name_holds_the_step_and_the_digest_and_sorts_by_step():
    assert name_of(CONTENT) == NAME
    assert step_of(NAME, KIND) == 12
    names = [write_progress(replace(KEPT, progress=Progress(made_state(s, 0), None, ())))[0] for s in (9, 10)]
    assert sorted(names, key=lambda name: step_of(name, KIND)) == sorted(names)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "notes.txt",
        NAME.upper(),
        NAME.removesuffix(".safetensors"),
        f"x{NAME}",
        f"{NAME}\n",
        f".{NAME}.123.tmp",
        f"progress/{NAME}",
        NAME.replace("step-0", "step-"),
        NAME.replace("step-0", "step-٠"),
    ],
)
def test_a_file_of_another_name_is_no_progress(name):
    assert step_of(name, KIND) is None
    with pytest.raises(CheckpointError, match="is not what was written"):
        read_progress(name, CONTENT)


def test_the_name_of_another_content_is_refused():
    other, _ = write_progress(replace(KEPT, key="another"))
    with pytest.raises(CheckpointError, match="SHA-256 differs"):
        read_progress(other, CONTENT)


def test_a_name_that_says_another_step_is_refused():
    with pytest.raises(CheckpointError):
        read_progress(name_of(CONTENT, step=13), CONTENT)


def test_one_flipped_bit_anywhere_is_refused():
    damaged = bytearray(CONTENT)
    for position in range(len(CONTENT)):
        for bit in range(8):
            damaged[position] ^= 1 << bit
            with pytest.raises(CheckpointError, match="SHA-256 differs"):
                read_progress(NAME, bytes(damaged))
            damaged[position] ^= 1 << bit
    assert bytes(damaged) == CONTENT


def test_a_file_that_ends_early_or_late_is_refused():
    for length in range(len(CONTENT)):
        with pytest.raises(CheckpointError, match="SHA-256 differs"):
            read_progress(NAME, CONTENT[:length])
    with pytest.raises(CheckpointError, match="SHA-256 differs"):
        read_progress(NAME, CONTENT + b"\0")


@pytest.mark.parametrize("length", [0, 1, 7, 8, 9, 100, len(CONTENT) - 1])
def test_a_file_that_was_cut_before_it_was_named_is_refused(length):
    cut = CONTENT[:length]
    with pytest.raises(CheckpointError, match="doesn't describe"):
        read_progress(name_of(cut), cut)


def test_other_bytes_in_the_header_never_raise_anything_else():
    """Under the digest that fits them: a reader of many versions, or of files of others, meets such."""
    length = LENGTH_BYTES + int.from_bytes(CONTENT[:LENGTH_BYTES], "little")
    refused = 0
    for position in range(length):
        for byte in (0x00, 0x22, 0x39, 0x5B, 0xFF):  # NUL, quote, digit, bracket, no UTF-8
            content = bytearray(CONTENT)
            content[position] = byte
            try:
                read_progress(name_of(content), bytes(content))
            except CheckpointError:
                refused += 1
    assert refused > length  # most positions refuse most bytes; in a string a byte is as good as another


@pytest.mark.parametrize("name", list(made_state(0, 0).weights.parameters))
def test_a_tensor_that_is_missing_is_refused(name):
    def rename(header):
        names = header["states"]["captured"]["parameters"]
        names[names.index(name)] = f"{name}.other"

    with pytest.raises(CheckpointError, match="other"):
        read_progress(*edited(rename))


FIELDS = ["format", "version", "key", "environment", "seconds", "snapshots", "history", "states"]
STATE_FIELDS = ["step", "parameters", "buffers", "momentum"]


@pytest.mark.parametrize("field", FIELDS)
def test_a_header_without_one_of_its_fields_is_refused(field):
    with pytest.raises(CheckpointError, match=field):
        read_progress(*edited(lambda header: header.pop(field)))


@pytest.mark.parametrize("field", STATE_FIELDS)
@pytest.mark.parametrize("state", ["state", "captured"])
def test_a_state_without_one_of_its_fields_is_refused(state, field):
    with pytest.raises(CheckpointError, match=field):
        read_progress(*edited(lambda header: header["states"][state].pop(field)))


def test_progress_without_a_state_is_refused():
    with pytest.raises(CheckpointError, match="'state'"):
        read_progress(*edited(lambda header: header["states"].pop("state")))


@pytest.mark.parametrize("value", [None, 5, "text", [5]])
@pytest.mark.parametrize("field", ["snapshots", "history", "states"])
def test_a_header_with_a_field_of_another_type_is_refused(field, value):
    with pytest.raises(CheckpointError):
        read_progress(*edited(lambda header: header.update({field: value})))


@pytest.mark.parametrize("value", [None, "text", [5], math.inf])
@pytest.mark.parametrize("field", ["step", "momentum"])
def test_a_state_with_a_field_of_another_type_is_refused(field, value):
    with pytest.raises(CheckpointError):
        read_progress(*edited(lambda header: header["states"]["state"].update({field: value})))


@pytest.mark.parametrize(
    "record", [[], [1, 2, 3, 4], [1, 2, 3, 4, 5, 6], ["x", 0, 0, 0, 0], [math.inf, 0, 0, 0, 0], {}, None]
)
def test_a_history_with_a_record_of_another_form_is_refused(record):
    with pytest.raises(CheckpointError):
        read_progress(*edited(lambda header: header.update(history=[record])))


@pytest.mark.parametrize(("field", "value"), [("version", 0), ("version", 2), ("format", "lth-solution")])
def test_another_format_or_version_is_refused_and_named(field, value):
    with pytest.raises(CheckpointError, match=str(value)):
        read_progress(*edited(lambda header: header.update({field: value})))


def test_tensors_without_our_header_are_refused():
    for metadata in (None, {"lth": "[]"}, {"lth": "no JSON"}, {"other": "{}"}):
        content = tensors_to_bytes({"state/parameters/w": torch.ones(2)}, metadata=metadata)
        with pytest.raises(CheckpointError, match="doesn't describe"):
            read_progress(name_of(content), content)


class Payload:
    """Makes a directory where it is unpickled."""

    def __init__(self, directory):
        self.directory = directory

    def __reduce__(self):
        return os.mkdir, (str(self.directory),)


def test_nothing_in_a_file_is_executed(tmp_path):
    payload, archive = Payload(tmp_path / "executed"), io.BytesIO()
    torch.save({"state": payload}, archive)
    for content in (pickle.dumps(payload), archive.getvalue()):
        with pytest.raises(CheckpointError):
            read_progress(name_of(content), content)
    assert not payload.directory.exists()
    pickle.loads(pickle.dumps(payload))
    assert payload.directory.exists(), "it would have told"


def test_progress_that_is_not_finite_is_not_written():
    diverged = EpochRecord(2, Evaluation(math.nan, 0.0), Evaluation(0.0, 0.0))
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_progress(replace(KEPT, progress=replace(KEPT.progress, history=(diverged,))))


def test_another_precision_compilation_or_number_of_threads_is_another_environment(monkeypatch):
    plain = progress_environment(CPU, "fp32", compiled=False)
    assert plain == progress_environment(CPU, "fp32", compiled=False)
    assert torch.__version__ in plain
    others = {
        progress_environment(CPU, "bf16", compiled=False),
        progress_environment(CPU, "fp32", compiled=True),
    }
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    others.add(progress_environment(CPU, "fp32", compiled=False))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _device: "a GPU")
    others.add(progress_environment(torch.device("cuda"), "fp32", compiled=False))
    assert len(others | {plain}) == 5
