import hashlib
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module, reload
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from zipfile import ZipFile

import pytest

from lth.setting.own_code import code_digest, described, file_digest, own_code
from lth.setting.reference import call_reference

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
OWN = ("made_net", "beside_net", "spaces")
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


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("made_net/sizes.py", "import importlib\nsizes = importlib.import_module('made_net.sizes')\n"),
        (
            "made_net/sizes.py",
            "from importlib import import_module\nsizes = import_module('.sizes', __package__)\n",
        ),
        ("made_net/sizes.py", "sizes = __import__('made_net.sizes')\n"),
        (
            "made_net/inner/deep.py",
            "from importlib import import_module\nimport_module(name='.deep', package='made_net.inner')\n",
        ),
        ("made_net/star/data.py", "from made_net.star import *\n"),
        ("spaces/deep/net.py", "from spaces.deep.net import WIDTH\n"),
        ("spaces/deep/net.py", "def late():\n    import spaces.deep.net\n"),
        ("made_net/shown/hidden.py", "from made_net.shown import WIDTH\n"),
        ("made_net/inner/deep.py", "if True:\n    from .inner import deep\n"),
    ],
)
def test_a_module_counts_however_its_import_is_written(root, file, source):
    more = {
        "made_net/inner/__init__.py": "",
        "made_net/inner/deep.py": "",
        "made_net/star/__init__.py": "__all__ = ['data']\n",
        "made_net/star/data.py": "",
        "made_net/shown/__init__.py": "from .hidden import WIDTH\n",
        "made_net/shown/hidden.py": "WIDTH = 1\n",
        "spaces/deep/net.py": "WIDTH = 1\n",  # of namespace packages, without __init__.py
    }
    for name, text in more.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    (root / "made_net/build.py").write_text(f"{source}\ndef network(shape, classes): ...\n")
    before = code_digest(NAME)
    change(root / file)
    assert code_digest(NAME) != before


def test_what_a_script_imports_counts_though_it_was_run_and_not_imported(root, monkeypatch):
    path = root / "script_of_mine.py"
    path.write_text("from made_net.sizes import WIDTH\n\ndef network(shape, classes): ...\n")
    script = ModuleType("script_of_mine")
    script.__file__, script.__spec__ = str(path), None
    exec(compile(path.read_text(), path, "exec"), vars(script))
    monkeypatch.setitem(sys.modules, "script_of_mine", script)
    before = code_digest("script_of_mine:network")
    change(root / "made_net/sizes.py")
    assert code_digest("script_of_mine:network") != before


def test_a_module_in_an_archive_and_a_compiled_one_count(root, monkeypatch):
    (root / "beside_net.py").unlink()
    digests = []
    for number in range(2):
        archive = root / f"{number}.zip"
        with ZipFile(archive, "w") as written:
            written.writestr("beside_net.py", f"DEPTH = {number}\n")
        with monkeypatch.context() as patch:
            patch.syspath_prepend(str(archive))
            digests.append(code_digest(NAME))
        forget()
    suffix = EXTENSION_SUFFIXES[0]
    for number in range(2):  # what it holds is never run: the function that imports it is not called
        (root / f"beside_net{suffix}").write_bytes(bytes([number]))
        (root / "made_net/blocks.py").write_text("def block():\n    import beside_net\n")
        digests.append(code_digest(NAME))
        forget()
    assert len(set(digests)) == 4


@pytest.mark.parametrize("name", ["made_net/build.py", "made_net/sizes.py", "beside_net.py"])
@pytest.mark.parametrize("again", ["by itself", "by hand"])
def test_code_that_changed_under_a_running_process_is_what_runs(root, name, again):
    """Also if it is as long as before, and was written within the same second."""
    path, module = root / name, name.removesuffix(".py").replace("/", ".")
    path.write_text(path.read_text() + "SAID = 'relu'\n")
    before = code_digest(NAME)
    assert sys.modules[module].SAID == "relu"
    path.write_text(path.read_text().replace("relu", "tanh"))
    if again == "by hand":
        Path(sys.modules[module].__spec__.cached).unlink(missing_ok=True)
        reload(sys.modules[module])
    assert code_digest(NAME) != before
    assert import_module(module).SAID == "tanh"
    assert getattr(import_module("made_net.build"), "SAID", "tanh") == "tanh"


def test_a_module_that_two_functions_share_is_loaded_again_for_both(root):
    (root / "made_net/build.py").write_text("from .sizes import WIDTH\ndef network(*_):\n    return WIDTH\n")
    (root / "made_net/data.py").write_text("from .sizes import WIDTH\ndef images(*_):\n    return WIDTH\n")
    both = [NAME, "made_net.data:images"]
    before = [code_digest(name) for name in both]
    (root / "made_net/sizes.py").write_text("WIDTH = 4\n")
    assert [code_digest(name) != old for name, old in zip(both, before, strict=True)] == [True, True]
    assert [call_reference(name) for name in both] == [4, 4]


