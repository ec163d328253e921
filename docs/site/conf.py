"""Sphinx, told of the pages: `make docs` writes them to build/docs/html, without a network.

Sphinx rather than MkDocs: its search and theme work from a folder, autodoc imports what it documents, so a
name that is gone is an error, and Material for MkDocs ends in May 2027. Pages stay plain Markdown, which
every other reader shows as well; Furo is read on a phone and in the dark. Of Sphinx's galleries none is
used: a picture here is a file that `make` keeps.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(ROOT))

from pages import write_pages  # noqa: E402  of this folder

from lth import __version__  # noqa: E402

project, author, release = "lth", "The lth authors", __version__
copyright = "The lth authors, Apache License 2.0"  # noqa: A001  as Sphinx calls it
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
]
myst_enable_extensions = ["colon_fence", "attrs_block"]
myst_heading_anchors = 4
exclude_patterns: list[str] = []
default_role = "code"  # docstrings have single backticks, as Markdown has

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
napoleon_google_docstring = True
napoleon_use_rtype = False

html_theme = "furo"
html_title = "lth"
html_static_path: list[str] = ["static"]
html_css_files = ["style.css"]
html_show_sphinx = False
html_copy_source = False
copybutton_exclude = ".linenos, .gp, .go"

write_pages(ROOT)
