import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from problems import image_data

from lth.data import ImageData, load_images

VERSION = re.escape(torch.__version__)
ROOT = Path(__file__).parent.parent.parent


def test_digits_are_the_1797_of_scikit_learn_with_360_for_testing():
    data = load_images("digits")
    assert data.train_images.shape == (1437, 1, 8, 8)
    assert data.test_images.shape == (360, 1, 8, 8)
    assert data.train_images.dtype == torch.uint8
    assert int(data.train_images.max()) == 16
    assert data.num_classes == 10
    assert torch.bincount(data.test_labels).min() >= 30


def test_digits_have_a_digest_that_stays():
    assert load_images("digits").digest == load_images("digits").digest


def test_digits_read_no_directory(tmp_path):
    with pytest.raises(ValueError, match="digits is embedded and reads no data_dir"):
        load_images("digits", tmp_path)


def test_an_unknown_name_raises_and_lists_those_that_exist():
    with pytest.raises(
        ValueError, match=r"dataset='svhn' is unknown; choose one of digits, topics, cifar10, .*imagefolder"
    ):
        load_images("svhn")


def made(data_dir):
    return image_data(name=f"made in {data_dir}")


def no_images(data_dir):
    return [1, 2]


def test_a_users_function_is_given_the_directory(tmp_path):
    assert load_images(f"{__name__}:made", tmp_path).name == f"made in {tmp_path}"
    assert isinstance(load_images(f"{__name__}:made"), ImageData)


def test_a_users_function_that_returns_something_else_raises():
    with pytest.raises(ValueError, match=r"returned list; expected an lth\.data\.ImageData"):
        load_images(f"{__name__}:no_images")


def test_a_users_function_that_was_changed_is_called_as_it_is_now(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    module = tmp_path / "data_of_mine.py"
    source = (
        "from problems import image_data\n\ndef made(_data_dir):\n    return image_data(9, 6, name='once')\n"
    )
    module.write_text(source)
    assert load_images("data_of_mine:made").name == "once"
    module.write_text(source.replace("once", "anew"))
    assert load_images("data_of_mine:made").name == "anew"


def test_torchvision_sets_that_cannot_be_had_raise_and_say_where_they_belong(tmp_path, monkeypatch):
    def refuse(**_options):
        raise RuntimeError("no network")

    monkeypatch.setattr("torchvision.datasets.CIFAR10", refuse)
    with pytest.raises(ValueError, match=r"cifar10 is not in .* could not be downloaded \(no network\); put"):
        load_images("cifar10", tmp_path)


class _OfAnotherTorch(ModuleType):
    def __getattr__(self, name: str) -> object:
        raise RuntimeError("operator torchvision::nms does not exist")


@pytest.mark.parametrize("name", ["cifar10", "cifar100", "fashion-mnist"])
@pytest.mark.parametrize(
    "torchvision", [None, _OfAnotherTorch("torchvision")], ids=["none", "of another torch"]
)
def test_a_torchvision_that_cannot_be_imported_is_told_with_the_torch_beside_it(
    name, torchvision, tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, "torchvision", torchvision)
    with pytest.raises(ValueError, match=f"dataset={name} is read by torchvision, .* beside torch {VERSION}"):
        load_images(name, tmp_path)
    assert len(load_images("digits").train_labels) == 1437  # which needs none


# A data set of torchvision's that can't be opened twice at once; the first who does waits for a line.
# Importing takes seconds: one process does, and two leave it.
SHARED = """
import multiprocessing, sys
from pathlib import Path
import torch, torchvision.datasets
from lth.data import load_images

forks = multiprocessing.get_context("fork")
first_is_inside, go_on = forks.Event(), forks.Event()

class Fake:
    def __init__(self, root, train, download):
        inside = Path(root, "inside")
        inside.touch(exist_ok=False)
        if not first_is_inside.is_set():
            first_is_inside.set()
            go_on.wait()
        inside.unlink()
        self.data = torch.zeros(20, 4, 5, 3, dtype=torch.uint8).numpy()
        self.targets = [i % 10 for i in range(20)]

torchvision.datasets.CIFAR10 = Fake
first, second = (forks.Process(target=load_images, args=("cifar10", Path(sys.argv[1]))) for _ in range(2))
first.start()
first_is_inside.wait()
second.start()
sys.stdin.readline()
go_on.set()
first.join()
second.join()
assert first.exitcode == second.exitcode == 0
"""


def test_two_processes_that_download_one_data_set_do_it_one_after_the_other_and_say_so(tmp_path):
    command = [sys.executable, "-c", SHARED, str(tmp_path)]
    with subprocess.Popen(
        command, text=True, cwd=ROOT, stdin=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        said = next(iter(process.stderr), "")  # its first line; what one fails with, if it went on at once
        process.communicate("go on\n")
    assert process.returncode == 0
    assert said == f"waiting for another process that checks or downloads cifar10 in {tmp_path}\n"


def test_a_directory_that_can_only_be_read_is_read(tmp_path, monkeypatch):
    class Fake:
        def __init__(self, root, train, download):
            self.data = torch.zeros(20, 4, 5, 3, dtype=torch.uint8).numpy()
            self.targets = [i % 10 for i in range(20)]

    def refuse(*_args, **_options):
        raise PermissionError("read-only")

    monkeypatch.setattr("torchvision.datasets.CIFAR10", Fake)
    monkeypatch.setattr("filelock.FileLock.acquire", refuse)
    assert load_images("cifar10", tmp_path).num_classes == 10


def test_torchvision_images_become_channels_first(tmp_path, monkeypatch):
    class Fake:
        def __init__(self, root, train, download):
            count = 20 if train else 10
            self.data = (torch.arange(count * 4 * 5 * 3) % 256).to(torch.uint8).reshape(count, 4, 5, 3).numpy()
            self.targets = [i % 10 for i in range(count)]

    monkeypatch.setattr("torchvision.datasets.CIFAR10", Fake)
    data = load_images("cifar10", tmp_path)
    assert data.input_shape == (3, 4, 5)
    assert data.train_images[0, :, 0, 0].tolist() == [0, 1, 2]
    assert data.train_images[0, 0, 0].tolist() == [0, 3, 6, 9, 12]
    assert data.test_labels.tolist() == list(range(10))
