"""Sphinx: the course as pages that fetch nothing. `build.py` lays the sources out; this file says how they look."""

import hashlib
import html
import json
from base64 import b64decode, b64encode
from pathlib import Path

from docutils import nodes

from auxformer.course.page import equation_svg

project = "AuxFormer course"
author = "The AuxFormer course authors"
copyright = "The AuxFormer course authors, MIT licence"
extensions = ["myst_nb"]
exclude_patterns = ["student"]  # offered as files, not as pages

nb_execution_mode = "off"  # the notebooks are executed already, and their outputs compared by `make test`
nb_merge_streams = True
nb_ipywidgets_js = {}  # widgets live in JupyterLab; their scripts would come from the network
myst_enable_extensions = ["dollarmath", "deflist"]
myst_heading_anchors = 3
suppress_warnings = ["mystnb.unknown_mime_type"]

html_math_renderer = "mathtext"
html_theme = "sphinx_book_theme"
html_title = "AuxFormer course"
html_static_path = ["_static"]
html_css_files = ["course.css"]
html_copy_source = True  # the notebook itself, behind the download button
html_sourcelink_suffix = ""
html_theme_options = {
    "home_page_in_toc": True,
    "navbar_persistent": [],  # one search field is enough: the one beside the contents
    "show_navbar_depth": 1,
    "show_toc_level": 2,
    "use_fullscreen_button": False,
    "navigation_with_keys": False,
}


def describe_pictures(app, doctree) -> None:
    """Give each picture among the outputs the description that its notebook holds; myst-nb drops it.

    myst-nb names a picture's file after the SHA-256 of its bytes, which is how it is found again here.
    """
    path = Path(app.env.doc2path(app.env.docname))
    if path.suffix != ".ipynb":
        return
    alts = {}
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                alts[picture_digest(output["data"]["image/png"])] = output["metadata"]["image/png"]["alt"]
    for image in doctree.findall(nodes.image):
        if not image.get("alt"):
            image["alt"] = alts.get(Path(image["uri"]).stem, "")


def picture_digest(base64_png: str | list[str]) -> str:
    """SHA-256 of the bytes of a PNG as it stands in a notebook."""
    return hashlib.sha256(b64decode("".join(base64_png))).hexdigest()


def draw_inline(translator, node) -> None:
    """An equation in a line, as a picture that stands on the line."""
    translator.body.append(equation(node.astext(), size=12))
    raise nodes.SkipNode


def draw_display(translator, node) -> None:
    """An equation on a line of its own."""
    text = equation(node.astext().replace(r"\frac", r"\dfrac"), size=13)
    translator.body.append(f'<div class="math-display">{text}</div>')
    raise nodes.SkipNode


def equation(source: str, size: float) -> str:
    """An equation in matplotlib's part of LaTeX as an `<img>` whose description is its source."""
    image, depth = equation_svg(source, size)
    data = b64encode(image).decode()
    alt = html.escape(" ".join(source.split()), quote=True)
    return (
        f'<img class="course-math dark-light" style="vertical-align: -{depth:.1f}pt" alt="{alt}" '
        f'src="data:image/svg+xml;base64,{data}">'
    )


def setup(app):
    """Called by Sphinx."""
    app.connect("doctree-read", describe_pictures)
    app.add_html_math_renderer("mathtext", (draw_inline, None), (draw_display, None))
    return {"parallel_read_safe": True}
