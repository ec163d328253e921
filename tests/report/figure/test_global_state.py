import subprocess
import sys

MODULES = ("density", "interpolation", "radius", "spectrum", "surface", "trajectory", "trend")


def test_drawing_never_imports_pyplot_nor_changes_the_settings():
    imports = "; ".join(f"import lth.report.figure.{module}" for module in MODULES)
    # Reading every setting through RcParams' own methods would resolve the backend, which imports pyplot.
    code = (
        "import sys, matplotlib; before = matplotlib.rcParams.copy(); "
        f"{imports}; from lth.report.figure.trajectory import draw_trajectory; "
        "draw_trajectory({}).canvas.draw(); "
        "assert 'matplotlib.pyplot' not in sys.modules; assert dict.__eq__(before, matplotlib.rcParams)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
