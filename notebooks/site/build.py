"""Build the course as a static site: `python notebooks/site/build.py`. Lessons are picked up by their names.

notebooks/NN_name.ipynb, guide/*.md, figures ──▶ build/site-source ── Sphinx ──▶ build/site ── check.py
"""

import argparse
import json
import re
import shutil
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PAGES = ("one_clip.md", "glossary.md", "reading.md", "seminar.md", "grading.md", "matrix.md")
LESSON = re.compile(r"\d\d_\w+\.ipynb")


def lay_out(root: Path, source: Path) -> list[str]:
    """Copy what the site is made of into `source`, emptied first; returns the lessons' file names.

    Args:
        root: Project folder.
        source: Folder to write, laid out as the site will be.
    """
    shutil.rmtree(source, ignore_errors=True)
    notebooks = root / "notebooks"
    lessons = sorted(path.name for path in notebooks.glob("*.ipynb") if LESSON.fullmatch(path.name))
    (source / "guide").mkdir(parents=True)
    for name in lessons:
        text = (notebooks / name).read_text(encoding="utf-8")
        text = text.replace("](student/", "](path:student/")  # a file to take along, not a page
        (source / name).write_text(json.dumps(with_folds(json.loads(text))), encoding="utf-8")
    shutil.copytree(notebooks / "student", source / "student", ignore=shutil.ignore_patterns(".*"))
    shutil.copytree(root / "figures", source / "figures", ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    for page in PAGES:
        text = (notebooks / "guide" / page).read_text(encoding="utf-8").replace("](../../figures/", "](../figures/")
        (source / "guide" / page).write_text(text, encoding="utf-8")
    index = (notebooks / "site" / "index.md").read_text(encoding="utf-8")
    (source / "index.md").write_text(index.replace("{{ lessons }}", lesson_table(source, lessons)), encoding="utf-8")
    return lessons


def with_folds(notebook: dict) -> dict:
    """The notebook with its hidden sources folded the way myst-nb understands."""
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code" and cell["metadata"].get("jupyter", {}).get("source_hidden"):
            what = "solution" if "exercise" in cell["metadata"] else "code"
            cell["metadata"]["tags"] = [*cell["metadata"].get("tags", []), "hide-input"]
            cell["metadata"]["mystnb"] = {
                "code_prompt_show": f"Show the {what}",
                "code_prompt_hide": f"Hide the {what}",
            }
    return notebook


def lesson_table(source: Path, lessons: list[str]) -> str:
    """A row per lesson: title with a link, and the one question, both from the notebook's first cell."""
    rows = ["| lesson | the one question |", "|---|---|"]
    for name in lessons:
        first = "".join(json.loads((source / name).read_text(encoding="utf-8"))["cells"][0]["source"])
        title = re.match(r"# Lesson (.+)", first)[1]
        question = re.search(r"^\*\*(.+\?)\*\*", first, flags=re.MULTILINE)
        rows.append(f"| [{title}]({name}) | {question[1] if question else ''} |")
    return "\n".join(rows)


def main() -> int:
    """Lay out, build, check; 0 when the pages are whole, 1 when something is wrong with them."""
    from sphinx.cmd.build import main as sphinx

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "site")
    out = parser.parse_args().out
    source = out.with_name(out.name + "-source")
    lessons = lay_out(ROOT, source)
    shutil.rmtree(out, ignore_errors=True)
    doctrees = out.with_name(out.name + "-doctrees")
    failed = sphinx(["-q", "-W", "--keep-going", "-E", "-c", str(HERE), "-d", str(doctrees), str(source), str(out)])
    if failed:
        return 1
    sys.path.insert(0, str(HERE))
    from check import check_site

    faults = check_site(out)
    print("\n".join(faults) or f"site: {out / 'index.html'} ({len(lessons)} lessons, every link and picture checked)")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
