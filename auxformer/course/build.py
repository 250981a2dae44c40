"""From a lesson's source to the notebooks people open: the complete one, the student's, and the teacher's table.

    notebooks/source/NN_name.py ──▶ notebooks/NN_name.ipynb           executed, outputs kept, solutions folded
                                └─▶ notebooks/student/NN_name.ipynb   stubs in place of solutions, example outputs

Everything is derived: cell ids from the headings, exercise badges and folded hints from short marks in the source.
"""

import ast
import copy
import re
from pathlib import Path

from auxformer.course.address import install_cell, links, repository
from auxformer.course.lessons import Lesson, find_lessons, is_answer, project_root, read_source, split_answer
from auxformer.course.widgets import VIEW
from auxformer.errors import InputError
from auxformer.files import make_folder, write_text
from auxformer.reports.tables import fill_markers

KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
SOLUTION_BELOW = "*The next cell holds a solution, folded. Reading only? Go on below it.*"
KEPT_METADATA = ("tags", "reason", "exercise", "jupyter")


def complete_notebook(lesson: Lesson):
    """The lesson with its solutions, not executed."""
    notebook = read_source(lesson.path)
    _insert_install(notebook, lesson)
    numbers: dict[str, int] = {}
    slug = "start"
    for index, cell in enumerate(notebook.cells):
        slug = _slug(cell, slug)
        numbers[slug] = numbers.get(slug, 0) + 1
        cell.id = f"{slug}-{numbers[slug]}"
        if cell.cell_type == "markdown":
            cell.source = _expand(cell, lesson, first=index == 0)
        elif is_answer(cell):
            cell.source = split_answer(cell.source, str(lesson.path))[0]
        if is_answer(cell) or "folded" in cell.metadata.get("tags", []):
            cell.metadata["jupyter"] = {"source_hidden": True}
        cell.metadata = _kept(cell.metadata)
    notebook.metadata = _notebook_metadata(f"Lesson {lesson.number} · {lesson.title}")
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


def student_notebook(lesson: Lesson, executed):
    """The lesson with stubs in place of solutions and without outputs, save those of cells tagged "example".

    Args:
        lesson: The lesson.
        executed: Its complete notebook after a run, from which example outputs are taken.
    """
    notebook = complete_notebook(lesson)
    stubs = {exercise.name: exercise.stub for exercise in lesson.exercises}
    done = {cell.id: cell for cell in executed.cells}
    cells = []
    for cell in notebook.cells:
        if is_answer(cell):
            cell.source = stubs[cell.metadata["exercise"]]
            cell.metadata.pop("jupyter")
        elif cell.cell_type == "markdown":
            cell.source = _for_student(cell.source)
        if "example" in cell.metadata.get("tags", []):
            cells.append(_example_output(done[cell.id]))
        cells.append(cell)
    notebook.cells = cells
    return notebook


def strip(executed):
    """An executed notebook without what changes at every run: timings, widget state, random ids, library versions."""
    notebook = copy.deepcopy(executed)
    notebook.metadata = _notebook_metadata(notebook.metadata["title"])
    for cell in notebook.cells:
        cell.metadata = _kept(cell.metadata)
        for output in cell.get("outputs", []):
            output.get("data", {}).pop(VIEW, None)
        if "outputs" in cell:
            cell.outputs = [output for output in cell.outputs if output.get("data", True)]
    return notebook


def write_notebook(notebook, path: Path) -> None:
    """Write as nbformat 4.5 JSON, whole or not at all."""
    import nbformat

    nbformat.validate(notebook)
    make_folder(Path(path).parent)
    write_text(path, nbformat.writes(notebook) + "\n")


def build_lessons(lessons=None, root: Path | None = None, texts_only: bool = False) -> list[Path]:
    """Execute lessons and write the committed notebooks, student notebooks and the teacher's table; returns the notebooks.

    Args:
        lessons: Numbers or names; None for all.
        root: Project folder; found by default.
        texts_only: Run nothing, keep the outputs of the committed notebooks: for a change of words.

    Raises:
        InputError: `texts_only`, and the code of a lesson has changed.
    """
    from auxformer.course.run import execute

    root = project_root() if root is None else Path(root)
    written = []
    for lesson in find_lessons(lessons, root / "notebooks" / "source"):
        path = root / "notebooks" / f"{lesson.name}.ipynb"
        if texts_only:
            executed = with_outputs_of(path, complete_notebook(lesson))
        else:
            executed = strip(execute(lesson, {}, root / "build" / "notebooks" / path.name))
        write_notebook(executed, path)
        write_notebook(student_notebook(lesson, executed), root / "notebooks" / "student" / path.name)
        written.append(path)
    write_matrix(root)
    write_badges(root)
    return written


