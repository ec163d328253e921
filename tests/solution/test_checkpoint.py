import json
import struct
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from problems import (
    CPU,
    SPEC,
    assert_same_weights,
    dense_solution,
    imp_solution,
    training_data,
)

from lth.errors import InputError
from lth.network import build_network
from lth.network.mask import Mask
from lth.network.weights import Weights
from lth.sealed import CheckpointError
from lth.setting.network import NetworkSpec
from lth.solution.checkpoint import _manifest_digest, read_solution, write_snapshot, write_solution
from lth.training.evaluate import Evaluator
from lth.training.train import TrainingState

TENSOR_FILES = [
    "mask.safetensors",
    "initial.safetensors",
    "rewind.safetensors",
    "final.safetensors",
    "trajectory/epoch-0002.safetensors",
]


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    write_solution(tmp_path / "solution", imp_solution(1))
    return tmp_path / "solution"


def write_manifest(directory: Path, manifest: dict[str, object]) -> None:
    """Write a manifest as someone would who knows how its digest is made."""
    content = {**manifest, "digest": _manifest_digest(manifest)}
    (directory / "manifest.json").write_text(json.dumps(content))


def edit_manifest(directory: Path, **changes: object) -> None:
    manifest = json.loads((directory / "manifest.json").read_text())
    write_manifest(directory, {**manifest, **changes})


def edit_network(directory: Path, **changes: object) -> None:
    network = json.loads((directory / "manifest.json").read_text())["network"]
    edit_manifest(directory, network={**network, **changes})


def test_round_trip_is_bit_equal(checkpoint):
    written, read = imp_solution(1), read_solution(checkpoint)
    assert list(read.mask.keep) == list(written.mask.keep)
    assert torch.equal(read.mask.flat(), written.mask.flat())
    for ours, theirs in (
        (read.initial, written.initial),
        (read.final, written.final),
        (read.rewind.weights, written.rewind.weights),
    ):
        assert_same_weights(ours, theirs)
    assert read.rewind.step == written.rewind.step == 7
    assert list(read.rewind.momentum) == list(written.rewind.momentum)
    for name, momentum in written.rewind.momentum.items():
        assert torch.equal(read.rewind.momentum[name], momentum)
    assert sorted(read.trajectory) == sorted(written.trajectory) == [2, 3, 4]  # it starts within epoch 1
    for epoch, weights in written.trajectory.items():
        assert_same_weights(read.trajectory[epoch], weights)
    for field in ("kind", "level", "spec", "setting", "history", "data_digest", "key", "ancestors"):
        assert getattr(read, field) == getattr(written, field), field


def test_a_checkpoint_keeps_what_inputs_are_normalised_with_and_one_of_before_is_read_without(
    checkpoint, tmp_path
):
    train = training_data().train
    write_solution(tmp_path / "with", replace(imp_solution(1), normalisation=train.normalisation))
    assert torch.equal(read_solution(tmp_path / "with").normalise(train.images), train.normalise(train.images))
    with pytest.raises(InputError, match="earlier lth"):
        read_solution(checkpoint).normalise(train.images)


@pytest.mark.parametrize("said", [{}, {"mean": 1}, {"mean": "x", "std": "y"}, 3, {"mean": [[1], 2], "std": 1}])
def test_a_manifest_with_another_normalisation_is_damaged(checkpoint, said):
    edit_manifest(checkpoint, normalisation=said)
    with pytest.raises(CheckpointError):
        read_solution(checkpoint)


def test_mask_layers_come_back_in_parameter_order_not_in_the_files(tmp_path):
    """Pruning breaks ties by position, so an alphabetic order would prune other weights after a restart."""
    spec = NetworkSpec("lenet-12-11-10-9-8-7-6-5-4-3-2-2", (1, 2, 2), 3)  # layers.10 sorts before layers.2
    network = build_network(spec, 0)
    weights, mask = Weights.of(network), Mask.dense(network)
    state = TrainingState(weights, {}, 7)
    solution = replace(
        dense_solution(), spec=spec, mask=mask, initial=weights, final=weights, rewind=state, trajectory={}
    )
    write_solution(tmp_path, solution)
    read = read_solution(tmp_path)
    assert list(read.mask.keep) == list(mask.keep)
    assert list(read.mask.keep) != sorted(mask.keep)
    assert list(read.final.parameters) == list(weights.parameters)


def test_a_rewind_point_without_momentum_survives(tmp_path):
    at_start = TrainingState(dense_solution().initial, {}, 0)
    write_solution(tmp_path, replace(dense_solution(), rewind=at_start))
    assert read_solution(tmp_path).rewind.momentum == {}


