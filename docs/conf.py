"""Sphinx's configuration of the site. `make docs` builds it into build/site, without a network.

Pages are Markdown that also reads well where the repository is shown. Two things are done to their text: a block
``{api}`` becomes the entries of public names (api.py), and a link to a file outside docs/ becomes its path, as the site
has no copy of the repository. Where there is a clone, a report is drawn of the result files of the bench suite.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import api

import accel
from accel.bench.report import html
from accel.bench.result.file import load

project = "accel"
author = "the accel contributors"
version = release = accel.__version__
extensions = ["myst_parser", "sphinx_copybutton"]
exclude_patterns = ["_static"]
nitpicky = True

myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence"]
highlight_language = "none"
pygments_style = "a11y-high-contrast-light"
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
python_use_unqualified_type_names = True
toc_object_entries_show_parents = "hide"

html_theme = "pydata_sphinx_theme"
html_title = "accel"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "logo": {"text": "accel"},
    "navbar_align": "left",
    "header_links_before_dropdown": 6,
    "navigation_with_keys": False,
    "show_toc_level": 2,
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
html_sidebars = {"index": []}
copyright = "the accel contributors, Apache-2.0"

RESULTS = Path(__file__).parents[1] / "bench" / "results"
OUTSIDE = re.compile(r"\[([^\]]*)\]\(\.\./((?:\.\./)*[^)#]+)(#[^)]*)?\)")


def _outside(found: re.Match[str], page: Path) -> str:
    """A link out of docs/ as text and path; one that stays inside as it is."""
    here = (page.parent / "..").resolve() / found[2]
    root = Path(__file__).parent
    if here.resolve().is_relative_to(root):
        return found[0]
    text, path = found[1], here.resolve().relative_to(root.parent).as_posix()
    return f"`{path}`" if text.strip("`") in (path, here.name) else f"{text} (`{path}`)"


def read(app: Any, name: str, source: list[str]) -> None:
    """Sphinx's event source-read: changes the text of a page."""
    page = Path(app.env.doc2path(name))
    source[0] = OUTSIDE.sub(lambda found: _outside(found, page), api.expand(source[0]))


def draw(app: Any, error: Exception | None) -> None:
    """Sphinx's event build-finished: draws the report on the result files, where there is a clone."""
    names = ("quick-cpu", "quick-cpu-avx2", "quick-opencl-intel", "quick-opencl-pocl", "quick-triton-h200")
    files = [RESULTS / f"{name}.json" for name in names]
    if error is None and app.builder.format == "html" and all(map(Path.is_file, files)):
        text = html.render([load(file) for file in files])
        (Path(app.outdir) / "results-quick.html").write_text(text, encoding="utf-8")


def setup(app: Any) -> dict[str, bool]:
    app.connect("source-read", read)
    app.connect("build-finished", draw)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
