"""How the documentation is built; `nox -s docs` does it with warnings as errors."""

project = "tenfold"
copyright = "2026, the tenfold authors"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "tenfold"
myst_enable_extensions = ["dollarmath", "colon_fence", "attrs_block"]
myst_heading_anchors = 3
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
napoleon_google_docstring = True
# Packages link to files of the repository (LICENSE, pictures) that the built pages do not hold.
suppress_warnings = ["myst.xref_missing"]
