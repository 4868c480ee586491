"""Sphinx's settings for the course's pages; tools/pages.py gives the rest."""

import json
import os
from typing import Any

from docutils import nodes
from latex2mathml.converter import convert

project = "convlab"
author = "The convlab authors"
project_copyright = "The convlab authors; text and pictures CC BY 4.0, code MIT"
extensions = ["myst_nb"]
nb_execution_mode = "off"
nb_merge_streams = True
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
suppress_warnings = ["myst.header"]
html_theme = "sphinx_book_theme"
html_title = "convlab"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_context = {"default_mode": "auto"}
html_show_sphinx = False
html_theme_options: dict[str, Any] = {
    "use_download_button": False,
    "use_fullscreen_button": False,
    "home_page_in_toc": True,
    "extra_footer": (
        "Photos come with scikit-image: the credits page names who took them. "
        'Text and pictures: CC BY 4.0. Code: MIT. <a href="https://creativecommons.org/licenses/by/4.0/">Licence</a>'
    ),
    **json.loads(os.environ.get("CONVLAB_LINKS", "{}")),
}


def setup(app: Any) -> None:
    """Formulas become MathML, which browsers draw themselves: no script, no font, no network."""
    app.add_html_math_renderer("mathml", (_inline, None), (_displayed, None))


def _inline(writer: Any, node: nodes.Element) -> None:
    writer.body.append(convert(node.astext()))
    raise nodes.SkipNode


def _displayed(writer: Any, node: nodes.Element) -> None:
    writer.body.append(f'<div class="formula" tabindex="0">{convert(node.astext(), display="block")}</div>')
    raise nodes.SkipNode


html_math_renderer = "mathml"
