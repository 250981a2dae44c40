"""The committed notebooks: executed in order, compared, described, small, and exactly what their sources say."""

import ast
import base64
import importlib
import io
import json
import re
from pathlib import Path

import nbformat
import pytest

from auxformer.course import build, lessons, page

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
LESSONS = lessons.find_lessons(folder=NOTEBOOKS / "source")
every_lesson = pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.name)


def committed(lesson, folder=""):
    return nbformat.read(NOTEBOOKS / folder / f"{lesson.name}.ipynb", as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def tags(cell):
    return cell.metadata.get("tags", [])


def pictures(notebook):
    for cell in code_cells(notebook):
        for output in cell.outputs:
            if "image/png" in output.get("data", {}):
                yield cell, output


def texts(cell):
    """What nbval compares of a cell: printed text and the plain text of results, not of pictures."""
    for output in cell.outputs:
        if output.output_type == "stream":
            yield output.text
        elif "image/png" not in output.get("data", {}):
            yield output.get("data", {}).get("text/plain", "")


@every_lesson
def test_every_code_cell_was_executed_once_and_in_order(lesson):
    counts = [cell.execution_count for cell in code_cells(committed(lesson))]
    assert counts == list(range(1, len(counts) + 1))


@every_lesson
def test_there_are_outputs_to_compare_and_few_are_ignored_each_with_a_reason(lesson):
    with_output = [cell for cell in code_cells(committed(lesson)) if cell.outputs]
    ignored = [
        cell for cell in code_cells(committed(lesson)) if {"nbval-ignore-output", "nbval-skip"} & set(tags(cell))
    ]
    assert len(with_output) >= 10
    assert len(ignored) * 5 <= len(with_output)
    assert all(len(cell.metadata.get("reason", "")) > 10 for cell in ignored)
    assert not any("NBVAL" in cell.source for cell in code_cells(committed(lesson)))


@every_lesson
def test_no_cell_ended_in_an_error_or_wrote_to_stderr(lesson):
    for cell in code_cells(committed(lesson)):
        for output in cell.outputs:
            assert output.output_type != "error" or "raises-exception" in tags(cell), cell.source
            assert output.get("name") != "stderr", output.text


@every_lesson
def test_the_committed_notebook_is_what_its_source_says(lesson):
    def essence(notebook):
        return [
            (cell.id, cell.cell_type, cell.source, json.dumps(cell.metadata, sort_keys=True)) for cell in notebook.cells
        ]

    assert essence(committed(lesson)) == essence(build.complete_notebook(lesson)), "run `auxformer course build` again"


@every_lesson
def test_the_student_notebook_is_what_source_and_outputs_give(lesson):
    assert committed(lesson, "student") == build.student_notebook(lesson, committed(lesson))


def test_the_teachers_table_is_up_to_date():
    assert (NOTEBOOKS / "guide" / "matrix.md").read_text() == build.matrix(LESSONS)


@every_lesson
def test_no_line_of_a_solution_leaks_into_the_student_notebook(lesson):
    student = committed(lesson, "student")
    everything = "\n".join(cell.source for cell in student.cells)
    for exercise in lesson.exercises:
        kept = set(exercise.stub.splitlines())
        for line in set(exercise.solution.splitlines()) - kept:
            telling = line.strip().split("  #")[0]
            assert len(telling) < 12 or telling not in everything, f"{exercise.name}: {telling}"
    assert all(not cell.outputs and cell.execution_count is None for cell in code_cells(student))


@every_lesson
def test_every_figure_is_described_opaque_small_and_has_numbers_beside_it(lesson):
    from PIL import Image

    found = list(pictures(committed(lesson)))
    assert len(found) >= 3
    for cell, output in found:
        assert len(output.metadata["image/png"]["alt"].split()) >= 5
        png = base64.b64decode(output.data["image/png"])
        assert len(png) <= 60_000
        assert Image.open(io.BytesIO(png)).convert("RGBA").getpixel((0, 0)) == (255, 255, 255, 255)
        assert any(re.search(r"\d", text) for text in texts(cell)), (
            f"print the numbers behind the figure: {cell.source[:80]}"
        )


@every_lesson
def test_notebooks_stay_small_and_name_no_machine(lesson):
    for path in (NOTEBOOKS / f"{lesson.name}.ipynb", NOTEBOOKS / "student" / f"{lesson.name}.ipynb"):
        assert path.stat().st_size <= 400_000
        text = path.read_text()
        assert not re.search(r"(/home/|/root/|/tmp/|/work/|/Users/|[A-Z]:\\\\|site-packages)", text)
        assert "papermill" not in json.loads(text)["metadata"] and "widget-view" not in text


@every_lesson
def test_code_lines_fit_a_page(lesson):
    for cell in code_cells(committed(lesson)):
        assert max(map(len, cell.source.splitlines()), default=0) <= 100, cell.source


@every_lesson
def test_every_fact_that_is_printed_holds(lesson):
    """A "no" reads as a failure of the reader's; what does not change is stated as that."""
    printed = [
        line.strip() for cell in code_cells(committed(lesson)) for text in texts(cell) for line in text.splitlines()
    ]
    facts = [line for line in printed if line.startswith(("yes: ", "no: ", "not so here: "))]
    assert facts and not [line for line in facts if not line.startswith("yes: ")]


@every_lesson
def test_a_lesson_is_read_in_three_quarters_of_an_hour(lesson):
    assert lesson.reading <= 45


@every_lesson
def test_the_parameters_are_literals_and_come_before_any_other_code(lesson):
    first = code_cells(committed(lesson))[0]
    assert "parameters" in tags(first)
    for statement in ast.parse(first.source).body:
        ast.literal_eval(statement.value)


@every_lesson
def test_the_frame_is_complete(lesson):
    notebook = committed(lesson)
    everything = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    assert notebook.cells[0].source.startswith(f"# Lesson {lesson.number} · {lesson.title}\n")
    for part in (
        "**You will be able to**",
        "**Before you start**",
        "## What to take away",
        "## Five questions",
        "## Read next",
    ):
        assert part in everything
    for part in ("**Predict.**", "> **Moral.**"):
        assert everything.count(part) >= 2
    questions = next(cell.source for cell in notebook.cells if "## Five questions" in cell.source)
    assert questions.count("<summary>Answer</summary>") == 5
    assert code_cells(notebook)[-1].source.startswith("lab.versions(")
    assert any("explorer(" in cell.source for cell in code_cells(notebook))
    assert everything.count("<details>") == everything.count("</details>")


@every_lesson
def test_every_objective_has_an_exercise_and_every_exercise_a_check_and_three_hints(lesson):
    names = [exercise.name for exercise in lesson.exercises]
    assert len(names) >= 2
    assert {check for _, check in lesson.objectives} == set(names)
    checks = importlib.import_module(f"auxformer.course.checks.lesson{lesson.number}")
    notebook = committed(lesson)
    for name in names:
        assert callable(getattr(checks, name))
        assert any(f"lesson{lesson.number}.{name}({name})" in cell.source for cell in code_cells(notebook))
        task = next(
            cell for cell in notebook.cells if cell.cell_type == "markdown" and cell.metadata.get("exercise") == name
        )
        assert task.source.count("<summary>Hint") == 3
    assert sum(exercise.minutes for exercise in lesson.exercises) <= lesson.minutes


@every_lesson
def test_every_equation_can_be_drawn_without_a_network(lesson):
    found = [
        equation
        for cell in committed(lesson).cells
        if cell.cell_type == "markdown"
        for equation in page.equations(cell.source)
    ]
    assert found
    for equation in found:
        page.equation_svg(equation, size=12)


@every_lesson
def test_relative_links_lead_somewhere(lesson):
    for folder in ("", "student"):
        for cell in committed(lesson, folder).cells:
            if cell.cell_type == "markdown":
                for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", cell.source):
                    assert (NOTEBOOKS / folder / target).exists(), target
