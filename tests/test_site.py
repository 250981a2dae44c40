"""The pages around the lessons: links lead somewhere, pictures are described, the site's own checks find what is broken."""

import base64
import importlib.util
import io
import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml
from docutils import nodes
from docutils.utils import new_document
from PIL import Image

ROOT = Path(__file__).parents[1]
GUIDE = ROOT / "notebooks" / "guide"
TEXTS = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")] + sorted(GUIDE.glob("*.md"))
every_text = pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)


def load(name: str):
    """A module of `notebooks/site`."""
    spec = importlib.util.spec_from_file_location(f"site_{name}", ROOT / "notebooks" / "site" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


build, check, conf = load("build"), load("check"), load("conf")


def prose(path: Path) -> str:
    """A Markdown text without its code."""
    text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    return re.sub(r"`[^`\n]*`", "", text)


def anchors(path: Path) -> list[str]:
    """The anchors of a Markdown file's headings, as code hosts and the site make them."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", path.read_text(), flags=re.DOTALL), flags=re.MULTILINE)
    return [re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings]


@every_text
def test_links_in_texts_lead_to_files_and_headings(path):
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(path)):
        if not target.startswith("http"):
            name, _, anchor = target.partition("#")
            file = path.parent / name if name else path
            assert file.exists(), target
            assert not anchor or anchor in anchors(file), target


@every_text
def test_pictures_in_texts_are_described(path):
    for alt, target in re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", prose(path)):
        assert len(alt.split()) >= 3, target


def test_the_glossary_has_every_word_once_and_each_is_explained():
    found = anchors(GUIDE / "glossary.md")
    assert len(found) == len(set(found))
    words = (
        "clip speaker partition modality auxiliary-network cross-modal-attention modality-dropout plurality majority "
        "distributional uar macro-f1 ccc ece brier late-fusion decision-fusion presence-flag ideal-observer "
        "bootstrap-over-speakers paired-permutation-test holm-correction degradation-curve lld hog"
    )
    assert set(words.split()) <= set(found)
    for entry in re.split(r"^### .+$", (GUIDE / "glossary.md").read_text(), flags=re.MULTILINE)[1:]:
        assert len(entry.split("\n## ")[0].split()) >= 8


def test_every_session_of_the_seminar_takes_ninety_minutes():
    sessions = re.split(r"^## Session \d", (GUIDE / "seminar.md").read_text(), flags=re.MULTILINE)[1:]
    assert len(sessions) == 6
    for session in sessions:
        assert sum(int(minutes) for minutes in re.findall(r"^\| (\d+) \|", session, flags=re.MULTILINE)) == 90
        for part in ("**Before**", "**Discuss.**", "**After"):
            assert part in session


def test_the_workflow_runs_targets_that_exist_and_names_no_index():
    text = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    jobs = yaml.safe_load(text)["jobs"]
    targets = {entry["target"].split()[0] for entry in jobs["make"]["strategy"]["matrix"]["include"]}
    known = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    assert {"test", "course"} <= targets <= known
    assert "http" not in text and "index-url" not in text


def test_the_framework_is_a_small_drawing_in_both_forms():
    svg, png = ROOT / "figures" / "framework.svg", ROOT / "figures" / "framework.png"
    assert svg.stat().st_size <= 60_000 and png.stat().st_size <= 60_000
    words = " ".join(
        "".join(node.itertext()) for node in ElementTree.parse(svg).iter("{http://www.w3.org/2000/svg}text")
    )
    for word in ("cross-modal", "self-attention", "modality dropout", "shared loss", "the same weights"):
        assert word in words
    assert Image.open(png).convert("RGB").getpixel((0, 0)) == (255, 255, 255)


# The site


def notebook(*cells) -> dict:
    return {"cells": list(cells), "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def markdown(source: str) -> dict:
    return {"cell_type": "markdown", "metadata": {}, "source": source}


@pytest.fixture
def project(tmp_path):
    """A project with one lesson, as much of it as the site reads."""
    notebooks = tmp_path / "project" / "notebooks"
    for folder in ("guide", "site", "student", "source"):
        (notebooks / folder).mkdir(parents=True)
    (notebooks.parent / "figures").mkdir()
    (notebooks.parent / "figures" / "draw.py").touch()
    for page in build.PAGES:
        (notebooks / "guide" / page).write_text("# Page\n")
    (notebooks / "site" / "index.md").write_text("# Course\n\n{{ lessons }}\n")
    folded = {"cell_type": "code", "metadata": {"exercise": "f", "jupyter": {"source_hidden": True}}, "source": "1"}
    first = markdown(
        "# Lesson 8 · Dreams\n\n**Do puppets dream?**  \nopen [student/08_dreams.ipynb](student/08_dreams.ipynb)"
    )
    (notebooks / "08_dreams.ipynb").write_text(json.dumps(notebook(first, folded)))
    (notebooks / "scratch.ipynb").write_text("{}")
    return notebooks.parent


def test_a_new_lesson_is_picked_up_by_its_name_and_nothing_else_is(project, tmp_path):
    assert build.lay_out(project, tmp_path / "out") == ["08_dreams.ipynb"]
    assert "| [8 · Dreams](08_dreams.ipynb) | Do puppets dream? |" in (tmp_path / "out" / "index.md").read_text()
    assert not (tmp_path / "out" / "scratch.ipynb").exists() and not (tmp_path / "out" / "figures" / "draw.py").exists()


def test_hidden_sources_are_folded_and_student_notebooks_are_files_to_take_along(project, tmp_path):
    build.lay_out(project, tmp_path / "out")
    first, solution = json.loads((tmp_path / "out" / "08_dreams.ipynb").read_text())["cells"]
    assert "](path:student/08_dreams.ipynb)" in first["source"]
    assert solution["metadata"]["tags"] == ["hide-input"]
    assert solution["metadata"]["mystnb"]["code_prompt_show"] == "Show the solution"


def test_laying_out_again_leaves_nothing_of_before(project, tmp_path):
    build.lay_out(project, tmp_path / "out")
    (project / "notebooks" / "08_dreams.ipynb").rename(project / "notebooks" / "09_sleep.ipynb")
    assert build.lay_out(project, tmp_path / "out") == ["09_sleep.ipynb"]
    assert not (tmp_path / "out" / "08_dreams.ipynb").exists()


def test_notebooks_are_not_run_and_no_widget_script_is_fetched():
    assert conf.nb_execution_mode == "off" and conf.nb_ipywidgets_js == {}


def test_pictures_of_a_lesson_get_the_description_their_notebook_holds(tmp_path):
    raw = io.BytesIO()
    Image.new("RGB", (2, 2)).save(raw, format="png")
    png = base64.b64encode(raw.getvalue()).decode()
    output = {"data": {"image/png": png}, "metadata": {"image/png": {"alt": "A black square."}}}
    path = tmp_path / "08_dreams.ipynb"
    path.write_text(json.dumps(notebook({"cell_type": "code", "outputs": [output]})))
    doctree = new_document("test")
    doctree += nodes.image(uri=f"_build/{conf.picture_digest(png)}.png")
    doctree += nodes.image(uri="other.png", alt="Kept as it is.")

    class App:
        class env:
            docname = "08_dreams"
            doc2path = staticmethod(lambda name: path)

    conf.describe_pictures(App, doctree)
    assert [image["alt"] for image in doctree.findall(nodes.image)] == ["A black square.", "Kept as it is."]


def test_an_equation_is_a_picture_with_its_source_as_description():
    image = conf.equation(r"a < \sqrt{d}", 12)
    assert r'alt="a &lt; \sqrt{d}"' in image and 'src="data:image/svg+xml;base64,' in image


GOOD = (
    '<html><head><title>t</title><meta name="viewport" content="width=device-width"></head><body id="top">'
    '<a href="other.html#here">x</a><a href="https://example.org">outside</a><img src="p.png" alt="A white square.">'
    "{more}</body></html>"
)


def site(folder: Path, more: str = "", page: str = GOOD, css: str = "") -> list[str]:
    (folder / "p.png").touch()
    (folder / "style.css").write_text(css)
    (folder / "other.html").write_text(GOOD.replace("{more}", '<p id="here"></p>'))
    (folder / "index.html").write_text(page.replace("{more}", more))
    return check.check_site(folder)


def test_a_whole_site_has_no_faults(tmp_path):
    assert site(tmp_path, '<a href="#top">up</a><img class="course-math" src="data:image/svg+xml," alt="d">') == []


@pytest.mark.parametrize(
    ("more", "what"),
    [
        ('<a href="gone.html">x</a>', "leads nowhere"),
        ('<a href="../outside.html">x</a>', "leads nowhere"),
        ('<a href="other.html#gone">x</a>', "a place that is not there"),
        ('<a href="#gone">x</a>', "a place that is not there"),
        ('<img src="p.png">', "not described"),
        ('<img src="p.png" alt=" ">', "not described"),
        ('<img src="gone.png" alt="A white square.">', "leads nowhere"),
        ('<script src="https://cdn.example.org/a.js"></script>', "fetches https"),
        ('<script src="//cdn.example.org/a.js"></script>', "fetches //"),
        ('<link rel="stylesheet" href="http://cdn.example.org/a.css">', "fetches http"),
        ('<style>@import "https://fonts.example.org/a";</style>', "fetches https"),
    ],
)
def test_each_fault_of_a_page_is_named(tmp_path, more, what):
    (fault,) = site(tmp_path, more)
    assert fault.startswith("index.html: ") and what in fault


def test_a_page_that_a_phone_cannot_show_and_one_without_title_are_named(tmp_path):
    assert "viewport" in site(tmp_path, page=GOOD.replace('name="viewport"', 'name="other"'))[0]
    assert "title" in site(tmp_path, page=GOOD.replace("<title>t</title>", ""))[0]


def test_a_font_from_the_network_is_named(tmp_path):
    (fault,) = site(tmp_path, css="@font-face { src: url('https://fonts.example.org/a.woff2') }")
    assert fault.startswith("style.css: ")


def test_an_empty_folder_is_no_site(tmp_path):
    assert "no page" in check.check_site(tmp_path)[0]
