import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "lth"
SOURCES = sorted(PACKAGE.rglob("*.py"))
PURE = [path for path in SOURCES if path.relative_to(PACKAGE).parts[0] != "tracking"]


def label(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def imported(path: Path) -> set[str]:
    """Return every module that a file imports anywhere, also inside functions."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{'.' * node.level}{node.module or ''}"}
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def called(path: Path) -> list[tuple[str, set[str]]]:
    """Return each call `a.b.c(...)` of a file by its dotted name, with its keywords."""
    calls = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            keywords = {keyword.arg for keyword in node.keywords if keyword.arg}
            calls.append((ast.unparse(node.func), keywords))
    return calls


def test_there_are_sources_to_look_at():
    assert PACKAGE / "training" / "train.py" in PURE
    assert len(PURE) > 30


def test_importing_the_library_loads_neither_tracker_nor_command_line():
    modules = [
        "lth",
        "lth.evidence.level",
        "lth.measure.curvature.hessian",
        "lth.measure.curvature.spectrum",
        "lth.measure.interpolation",
        "lth.measure.radius",
        "lth.measure.surface",
        "lth.plan.keys",
        "lth.solution.checkpoint",
        "lth.solution.recipe",
    ]
    code = f"import sys, {', '.join(modules)}; print(*sorted({{'mlflow', 'click', 'ray'}} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split() == []


@pytest.mark.parametrize("path", PURE, ids=label)
def test_only_tracking_imports_the_tracker(path):
    outside = {"mlflow", "click", "ray", "entrypoints"}
    assert not {name for name in imported(path) if name.split(".")[0] in outside}


@pytest.mark.parametrize("path", PURE, ids=label)
def test_the_pure_library_reads_no_environment(path):
    assert not {name for name in imported(path) if name in ("os.environ", "os.getenv")}
    assert "os.environ" not in path.read_text()


def names_global_randomness(path: Path) -> list[str]:
    """Return calls that read or seed a global generator: torch's without `generator=`, numpy's, Python's."""
    drawing = ("rand", "randn", "randint", "randperm", "normal", "multinomial", "bernoulli")
    found = [
        name
        for name, keywords in called(path)
        if name in ("torch.manual_seed", "torch.seed", "torch.random.manual_seed", "torch.cuda.manual_seed_all")
        or (name.split(".")[-1] in drawing and name.startswith("torch.") and "generator" not in keywords)
        or (name.startswith(("np.random.", "numpy.random.")) and not name.endswith("default_rng"))
    ]
    return found + [name for name in imported(path) if name == "random"]


@pytest.mark.parametrize("path", SOURCES, ids=label)
def test_global_generators_are_used_in_randomness_alone(path):
    if label(path) != "randomness.py":
        assert names_global_randomness(path) == []


def test_the_search_for_global_randomness_finds_some(tmp_path):
    (tmp_path / "bad.py").write_text(
        "import random\nimport numpy as np\nimport torch\n"
        "torch.manual_seed(0)\nnp.random.seed(0)\ntorch.rand(3)\n"
    )
    assert len(names_global_randomness(tmp_path / "bad.py")) == 4


@pytest.mark.parametrize("path", SOURCES, ids=label)
def test_nothing_is_pickled_or_evaluated(path):
    forbidden = {"torch.load", "torch.save", "eval", "exec", "pickle.load", "pickle.loads", "pickle.dump"}
    assert not forbidden & {name for name, _ in called(path)}
    assert not {"pickle", "dill", "cloudpickle"} & imported(path)