def with_outputs_of(path: Path, notebook):
    """`notebook` with the outputs and counts of the executed one in `path`, whose code cells must do the same.

    Raises:
        InputError: they are not.
    """
    import nbformat

    books = nbformat.read(path, as_version=4), notebook
    done, cells = ([cell for cell in book.cells if cell.cell_type == "code"] for book in books)
    if [_code(cell) for cell in done] != [_code(cell) for cell in cells]:
        raise InputError(f"{path}: its code is no longer that of the source; build it without --texts-only.")
    for cell, executed in zip(cells, done):
        cell.outputs, cell.execution_count = executed.outputs, executed.execution_count
    return strip(notebook)


def _code(cell) -> str:
    """What a cell does, however its lines are broken and whatever its comments say; "%" lines of IPython as they stand."""
    try:
        return ast.dump(ast.parse(cell.source))
    except SyntaxError:
        return cell.source


def build_students(lessons=None, root: Path | None = None) -> list[Path]:
    """Write the student notebooks again from the sources and the committed notebooks, without running anything."""
    import nbformat

    root = project_root() if root is None else Path(root)
    written = []
    for lesson in find_lessons(lessons, root / "notebooks" / "source"):
        executed = nbformat.read(root / "notebooks" / f"{lesson.name}.ipynb", as_version=4)
        path = root / "notebooks" / "student" / f"{lesson.name}.ipynb"
        write_notebook(student_notebook(lesson, executed), path)
        written.append(path)
    write_matrix(root)
    return written


def matrix(lessons: list[Lesson]) -> str:
    """The teacher's table: which objective is shown by which exercise and check, and how long things take."""
    lines = ["# Objectives, exercises, checks", "", "Derived from the lessons' sources; do not edit.", ""]
    for lesson in lessons:
        times = f"Reading {lesson.reading} min, exercises {lesson.minutes} min, runs in about {lesson.seconds} s on two cores."
        lines += [f"## Lesson {lesson.number}: {lesson.title}", "", f"{lesson.question} {times}", ""]
        lines += ["| objective | check | exercise | difficulty | importance | minutes |", "|---|---|---|---|---|---|"]
        exercises = {exercise.name: exercise for exercise in lesson.exercises}
        for objective, check in lesson.objectives:
            exercise = exercises[check]
            lines.append(
                f"| {objective} | `lesson{lesson.number}.{check}` | {exercise.title} | {exercise.difficulty}/5 "
                f"| {exercise.importance}/5 | {exercise.minutes} |"
            )
        lines.append("")
    return "\n".join(lines)


def write_matrix(root: Path) -> None:
    """Write `notebooks/guide/matrix.md` for all lessons."""
    path = Path(root) / "notebooks" / "guide" / "matrix.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(matrix(find_lessons(None, Path(root) / "notebooks" / "source")), encoding="utf-8")


def write_badges(root: Path) -> None:
    """Write the links to Colab and Binder between the markers of the README."""
    readme = Path(root) / "README.md"
    if readme.is_file():
        readme.write_text(fill_markers(readme.read_text(), "badges", links(repository(root))))


def _insert_install(notebook, lesson: Lesson) -> None:
    """Put the cell that installs the package, folded, between the parameters and the set-up."""
    import nbformat

    (parameters,) = [i for i, cell in enumerate(notebook.cells) if "parameters" in cell.metadata.get("tags", [])]
    cell = nbformat.v4.new_code_cell(install_cell(_address(lesson)), metadata={"tags": ["folded"]})
    notebook.cells.insert(parameters + 1, cell)


def _address(lesson: Lesson) -> str | None:
    return repository(lesson.path.parents[2])


def _notebook_metadata(title: str):
    from nbformat import from_dict

    return from_dict({"kernelspec": KERNEL, "language_info": {"name": "python"}, "title": title})


def _kept(metadata):
    return type(metadata)({key: metadata[key] for key in KEPT_METADATA if metadata.get(key)})