def test_a_module_that_only_a_call_loads_is_loaded_again_too(root):
    late = "def network(shape, classes):\n    from made_net.sizes import WIDTH\n    return WIDTH\n"
    (root / "made_net/build.py").write_text(late)
    assert call_reference(NAME, (), 3) == 3
    before = code_digest(NAME)
    (root / "made_net/sizes.py").write_text("WIDTH = 4\n")
    assert code_digest(NAME) != before
    assert call_reference(NAME, (), 3) == 4


def test_what_decides_is_said_and_what_can_not_be_seen_too(root):
    (root / "beside_net.py").write_text("import importlib, torch\nimportlib.import_module('un' + 'related')\n")
    line = described(own_code(NAME))
    assert all(
        name.removesuffix(".py").replace("/", ".") in line for name in ["beside_net.py", "made_net/build.py"]
    )
    assert own_code(NAME).digest[:12] in line
    assert "neither by files that it opens nor by installed packages" in line
    assert f"torch {version('torch')}" in line
    assert "what beside_net imports by a computed name or runs from a file is not seen" in line


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("beside_net", "name = 'data'\nimport_module(f'made_net.{name}')\n"),
        ("beside_net", "name = 'data'\nimport_module('made_net.' + name)\n"),
        ("beside_net", "name = 'data'\nimport_module(name=f'made_net.{name}' + '')\n"),
        ("made_net.sizes", "name = 'data'\nimport_module(f'.{name}', __package__)\n"),
        ("made_net.sizes", "name = 'data'\nimport_module(__package__ + '.' + name)\n"),
        ("made_net.sizes", "import pkgutil\nfor m in pkgutil.iter_modules(__path__): import_module(m.name)\n"),
        ("made_net.inner.deep", "name = 'data'\nimport_module(f'..{name}', __package__)\n"),
        ("made_net.inner.deep", "name = 'data'\n__import__(f'made_net.{name}')\n"),
    ],
)
def test_where_a_name_is_computed_all_modules_of_the_package_count(root, module, source):
    path = root / f"{module.replace('.', '/')}.py"
    path.parent.mkdir(exist_ok=True)
    (path.parent / "__init__.py").touch()
    path.write_text("from importlib import import_module\ndef later():\n    " + source.replace("\n", "\n    "))
    (root / "made_net/blocks.py").write_text(f"import {module}\ndef block(): ...\n")
    before = own_code(NAME)
    assert "made_net.data" in before.files
    assert before.computing == ()
    change(root / "made_net/data.py")
    assert code_digest(NAME) != before.digest


@pytest.mark.parametrize(
    "source",
    [
        "import runpy\nWIDTH = runpy.run_path(__file__.replace('sizes', 'other'))['WIDTH']\n",
        "exec(open(__file__.replace('sizes', 'other')).read())\n",
        "from importlib.util import module_from_spec, spec_from_file_location\n"
        "spec = spec_from_file_location('other', __file__.replace('sizes', 'other'))\n"
        "module = module_from_spec(spec)\nspec.loader.exec_module(module)\nWIDTH = module.WIDTH\n",
    ],
)
def test_that_files_a_module_runs_are_not_seen_is_said(root, source):
    (root / "made_net/other.py").write_text("WIDTH = 8\n")
    (root / "made_net/sizes.py").write_text(source)
    assert "what made_net.sizes imports by a computed name or runs from a file" in described(own_code(NAME))


def test_many_modules_are_said_in_one_short_line(root):
    for number in range(30):
        (root / f"made_net/part{number}.py").write_text("")
    imports = "".join(f"import made_net.part{number}\n" for number in range(30))
    (root / "made_net/sizes.py").write_text(imports)
    assert "and 30 more" in described(own_code(NAME))


@pytest.mark.parametrize(
    "source",
    [
        "from functools import partial\nfrom .sizes import WIDTH\nnetwork = partial(print, WIDTH)\n",
        "from .sizes import WIDTH\nclass Maker:\n    def __call__(self, *_): ...\nnetwork = Maker()\n",
        "from .sizes import WIDTH\nclass network:\n    pass\n",
        "from .sizes import WIDTH\nnetwork = lambda shape, classes: WIDTH\n",
    ],
    ids=["partial", "object", "class", "lambda"],
)
def test_whatever_can_be_called_is_told_apart_by_its_module_and_what_that_imports(root, source):
    (root / "made_net/build.py").write_text(source)
    digests = [code_digest(NAME)]
    for name in ("made_net/build.py", "made_net/sizes.py"):
        change(root / name)
        digests.append(code_digest(NAME))
    assert len(set(digests)) == 3
