"""How Sphinx builds these pages."""

from importlib.metadata import version as installed_version

from pallets_sphinx_themes import ProjectLink

project = "flask-paysafer"
copyright = "2026 The flask-paysafer maintainers"
author = "The flask-paysafer maintainers"
release = version = installed_version("flask-paysafer")

extensions = [
    "myst_parser",
    "pallets_sphinx_themes",
    "sphinx.ext.autodoc",
    "sphinx.ext.intersphinx",
]
intersphinx_mapping: dict[str, tuple[str, None]] = {}
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_preserve_defaults = True
myst_enable_extensions = ["colon_fence", "deflist", "fieldlist"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
nitpick_ignore_regex = [("py:.*", r".*")]
suppress_warnings = ["myst.domains", "ref.python"]  # fields called "type" shadow the builtin

html_theme = "flask"
html_title = f"flask-paysafer {release}"
html_show_sourcelink = False
html_static_path = ["_static"]
html_css_files = ["docs.css"]
html_sidebars = {
    "index": ["project.html", "localtoc.html", "searchbox.html"],
    "**": ["localtoc.html", "relations.html", "searchbox.html"],
}
html_context = {"project_links": [ProjectLink("Changes", "changes.html")]}
