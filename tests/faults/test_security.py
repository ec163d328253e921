"""Nothing lth reads is executed, nothing it starts listens to other machines, what it shows is escaped."""

import ast
import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from tiny_problem import OPTIONS

from entrypoints import study
from lth.setting.parameter import BY_NAME

ROOT = Path(__file__).parent.parent.parent
SOURCES = sorted([*(ROOT / "lth").rglob("*.py"), *(ROOT / "entrypoints").rglob("*.py")])
# Modules and functions that run what they read, or that hand text to a shell.
EXECUTING = {
    "pickle",
    "cloudpickle",
    "dill",
    "joblib",
    "marshal",
    "shelve",
    "eval",
    "exec",
    "compile",
    "system",
}
EXECUTING |= {"torch.load", "yaml.load", "os.popen", "torch.hub"}
# The only place that imports code by a name; it is documented to.
IMPORTS = {"lth/setting/reference.py"}


def names_of(tree: ast.AST) -> set[str]:
    """Return every name that is imported, called or read as an attribute of a module."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {str(node.module), *(alias.name for alias in node.names)}
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            found.add(f"{node.value.id}.{node.attr}")
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            found.add(node.func.id)
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_executes_what_it_reads(path):
    tree = ast.parse(path.read_text())
    found = names_of(tree)
    assert not found & EXECUTING
    assert ("importlib" in found) == (str(path.relative_to(ROOT)) in IMPORTS)
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        keywords = {keyword.arg: keyword.value for keyword in call.keywords}
        if isinstance(call.func, ast.Attribute) and ast.unparse(call.func) == "np.load":
            assert ast.unparse(keywords["allow_pickle"]) == "False"
        assert "shell" not in keywords


def test_every_server_that_make_starts_listens_to_this_machine_alone():
    started = [
        line for line in (ROOT / "Makefile").read_text().splitlines() if re.search(r"mlflow (ui|server)", line)
    ]
    assert started
    for line in started:
        if not line.startswith("#"):
            assert "--host 127.0.0.1" in line


def test_what_users_can_name_is_escaped_in_every_page(tracking):
    options = [*OPTIONS, "--levels=1", "--dataset=odd_problem:marked_images"]
    result = CliRunner().invoke(study.main, options)
    assert result.exit_code == 0, result.output
    pages = [path for path in tracking.rglob("*.html") if "mlruns" in path.parts]
    assert len(pages) > 1
    for page in pages:
        assert "<script>alert(1)</script>" not in page.read_text()


def test_running_code_by_name_is_documented_where_it_is_named():
    assert "Naming a function runs its code" in (ROOT / "README.md").read_text().replace("\n", " ")
    for option in ("network", "dataset"):
        assert "runs it" in BY_NAME[option].help
