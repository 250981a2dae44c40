"""The checks of the exercises are right themselves: the solution passes, and every likely mistake is named."""

import functools
import importlib
import math
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from right_answers import RIGHT

from auxformer.course.checks import CheckFailed
from auxformer.course.lessons import find_lessons

SOURCES = Path(__file__).parents[1] / "notebooks" / "source"
EXERCISES = [(lesson, exercise) for lesson in find_lessons(folder=SOURCES) for exercise in lesson.exercises]
NAMES = [exercise.name for _, exercise in EXERCISES]


def check_of(lesson, exercise):
    return getattr(importlib.import_module(f"auxformer.course.checks.lesson{lesson.number}"), exercise.name)


@functools.cache
def imports_of(path) -> str:
    """The imports of a lesson's set-up cell."""
    import jupytext

    for cell in jupytext.reads(path.read_text(), fmt="py:percent").cells:
        if cell.cell_type == "code" and "import " in cell.source:
            return "\n".join(line for line in cell.source.splitlines() if line.startswith(("import ", "from ")))
    raise AssertionError(f"{path} has no set-up cell")


def answer_of(lesson, exercise, source):
    """The function as the notebook defines it, with the imports of the lesson's set-up cells."""
    space = {"np": np}
    exec(imports_of(lesson.path), space)  # noqa: S102 our own lesson
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


@pytest.mark.parametrize("lesson, exercise", EXERCISES, ids=NAMES)
def test_every_diagnosis_is_reached_by_a_wrong_answer(lesson, exercise, monkeypatch):
    """Of those that `expect_close` may give; what nobody can be told had better not stand there."""
    from mutants import mutants

    module, known = importlib.import_module(f"auxformer.course.checks.lesson{lesson.number}"), set()
    compare = module.expect_close

    def watched(value, expected, suspects=None, *others, **named):
        known.update(suspects or {})
        return compare(value, expected, suspects, *others, **named)

    monkeypatch.setattr(module, "expect_close", watched)
    wrong = importlib.import_module(f"wrong_lesson{lesson.number}").WRONG[exercise.name].values()
    sources = [exercise.solution, *mutants(exercise.solution).values()]
    said = []
    for answer in [*wrong, *(answer_of(lesson, exercise, source) for source in sources)]:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                check_of(lesson, exercise)(answer)
            except CheckFailed as error:
                said.append(str(error))
    assert [diagnosis for diagnosis in known if not any(diagnosis in line for line in said)] == []


@pytest.mark.parametrize("lesson, exercise", EXERCISES, ids=NAMES)
def test_right_answers_written_in_another_way_pass(lesson, exercise):
    assert RIGHT[exercise.name]
    for other, answer in RIGHT[exercise.name].items():
        try:
            check_of(lesson, exercise)(answer)
        except CheckFailed as error:
            pytest.fail(f"{exercise.name}, {other}: {error}")


def test_a_mismatch_shows_the_worst_entry_and_the_learners_own_line():
    from auxformer.course.checks import lesson0

    def recall(votes):
        shares = np.diag(votes) / votes.sum(axis=1)
        shares[1:] += 0.125
        shares[-1] += 0.5
        return shares

    with pytest.raises(CheckFailed) as caught:
        lesson0.recall_per_class(recall)
    assert "1 of 2 entries are off, most [1]: got 1.625, expected 1." in str(caught.value)
    assert caught.value.stage == "mechanism"
    line = recall.__code__.co_firstlineno + 3
    assert str(caught.value).endswith(f"\n  your line {line}: shares[-1] += 0.5")


def test_where_the_learners_code_stops_its_own_line_is_shown():
    from auxformer.course.checks import lesson0

    def recall(votes):
        rows = votes.sum(axis=1)
        return np.diag(votes) / rows[:, None][5]

    with pytest.raises(CheckFailed, match=r"IndexError.*\n  your line \d+: return np.diag\(votes\) / rows"):
        lesson0.recall_per_class(recall)


@pytest.mark.parametrize(
    "value", [None, ..., "text", {}, [], [[1], [1, 2]], object(), 1 + 2j, np.array(["a"]), True, b""]
)
@pytest.mark.parametrize("lesson, exercise", EXERCISES, ids=NAMES)
def test_whatever_an_answer_returns_no_check_crashes(lesson, exercise, value):
    for answer in (lambda *given: value, lambda *given: (value, value), lambda *given: (value,) * 3):
        with pytest.raises(CheckFailed, match=f"^{exercise.name}") as caught:
            check_of(lesson, exercise)(answer)
        assert "your code stopped" not in str(caught.value)
        assert "cannot be compared" not in str(caught.value), caught.value


@pytest.mark.parametrize("lesson, exercise", EXERCISES, ids=NAMES)
def test_functions_with_other_arguments_and_functions_of_c_are_told_so(lesson, exercise):
    for answer in (lambda: 1, math.sqrt, print, dict):
        with pytest.raises(CheckFailed, match=f"^{exercise.name}, shape"):
            check_of(lesson, exercise)(answer)


def test_an_answer_that_leaves_python_is_told_and_a_library_that_lacks_something_is_no_stub():
    from auxformer.course.checks import lesson0

    def missing(votes):
        raise NotImplementedError("\"softmax\" not implemented for 'Long'")

    with pytest.raises(CheckFailed, match="your code stopped with SystemExit"):
        lesson0.recall_per_class(lambda votes: sys.exit())
    with pytest.raises(CheckFailed, match="stopped with NotImplementedError"):
        lesson0.recall_per_class(missing)


def test_an_error_in_the_learners_code_is_told_and_not_swallowed():
    from auxformer.course.checks import lesson0

    with pytest.raises(CheckFailed, match="ZeroDivisionError") as caught:
        lesson0.recall_per_class(lambda votes: 1 / 0)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    with pytest.raises(CheckFailed, match="the function itself"):
        lesson0.recall_per_class(np.zeros(3))