def test_weights_in_another_memory_format_survive(tmp_path):
    final = dense_solution().final.map(
        lambda tensor: tensor.to(memory_format=torch.channels_last) if tensor.ndim == 4 else tensor
    )
    write_solution(tmp_path, replace(dense_solution(), final=final))
    assert_same_weights(read_solution(tmp_path).final, final)


def test_a_solution_read_back_evaluates_to_its_logged_loss(checkpoint):
    read = read_solution(checkpoint)
    data = training_data()
    network = build_network(SPEC, seed=1)
    assert Evaluator(network, data.train)(read.final) == read.history[-1].train
    read.weights.load_into(network)
    assert Evaluator(network, data.test)(Weights.of(network)) == read.history[-1].test


def test_snapshots_written_while_training_belong_to_the_checkpoint(tmp_path):
    solution = replace(dense_solution(), trajectory={})
    write_snapshot(tmp_path, 3, dense_solution().trajectory[3])
    write_solution(tmp_path, solution)
    read = read_solution(tmp_path)
    assert list(read.trajectory) == [3]
    assert_same_weights(read.trajectory[3], dense_solution().trajectory[3])


def test_snapshots_need_not_be_there_when_the_trajectory_is_left_out(checkpoint):
    for path in (checkpoint / "trajectory").iterdir():
        path.unlink()
    read = read_solution(checkpoint, trajectory=False)
    assert read.trajectory == {}
    assert_same_weights(read.final, imp_solution(1).final)
    with pytest.raises(CheckpointError, match="epoch-0002"):
        read_solution(checkpoint)


def test_nothing_is_pickled_and_no_temporary_file_is_left(checkpoint):
    files = [path for path in checkpoint.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".safetensors", ".json"}
    for path in files:
        if path.suffix == ".safetensors":
            content = path.read_bytes()
            (length,) = struct.unpack("<Q", content[:8])
            assert json.loads(content[8 : 8 + length])  # the whole header is JSON


def test_the_manifest_is_written_last(tmp_path, monkeypatch):
    monkeypatch.setattr("lth.solution.checkpoint.record_to_json", lambda record: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_solution(tmp_path, dense_solution())
    with pytest.raises(CheckpointError, match=r"holds no manifest\.json"):
        read_solution(tmp_path)


@pytest.mark.parametrize("name", TENSOR_FILES)
def test_a_file_altered_in_one_bit_raises_and_is_named(checkpoint, name):
    content = bytearray((checkpoint / name).read_bytes())
    content[-1] ^= 1
    (checkpoint / name).write_bytes(content)
    with pytest.raises(CheckpointError, match=f"{name} is not what was written.*damaged"):
        read_solution(checkpoint)


@pytest.mark.parametrize("name", TENSOR_FILES)
def test_a_truncated_file_raises_and_is_named(checkpoint, name):
    content = (checkpoint / name).read_bytes()
    (checkpoint / name).write_bytes(content[:-5])
    with pytest.raises(CheckpointError, match=f"{name} is not what was written"):
        read_solution(checkpoint)


@pytest.mark.parametrize("name", TENSOR_FILES)
def test_a_missing_file_raises_and_is_named(checkpoint, name):
    (checkpoint / name).unlink()
    with pytest.raises(CheckpointError, match=f"{name} can't be read.*damaged"):
        read_solution(checkpoint)


@pytest.mark.parametrize("name", TENSOR_FILES[:4])
def test_a_file_that_the_manifest_does_not_list_raises(checkpoint, name):
    files = json.loads((checkpoint / "manifest.json").read_text())["files"]
    del files[name]
    edit_manifest(checkpoint, files=files)
    with pytest.raises(CheckpointError, match=name):
        read_solution(checkpoint)


def test_a_directory_without_a_manifest_raises(tmp_path):
    with pytest.raises(
        CheckpointError, match=r"holds no manifest\.json .*; it is no checkpoint, or not finished"
    ):
        read_solution(tmp_path)


def test_a_path_that_is_a_file_raises(tmp_path):
    (tmp_path / "solution").write_text("{}")
    with pytest.raises(CheckpointError):
        read_solution(tmp_path / "solution")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not JSON"),
        ("{", "is not JSON"),
        ("[]", "is not the manifest of a solution"),
        ('{"format": "other"}', "is not the manifest of a solution"),
        ('{"format": "lth-solution"}', "has version None"),
        ('{"format": "lth-solution", "version": 1}', "doesn't describe a solution"),
    ],
)
def test_a_manifest_that_is_none_raises(checkpoint, text, message):
    (checkpoint / "manifest.json").write_text(text)
    with pytest.raises(CheckpointError, match=message):
        read_solution(checkpoint)


