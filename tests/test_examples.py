"""Every public function of a measurement shows, on an example, a number that is known; pytest runs them."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "lth"
STUDY_ONLY = ("surveyor.py", "packed.py")  # what measures points of a study, and how it is stored
MODULES = sorted(
    path
    for folder in ("measure", "measure/curvature")
    for path in (PACKAGE / folder).glob("*.py")
    if path.name not in STUDY_ONLY
) + [PACKAGE / "network" / f"{name}.py" for name in ("mask", "prune", "space", "weights")]


def asks_for_an_example(node: ast.stmt) -> bool:
    """Whether `node` is public and computes something: a function, or a class that is no record of results."""
    if isinstance(node, ast.FunctionDef):
        return not node.name.startswith("_")
    if not isinstance(node, ast.ClassDef) or node.name.startswith("_") or node.name.endswith("Error"):
        return False
    is_record = any("dataclass" in ast.unparse(decorator) for decorator in node.decorator_list)
    return not is_record and "Protocol" not in map(ast.unparse, node.bases)


def public(path: Path) -> dict[str, str]:
    """Return the docstrings that owe an example, by name."""
    nodes = [node for node in ast.parse(path.read_text()).body if asks_for_an_example(node)]
    return {node.name: ast.get_docstring(node) or "" for node in nodes}


def test_there_are_functions_that_owe_an_example():
    names = {name for path in MODULES for name in public(path)}
    assert {"leading_spectrum", "HessianOperator", "basin_radii", "barrier", "prune_smallest"} <= names
    assert "Spectrum" not in names


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_every_public_function_of_a_measurement_has_an_example(path):
    assert [name for name, text in public(path).items() if ">>> " not in text] == []
