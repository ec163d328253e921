"""What ruff and import-linter (see pyproject.toml) can't tell from imports and names."""

import ast
import subprocess
import sys
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "lth"
MODULES = [
    *("lth", "lth.evidence.level", "lth.evidence.claim", "lth.plan.keys", "lth.report"),
    *("lth.measure.curvature.hessian", "lth.measure.curvature.spectrum", "lth.measure.interpolation"),
    *("lth.measure.radius", "lth.measure.surface", "lth.solution.checkpoint", "lth.solution.recipe"),
]


def test_importing_and_drawing_load_no_tracker_command_line_or_pyplot_and_change_no_setting():
    # Reading every setting through RcParams' own methods would resolve the backend, which imports pyplot.
    code = f"""
import sys, matplotlib
before = matplotlib.rcParams.copy()
import {", ".join(MODULES)}
from lth.report.figure.trajectory import draw_trajectory
draw_trajectory({{}}).canvas.draw()
print(*sorted({{"mlflow", "click", "ray", "matplotlib.pyplot", "plotly"}} & set(sys.modules)))
print(*(name for name in before if dict.get(before, name) != dict.get(matplotlib.rcParams, name)))
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split() == []


def draws_of_no_generator(source: str) -> list[str]:
    """Return the calls of torch's random functions that would draw from its global generator."""
    drawing = {"rand", "randn", "randint", "randperm", "normal", "multinomial", "bernoulli"}
    drawing |= {f"{name}_like" for name in ("rand", "randn", "randint")}
    return [
        ast.unparse(node)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in {f"torch.{name}" for name in drawing}
        and "generator" not in {keyword.arg for keyword in node.keywords}
    ]


def test_every_draw_names_its_generator():
    assert draws_of_no_generator("torch.rand(3); torch.rand(3, generator=stream)") == ["torch.rand(3)"]
    sources = sorted(PACKAGE.rglob("*.py"))
    assert PACKAGE / "training" / "train.py" in sources
    draws = {path.name: draws_of_no_generator(path.read_text()) for path in sources}
    assert {name: calls for name, calls in draws.items() if calls} == {}