def test_a_manifest_of_bytes_raises(checkpoint):
    (checkpoint / "manifest.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CheckpointError, match="is not JSON"):
        read_solution(checkpoint)


def test_another_version_raises_and_says_what_to_do(checkpoint):
    edit_manifest(checkpoint, version=2)
    with pytest.raises(CheckpointError, match="has version 2, and this lth reads version 1; use the version"):
        read_solution(checkpoint)


@pytest.mark.parametrize(
    "name",
    [
        "kind",
        "level",
        "network",
        "setting",
        "rewind_iteration",
        "data_digest",
        "key",
        "ancestors",
        "history",
        "files",
    ],
)
def test_a_manifest_without_a_field_raises(checkpoint, name):
    manifest = json.loads((checkpoint / "manifest.json").read_text())
    del manifest[name]
    write_manifest(checkpoint, manifest)
    with pytest.raises(CheckpointError, match=name):
        read_solution(checkpoint)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("level", "1"),
        ("level", -1),
        ("kind", "another"),
        ("rewind_iteration", None),
        ("ancestors", None),
        ("history", [[1, 2]]),
        ("history", 3),
        ("files", []),
        ("setting", {}),
        ("setting", None),
        ("network", None),
    ],
)
def test_a_manifest_with_an_impossible_value_raises(checkpoint, name, value):
    edit_manifest(checkpoint, **{name: value})
    with pytest.raises(CheckpointError):
        read_solution(checkpoint)


@pytest.mark.parametrize(
    "changes",
    [
        {"num_classes": "3"},
        {"num_classes": -3},
        {"input_shape": []},
        {"input_shape": [1, [6]]},
        {"input_types": ["complex64"]},
        {"input_shape": [1, -6, 6]},
        {"input_shape": [-1, 6, 6]},
        {"name": "resnet8-w4"},
        {"name": "lenet-4"},
        {"name": "unheard-of"},
        {"name": 5},
    ],
)
def test_a_manifest_that_names_another_network_raises(checkpoint, changes):
    edit_network(checkpoint, **changes)
    with pytest.raises(CheckpointError):
        read_solution(checkpoint)


def test_tensors_of_another_network_raise_and_name_the_tensor(checkpoint):
    edit_network(checkpoint, name="lenet-4")
    with pytest.raises(CheckpointError, match=r"tensor .*is it a checkpoint of another network\?"):
        read_solution(checkpoint)


@pytest.mark.parametrize(
    "name", ["../outside.safetensors", "trajectory/../../outside.safetensors", "/etc/hostname"]
)
def test_a_manifest_that_names_a_file_outside_the_checkpoint_raises(checkpoint, name):
    (checkpoint.parent / "outside.safetensors").write_bytes((checkpoint / "mask.safetensors").read_bytes())
    files = json.loads((checkpoint / "manifest.json").read_text())["files"]
    edit_manifest(checkpoint, files={**files, name: files["mask.safetensors"]})
    with pytest.raises(CheckpointError, match="lies outside the checkpoint"):
        read_solution(checkpoint)


def test_a_link_out_of_the_checkpoint_raises(checkpoint):
    outside = checkpoint.parent / "outside.safetensors"
    (checkpoint / "mask.safetensors").rename(outside)
    (checkpoint / "mask.safetensors").symlink_to(outside)
    with pytest.raises(CheckpointError, match="lies outside the checkpoint"):
        read_solution(checkpoint)


def test_a_pruned_weight_that_is_not_zero_raises(tmp_path):
    final = imp_solution(1).final.map(torch.clone)
    pruned = ~imp_solution(1).mask.keep["fc.weight"]
    final.parameters["fc.weight"][pruned] = 0.5
    write_solution(tmp_path, replace(imp_solution(1), final=final))
    with pytest.raises(CheckpointError, match=r"fc\.weight"):
        read_solution(tmp_path)


def test_weights_of_another_dtype_raise(tmp_path):
    final = imp_solution(1).final.map(lambda tensor: tensor.double() if tensor.is_floating_point() else tensor)
    write_solution(tmp_path, replace(imp_solution(1), final=final))
    with pytest.raises(CheckpointError, match="float64"):
        read_solution(tmp_path)


def test_reading_a_checkpoint_runs_no_program_that_its_manifest_names(checkpoint):
    """The network's name is a `package.module:function`, called with the shape: enough for any command."""
    witness = checkpoint / "ran"
    edit_network(
        checkpoint, name="subprocess:call", input_shape=["touch", str(witness), str(witness)], num_classes=0
    )
    with pytest.raises(CheckpointError):
        read_solution(checkpoint)
    assert not witness.exists()


def test_reading_leaves_the_global_random_state_alone(checkpoint):
    before = torch.get_rng_state()
    assert read_solution(checkpoint).spec == SPEC
    assert torch.equal(torch.get_rng_state(), before)


def test_tensors_read_back_are_on_the_cpu_and_writable(checkpoint):
    read = read_solution(checkpoint)
    for tensor in read.final.parameters.values():
        assert tensor.device == CPU
        tensor += 1
