"""How the pages become a site: `make docs`. Read by Sphinx, with the checkout as its source.

The checkout, and not docs/, so that README and changelog are pages and every link between pages is
the same here as where the files are looked at. Why Sphinx: docs/decisions/0201-sphinx.md.
"""
# ruff: noqa: INP001 # a program beside the pages

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # where _site is

from exec_tracker import __version__

project = "exec_tracker"
release = version = __version__
extensions = ["myst_parser", "_site.navigation", "_site.diagrams"]

root_doc = "README"
include_patterns = ["*.md", "docs/**.md"]
exclude_patterns = [".*", "build", "dist", "docs/_*"]

myst_heading_anchors = 6
myst_heading_slug_func = "github"  # as tests/docs/pages.py, which checks the same links
myst_fence_as_directive = ["mermaid"]
nitpicky = True

html_theme = "furo"
html_title = project
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
pygments_style = "friendly"
pygments_dark_style = "monokai"
