"""Sphinx settings. Everything is built offline: no inventories, no web fonts, formulas as MathML."""

from importlib.metadata import version as installed_version

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml

project = "hubscout"
copyright = "the hubscout maintainers"
version = release = installed_version("hubscout")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"hubscout {release}"
default_role = "code"
smartquotes = False
myst_heading_anchors = 3
autodoc_member_order = "bysource"
autodoc_typehints = "none"
napoleon_google_docstring = False
napoleon_use_rtype = False


def setup(app):
    """Write formulas as MathML, which browsers know, so that no script is fetched from elsewhere."""

    def render(translator, node):
        translator.body.append(tex2mathml(node.astext(), as_block=isinstance(node, nodes.math_block)))
        raise nodes.SkipNode

    app.add_html_math_renderer("mathml", inline_renderers=(render, None), block_renderers=(render, None))
    app.config.html_math_renderer = "mathml"
