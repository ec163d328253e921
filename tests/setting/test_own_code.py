import hashlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lth.setting.own_code import code_digest, file_digest

NAME = "made_net.build:network"
FILES = {
    "made_net/__init__.py": "",
    "made_net/build.py": "from .blocks import block\nimport json\n\ndef network(shape, classes): ...\n",
    "made_net/blocks.py": "from made_net import sizes\nimport beside_net\n\ndef block(): ...\n",
    "made_net/sizes.py": "WIDTH = 3\n",
    "made_net/data.py": "def images(directory):\n    return None\n",
    "beside_net.py": "DEPTH = 2\n",
    "unrelated.py": "",
}
OWN = ("made_net", "beside_net")
MADE_OF = [
    "made_net/__init__.py",
    "made_net/build.py",
    "made_net/blocks.py",
    "made_net/sizes.py",
    "beside_net.py",
]


@pytest.fixture
def root(tmp_path: Path, monkeypatch) -> Iterator[Path]:
    """A folder with a user's package and modules, importable in this test alone."""
    for name, source in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    forget()


def forget() -> None:
    """Let the next import be the first, as in another process."""
    for module in [name for name in sys.modules if name.partition(".")[0] in OWN]:
        del sys.modules[module]


def change(path: Path) -> None:
    path.write_text(path.read_text() + "# changed\n")
    forget()


@pytest.mark.parametrize("name", MADE_OF)
def test_a_change_of_any_module_that_a_network_is_made_of_is_another_digest(root, name):
    before = code_digest(NAME)
    change(root / name)
    assert code_digest(NAME) != before


@pytest.mark.parametrize("name", sorted(set(FILES) - set(MADE_OF)))
def test_a_change_of_what_it_does_not_import_is_none(root, name):
    before = code_digest(NAME)
    change(root / name)
    assert code_digest(NAME) == before


def test_what_else_is_loaded_does_not_count(root):
    before = code_digest(NAME)
    assert code_digest("made_net.data:images") != before
    assert code_digest(NAME) == before


def test_a_module_imported_inside_a_function_counts_before_and_after_it_is_called(root):
    late = "def network(shape, classes):\n    from made_net.sizes import WIDTH\n    return WIDTH\n"
    (root / "made_net/build.py").write_text(late)
    before = code_digest(NAME)
    sys.modules["made_net.build"].network((), 3)
    assert code_digest(NAME) == before
    change(root / "made_net/sizes.py")
    assert code_digest(NAME) != before


def test_two_modules_that_import_each_other_have_a_digest(root):
    (root / "made_net/sizes.py").write_text("import made_net.build\nWIDTH = 3\n")
    before = code_digest(NAME)
    change(root / "beside_net.py")
    assert code_digest(NAME) != before


def test_another_process_in_another_folder_finds_the_same_digest(root):
    moved = root / "moved"
    for name, source in FILES.items():
        (moved / name).parent.mkdir(exist_ok=True, parents=True)
        (moved / name).write_text(source)
    code = f"import unrelated\nfrom lth.setting.own_code import code_digest\nprint(code_digest({NAME!r}))"
    paths = [str(moved), str(Path(__file__).parent.parent.parent)]
    other = subprocess.run(
        [sys.executable, "-c", f"import sys\nsys.path[:0] = {paths!r}\n{code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert other.stdout.strip() == code_digest(NAME)


def test_installed_packages_and_lth_itself_do_not_count(root, monkeypatch):
    installed = root / "site-packages"
    installed.mkdir()
    (installed / "bought_net.py").write_text("A = 1\n")
    monkeypatch.syspath_prepend(str(installed))
    (root / "beside_net.py").write_text("import bought_net, torch.nn, lth.network.mask, lth.setting.own_code\n")
    before = code_digest(NAME)
    change(installed / "bought_net.py")
    assert code_digest(NAME) == before


def test_the_digest_of_before_is_of_the_defining_file_alone(root):
    expected = hashlib.sha256(FILES["made_net/build.py"].encode()).hexdigest()
    change(root / "made_net/blocks.py")
    assert file_digest(NAME) == expected


@pytest.mark.parametrize("digest", [code_digest, file_digest])
def test_a_function_without_a_source_file_has_no_digest(digest):
    with pytest.raises(ValueError, match="math:sqrt has no source file, so its results can't be told apart"):
        digest("math:sqrt")