def _slug(cell, current: str) -> str:
    """A name from the nearest heading above, for cell ids that stay put when another section grows."""
    heading = re.search(r"^#{1,3} (.+)$", cell.source, flags=re.MULTILINE) if cell.cell_type == "markdown" else None
    if not heading:
        return current
    words = re.sub(r"[^a-z0-9]+", "-", heading[1].lower()).strip("-")
    return words[:40].strip("-") or current


def _expand(cell, lesson: Lesson, first: bool) -> str:
    source = _after_heading(cell.source, badge_line(lesson)) if first else cell.source
    if "exercise" in cell.metadata:
        source = _after_heading(source, _exercise_badge(cell, lesson))
    source = _fold_marks(source, "HINT", _fold_hints)
    source = _fold_marks(source, "QUESTION", _fold_questions)
    if "exercise" in cell.metadata:
        source += f"\n\n{SOLUTION_BELOW}"
    return source


def badge_line(lesson: Lesson) -> str:
    """The line under a lesson's title: what it asks, how long it takes, where its other forms are."""
    elsewhere = links(_address(lesson), f"notebooks/student/{lesson.name}.ipynb")
    return (
        f"**{lesson.question}**  \n`reading {lesson.reading} min` · `exercises {lesson.minutes} min` · "
        f"`runs in {lesson.seconds} s on two cores` · to solve the exercises yourself, open "
        f"[student/{lesson.name}.ipynb](student/{lesson.name}.ipynb)" + (f" · {elsewhere}" if elsewhere else "")
    )


def _for_student(source: str) -> str:
    elsewhere = r" · to solve the exercises yourself, open \[.*?\]\(student/(.*?)\)"
    source = re.sub(elsewhere, r" · [with solutions](../\1)", source)
    return source.replace(SOLUTION_BELOW, "*Write yours in the next cell.*")


def _exercise_badge(cell, lesson: Lesson) -> str:
    dots = {key: "●" * cell.metadata[key] + "○" * (5 - cell.metadata[key]) for key in ("difficulty", "importance")}
    return (
        f"`difficulty {dots['difficulty']}` · `importance {dots['importance']}` · `{cell.metadata['minutes']} min` · "
        f"checked by `lesson{lesson.number}.{cell.metadata['exercise']}`"
    )


def _after_heading(source: str, line: str) -> str:
    head, _, rest = source.partition("\n")
    return f"{head}\n\n{line}\n{rest}" if rest.startswith("\n") else f"{head}\n\n{line}\n\n{rest}"


def _fold_marks(source: str, mark: str, fold) -> str:
    """Replace the run of blocks that start with `mark` at the start of a line by what `fold` makes of them."""
    before, *blocks = re.split(rf"^{mark} ", source, flags=re.MULTILINE)
    return before.rstrip("\n") + "\n\n" + fold([block.strip() for block in blocks]) if blocks else source


def _fold_hints(hints: list[str]) -> str:
    """Hints folded one inside another, so that the second cannot be opened before the first."""
    text = ""
    for number, hint in reversed(list(enumerate(hints, start=1))):
        inner = f"\n\n{text}" if text else ""
        text = f"<details><summary>Hint {number}</summary>\n\n{hint}{inner}\n\n</details>"
    return text


def _fold_questions(questions: list[str]) -> str:
    parts = []
    for number, block in enumerate(questions, start=1):
        question, _, answer = map(str.strip, block.partition("ANSWER "))
        parts.append(f"**{number}.** {question}\n\n<details><summary>Answer</summary>\n\n{answer}\n\n</details>")
    return "\n\n".join(parts)


def _example_output(executed):
    """A Markdown cell with what the reader's own code should show; pictures travel as attachments."""
    import nbformat

    lines, attachments = ["<details><summary>Example output of the next cell</summary>", ""], {}
    for output in executed.outputs:
        data = output.get("data", {})
        if "image/png" in data:
            name = f"example-{len(attachments) + 1}.png"
            attachments[name] = {"image/png": data["image/png"].strip()}
            lines += [f"![{output.metadata['image/png']['alt']}](attachment:{name})", ""]
        elif output.get("text"):
            lines += ["```text", output["text"].rstrip(), "```", ""]
    cell = nbformat.v4.new_markdown_cell("\n".join([*lines, "</details>"]), id=f"{executed.id}-example"[:64])
    if attachments:
        cell.attachments = attachments
    return cell
