"""Lessons as pages that need no network: nothing is fetched, equations are pictures, figures keep their descriptions."""

import base64
import copy
import html
import io
import re
from pathlib import Path

TEMPLATES = Path(__file__).parent / "templates"
EQUATION = re.compile(
    r"(```.*?```|`[^`\n]*`)|\$\$(.+?)\$\$|(?<![\\$\w])\$(?!\s)((?:[^$\n]|\n(?!\n))+?)(?<!\s)\$(?!\w)", re.DOTALL
)


def write_page(notebook, path: Path, back: bool = True) -> None:
    """Write a notebook as one self-contained HTML page, with a link `back` to the index above it."""
    from nbconvert import HTMLExporter

    notebook = copy.deepcopy(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            source = re.sub(r"\]\((\d\d_\w+)\.ipynb\)", r"](\1.html)", cell.source)  # other lessons' pages
            cell.source = EQUATION.sub(_as_image, source)
    exporter = HTMLExporter(template_name="basic", template_file=str(TEMPLATES / "lesson.html.j2"))
    exporter.exclude_anchor_links = exporter.exclude_input_prompt = exporter.exclude_output_prompt = True
    text, _ = exporter.from_notebook_node(notebook, resources={"back": back})
    Path(path).write_text(text, encoding="utf-8")


def write_index(results: list[dict], path: Path) -> None:
    """Write the page that lists lessons: number, title, question, seconds, links.

    Args:
        results: Rows as `run_lessons` returns them.
        path: The page to write.
    """
    from nbformat.v4 import new_markdown_cell, new_notebook

    total = sum(row["seconds"] for row in results)
    lines = [
        "# Audiovisual emotion recognition, when a voice or a face may be missing\n",
        f"{len(results)} lessons, run from their sources in {total:.0f} s.\n",
        "| lesson | the one question | ran in | |",
        "|---|---|---|---|",
    ]
    for row in results:
        lesson = f"[{row['number']} · {row['title']}]({row['page']})"
        # as HTML, for Markdown links to notebooks become links to pages
        notebook = f'<a href="{row["notebook"]}">notebook</a>'
        lines.append(f"| {lesson} | {row['question']} | {row['seconds']:.0f} s | {notebook} |")
    title = {"title": "AuxFormer: the course"}
    write_page(new_notebook(cells=[new_markdown_cell("\n".join(lines))], metadata=title), path, back=False)


def equations(source: str) -> list[str]:
    """The equations of a Markdown text, without their dollar signs; those in code are not equations.

    >>> equations("so $a^2$, `echo $HOME $PATH`, and $$b$$")
    ['a^2', 'b']
    """
    return [match[2] or match[3] for match in EQUATION.finditer(source) if not match[1]]


def equation_svg(equation: str, size: float) -> tuple[bytes, float]:
    """(SVG, points below the base line) of an equation in matplotlib's part of LaTeX.

    Raises:
        ValueError: matplotlib does not know a command in it.
    """
    import matplotlib
    from matplotlib.font_manager import FontProperties
    from matplotlib.mathtext import math_to_image

    image = io.BytesIO()
    with matplotlib.rc_context({"mathtext.fontset": "stix", "svg.hashsalt": "course"}):
        depth = math_to_image(
            f"${' '.join(equation.split())}$", image, prop=FontProperties(size=size), dpi=72, format="svg"
        )
    return image.getvalue(), depth


def _as_image(match: re.Match) -> str:
    if match[1]:
        return match[1]
    displayed = match[2] is not None
    equation = (match[2] or match[3]).strip()
    drawn = equation.replace("\\frac", "\\dfrac") if displayed else equation
    try:
        image, depth = equation_svg(drawn, size=15 if displayed else 13)
    except ValueError:
        return f"<code>{html.escape(equation)}</code>"
    data = base64.b64encode(image).decode()
    look = f'class="math" style="vertical-align: -{depth:.1f}pt" alt="{html.escape(" ".join(equation.split()))}"'
    tag = f'<img {look} src="data:image/svg+xml;base64,{data}">'
    return f'<div class="display">{tag}</div>' if displayed else tag
