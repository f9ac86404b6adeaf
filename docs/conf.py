"""How Sphinx builds these pages."""

import sys
from importlib.metadata import version as installed_version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

project = "flask-paysafer"
copyright = "2026 The flask-paysafer maintainers"
author = "The flask-paysafer maintainers"
release = version = installed_version("flask-paysafer")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.intersphinx",
    "reference",
    "sphinx_copybutton",
    "sphinx_design",
]
intersphinx_mapping: dict[str, tuple[str, None]] = {}
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
myst_enable_extensions = ["attrs_block", "colon_fence", "deflist", "fieldlist"]
myst_heading_anchors = 3
add_module_names = False
python_maximum_signature_line_length = 88
# Other projects' names: builds ask no other site for theirs.
nitpick_ignore_regex = [
    (
        r"py:.*",
        r"(babel|blinker|collections|datetime|decimal|flask|httpx|os|typing|uuid|_?werkzeug|pytest|sqlalchemy)\..*",
    ),
    (
        r"py:(class|exc)",
        r"(Flask|Locale|MetaData|Path|PathLike|TypeError|ValueError|WSGIApplication|datetime)",
    ),
]
exclude_patterns = ["_build"]
suppress_warnings = ["myst.domains", "ref.python"]  # fields called "type" shadow the builtin

copybutton_exclude = ".linenos, .gp, .go"

html_theme = "furo"
html_title = f"flask-paysafer {release}"
html_show_sourcelink = False
html_static_path = ["_static"]
html_css_files = ["docs.css"]
html_theme_options = {
    "source_repository": "https://github.com/flask-paysafer/flask-paysafer",
    "source_branch": "main",
    "source_directory": "docs/",
    "navigation_with_keys": True,
}
