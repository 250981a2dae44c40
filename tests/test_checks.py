"""The checks of the exercises are right themselves: the solution passes, and every likely mistake is named."""

import importlib
from pathlib import Path

import numpy as np
import pytest

from auxformer.course.checks import CheckFailed
from auxformer.course.lessons import find_lessons

SOURCES = Path(__file__).parents[1] / "notebooks" / "source"
EXERCISES = [(lesson, exercise) for lesson in find_lessons(folder=SOURCES) for exercise in lesson.exercises]
NAMES = [exercise.name for _, exercise in EXERCISES]


def check_of(lesson, exercise):
    return getattr(importlib.import_module(f"auxformer.course.checks.lesson{lesson.number}"), exercise.name)


def answer_of(lesson, exercise, source):
    """The function as the notebook defines it, with the imports of the lesson's set-up cells."""
    import jupytext

    space = {"np": np}
    for cell in jupytext.reads(lesson.path.read_text(), fmt="py:percent").cells:
        if cell.cell_type == "code" and "import " in cell.source:
            lines = [line for line in cell.source.splitlines() if line.startswith(("import ", "from "))]
            exec("\n".join(lines), space)  # noqa: S102 our own lesson
            break
    exec(source, space)  # noqa: S102 our own lesson
    return space[exercise.name]


@pytest.mark.parametrize("lesson, exercise", EXERCISES, ids=NAMES)
def test_the_solution_in_the_lesson_passes(lesson, exercise, capsys):
    check_of(lesson, exercise)(answer_of(lesson, exercise, exercise.solution))
    assert capsys.readouterr().out == f"{exercise.name}: shape, mechanism, whole right.\n"


@pytest.mark.parametrize("lesson, exercise", EXERCISES, ids=NAMES)
def test_the_stub_is_rejected(lesson, exercise):
    with pytest.raises(CheckFailed, match=exercise.name):
        check_of(lesson, exercise)(answer_of(lesson, exercise, exercise.stub))


@pytest.mark.parametrize("lesson, exercise", EXERCISES, ids=NAMES)
def test_at_least_three_likely_mistakes_are_rejected_by_name(lesson, exercise):
    wrong = importlib.import_module(f"wrong_lesson{lesson.number}").WRONG[exercise.name]
    assert len(wrong) >= 3
    for word, answer in wrong.items():
        with np.errstate(all="ignore"), pytest.raises(CheckFailed, match=f"^{exercise.name}, .*{word}"):
            check_of(lesson, exercise)(answer)


def test_an_error_in_the_learners_code_is_told_and_not_swallowed():
    from auxformer.course.checks import lesson0

    with pytest.raises(CheckFailed, match="ZeroDivisionError") as caught:
        lesson0.recall_per_class(lambda votes: 1 / 0)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    with pytest.raises(CheckFailed, match="the function itself"):
        lesson0.recall_per_class(np.zeros(3))
