"""Grading: whatever is handed in is a line in the table, and the table says what is true."""

import csv
import io
import json
import re
import zipfile
from pathlib import Path

import nbformat
import pytest
from handed_in import LESSONS, ROOT, huge, said, save, solved_book, student_book, without_marks, zipped
from right_answers import RIGHT
from typer.testing import CliRunner

from auxformer.course.grade import grade, grade_class
from auxformer.course.grading import pages
from auxformer.course.grading.cells import Prediction, own_models, predictions, read_cells
from auxformer.course.grading.collect import collect
from auxformer.course.grading.lift import lift, refusal
from auxformer.course.grading.worker import Worker
from auxformer.course.widgets import Prediction as Widget
from auxformer.errors import InputError

ZERO, TWO, SIX = LESSONS[0], LESSONS[2], LESSONS[6]
RECALL = ZERO.exercises[0]
OWN_HELPER = """import numpy as numeric
HALF = 1 / 2
def doubled(x):
    return x + x
def recall_per_class(votes):
    return numeric.diag(votes) / doubled(HALF * votes.sum(axis=1))
"""


def with_recall(source, **others):
    return solved_book(ZERO, {"recall_per_class": source, **others})


def without_check(book, name):
    book.cells = [cell for cell in book.cells if f".{name}({name})" not in cell.source]
    return book


def boasting(book, name):
    for cell in book.cells:
        if f".{name}({name})" in cell.source:
            cell.source = f'print("{name}: shape, mechanism, whole right.")'
    return book


def hand_in(folder: Path) -> None:
    """A class of lessons 0 and 2."""
    for lesson in (ZERO, TWO):
        save(said(solved_book(lesson), [0.1, 0.9]), folder / "Ada_1_assignsubmission_file_" / f"{lesson.name}.ipynb")
        save(student_book(lesson), folder / "Ben" / f"week {lesson.number}.ipynb")
        save(without_marks(solved_book(lesson)), folder / "Cleo" / "deep" / f"{lesson.number} (1).ipynb")
    wrong = {
        "Dana": with_recall("def recall_per_class(votes):\n    return np.diag(votes) / votes.sum(axis=0)"),
        "Eli": with_recall("import os\ndef recall_per_class(votes):\n    os.remove('x')\n    return votes"),
        "Finn": with_recall("def recall_per_class(votes):\n    while True:\n        pass"),
        "Gil": with_recall("def recall_per_class(votes):\n    np.ones((1 << 20, 1 << 20))"),
        "Hana": with_recall("def recall_per_class(votes)\n    return votes"),
        "Ida": with_recall("def my_recall(votes):\n    return np.diag(votes) / votes.sum(axis=1)"),
        "Jo": boasting(with_recall("def recall_per_class(votes):\n    return votes.sum(0)"), "recall_per_class"),
        "Kim": without_check(with_recall(RECALL.solution), "recall_per_class"),
        "Lea": with_recall(OWN_HELPER),
        "Max": with_recall("def recall_per_class(votes):\n    raise SystemExit"),
        "Nora": with_recall("def recall_per_class(votes):\n    return corpus.recall"),
        "Olga": with_recall(
            "def recall_per_class(votes):\n    from auxformer.course.checks import lesson0 as check\n    check.expect = print"
        ),
        "Pit": with_recall("def recall_per_class(votes):\n    np.allclose = lambda *a, **b: True\n    return votes[0]"),
        "Rosa": with_recall("def recall_per_class(votes):\n    return np.lib.format.os.system('true')"),
    }
    for name, book in wrong.items():
        save(book, folder / name / "homework.ipynb")
    save("not json", folder / "Quirin" / "a.ipynb")
    save(
        '{"cells": [7, {"cell_type": "code", "source": 5, "outputs": "x"}], "metadata": []}',
        folder / "Quirin" / "b.ipynb",
    )
    save("[" * 100_000, folder / "Quirin" / "deep.ipynb")
    huge(folder / "Quirin" / "films.ipynb", 300)
    (folder / "Quirin" / "essay.pdf").write_text("no notebook")
    zipped(folder / "Cleo")


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("class")
    hand_in(folder / "in")
    return grade(folder / "in", folder / "out", seconds=2, jobs=1), folder / "out"


def state_of(found, learner, exercise="recall_per_class"):
    return next(result for result in found.results if (result.learner, result.exercise) == (learner, exercise))


def test_right_answers_pass_wherever_they_lie_and_stubs_are_untouched(graded):
    found, _ = graded
    for lesson in (ZERO, TWO):
        for exercise in lesson.exercises:
            assert state_of(found, "Ada", exercise.name).state == "passed"
            assert state_of(found, "Ben", exercise.name).state == "untouched"
            assert state_of(found, "Cleo", exercise.name).state == "passed"
    assert [found.passed(name) for name in ("Ada", "Ben", "Cleo")] == [6, 0, 6]
    assert [found.points(name) for name in ("Ada", "Ben", "Cleo")] == [1, 0, 1]
    assert state_of(found, "Ada").remarks == ()


@pytest.mark.parametrize(
    "learner, state, stage, message, remark",
    [
        ("Dana", "failed", "mechanism", "these are precisions.*\n  your line 2: return np.diag", "says right"),
        ("Eli", "refused", "", "imports os", "says right"),
        ("Finn", "too long", "", "in time", "says right"),
        ("Gil", "failed", "shape", "MemoryError", "says right"),
        ("Hana", "no Python", "", r"expected ':' \(cell \d+, line 1\)", "says right"),
        ("Ida", "passed", "", "", "is called `my_recall`"),
        ("Jo", "failed", "mechanism", "entries are off", "says right"),
        ("Kim", "passed", "", "", "is not called"),
        ("Lea", "passed", "", "", ""),
        ("Max", "failed", "shape", "SystemExit", "says right"),
        ("Nora", "failed", "shape", "NameError", "uses `corpus`"),
        ("Olga", "refused", "", "imports auxformer.course.checks", ""),
        ("Pit", "refused", "", "changes np.allclose", ""),
        ("Rosa", "refused", "", "names os", ""),
    ],
)
def test_every_trouble_is_a_line_of_its_own(graded, learner, state, stage, message, remark):
    result = state_of(graded[0], learner)
    assert (result.state, result.stage) == (state, stage)
    assert re.search(message, result.message), result.message
    assert remark in "; ".join(result.remarks)
    assert state_of(graded[0], learner, "macro_f1").state == "passed"  # the rest of the notebook does not suffer


def test_what_is_no_notebook_is_told(graded):
    unread = {result.where.split("/")[-1]: result.message for result in graded[0].results if not result.exercise}
    assert set(unread) == {"a.ipynb", "b.ipynb", "deep.ipynb", "films.ipynb"}
    assert "is no notebook" in unread["a.ipynb"] and "is no notebook" in unread["deep.ipynb"]
    assert "none of the lessons" in unread["b.ipynb"]
    assert unread["films.ipynb"].startswith("300 MB, more than 64")


def test_predictions_come_from_the_stored_outputs(graded):
    found, out = graded
    ada = [prediction for learner, lesson, prediction in found.predictions if (learner, lesson) == ("Ada", 0)]
    assert [prediction.state for prediction in ada] == ["given"] * len(ada)
    assert (ada[0].said, ada[0].measured) == ("0.10", "0.40")
    ben = [prediction for learner, _, prediction in found.predictions if learner == "Ben"]
    assert ben and {prediction.state for prediction in ben} == {"not run"}
    rows = list(csv.DictReader((out / "predictions.csv").open(encoding="utf-8")))
    assert len(rows) == len(found.predictions)


def test_the_tables_the_page_and_the_notes_say_the_same(graded):
    found, out = graded
    rows = list(csv.DictReader((out / "grades.csv").open(encoding="utf-8")))
    assert [(row["learner"], row["exercise"], row["state"]) for row in rows] == [
        (result.learner, result.exercise, result.state) for result in found.results
    ]
    page = (out / "index.html").read_text(encoding="utf-8")
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")  # it fetches nothing
    assert page.count('<td class="sign passed"') == sum(map(found.passed, found.learners))
    for learner in found.learners:
        note = (out / "notes" / f"{learner}.md").read_text(encoding="utf-8")
        assert note.startswith(f"# {learner}\n\n{found.passed(learner)} of 6 exercises pass")
    assert "these are precisions" in (out / "notes" / "Dana.md").read_text(encoding="utf-8")
    assert "says right" not in (out / "notes" / "Jo.md").read_text(encoding="utf-8")  # for the teacher alone


def test_every_solution_and_every_other_right_answer_is_lifted_and_passes(tmp_path):
    """Also those whose helpers, imports and constants stand in other cells."""
    trials = 0
    with Worker(20) as worker:
        for lesson in LESSONS:
            cells, _ = read_cells(nbformat.writes(solved_book(lesson)).encode())
            for exercise in lesson.exercises:
                lifted = lift(cells, exercise, lesson)
                assert (lifted.state, lifted.remarks) == ("", []), exercise.name
                verdict = worker.judge(lesson.number, exercise.name, lifted.name, lifted.parts)
                assert verdict.state == "passed", (exercise.name, verdict)
                trials += 1
    assert trials == len(RIGHT)


def test_a_worker_outlives_what_ends_its_process():
    def judge(source):
        parts = [("imports of the lesson", "import numpy as np", 1), ("cell 1", source, 1)]
        return worker.judge(0, "recall_per_class", "recall_per_class", parts)

    with Worker(1) as worker:
        assert judge("def recall_per_class(v):\n    while True: pass").state == "too long"
        assert judge("def recall_per_class(v):\n    np.lib.format.os._exit(0)").state == "failed"
        for writing in ("np.save('x.npy', v)", "open('x', 'w')", "np.ctypeslib.ctypes.CDLL(None)"):
            assert "PermissionError" in judge(f"def recall_per_class(v):\n    {writing}").message
        assert judge("def recall_per_class(v):\n    return np.diag(v) / v.sum(1)").state == "passed"


@pytest.mark.parametrize(
    "source, why",
    [
        ("import os", "imports os"), ("from sys import exit", "imports sys"), ("from . import x", "imports"), ("import numpy, socket", "socket"),
        ("def f():\n    import subprocess", "subprocess"), ("x = eval('1')", "eval"), ("x = ().__class__", "__class__"),
        ("from auxformer.course import lab", "auxformer.course"), ("np.allclose = 1", "np.allclose"), ("x = torch.os", "os"),
        ("import numpy as n\nn.mean = 1", ""), ("x = np.linalg.norm(y)", ""), ("from auxformer.evaluation.scores import scores_of", ""),
    ],
)  # fmt: skip
def test_what_no_answer_needs_is_refused_by_name(source, why):
    import ast

    found = refusal(ast.parse(source).body[0])
    assert (why in found) if why else not found


def test_the_wording_of_a_prediction_is_read_back():
    """What `Prediction.against` prints is what grading reads."""
    import contextlib

    class Slider:
        value = 0.25

    guess, printed = Widget(Slider(), "how much"), io.StringIO()
    with contextlib.redirect_stdout(printed):
        guess.against(0.5)
        Slider.value = 0.75
        guess.against(0.5, digits=1)
    source = ['g = lab.predict("how much")', "g.against(0.5)"]

    def book(text):
        cells = [
            {"cell_type": "code", "source": source[0]},
            {"cell_type": "code", "source": source[1], "outputs": [{"text": text}]},
        ]
        return predictions(read_cells(json.dumps({"cells": cells}).encode())[0])

    before, after = printed.getvalue().splitlines()
    assert book(before) == [Prediction("how much", "", "0.50", "untouched")]
    assert book(after) == [Prediction("how much", "0.8", "0.5", "given")]
    assert book("") == [Prediction("how much", "", "", "not run")]


def test_the_models_of_a_class_are_read_from_the_leaderboard():
    cells, _ = read_cells((ROOT / "notebooks" / f"{SIX.name}.ipynb").read_bytes())
    (model,) = own_models(cells)
    assert model[0] == "my-means" and all(re.fullmatch(r"0\.\d+|1\.0+", score) for score in model[1:4])


def test_learners_are_told_apart_by_folder_zip_and_name(tmp_path):
    for name in ("in/a.ipynb", "in/x/b.ipynb"):
        save("{}", tmp_path / name)
    with zipfile.ZipFile(tmp_path / "in" / "all.zip", "w") as outer:
        inner = io.BytesIO()
        with zipfile.ZipFile(inner, "w") as archive:
            archive.writestr("../../evil/03_auxiliary_networks.ipynb", "{}")
            archive.writestr("__MACOSX/._03.ipynb", "{}")
        outer.writestr("Zoe Li_77_assignsubmission_file_/work.zip", inner.getvalue())
        outer.writestr("broken.zip", b"PK")
    found = {(item.learner, item.where) for item in collect(tmp_path / "in")}
    assert found == {
        ("a", "a.ipynb"), ("x", "x/b.ipynb"), ("all", "all/broken.zip"),
        ("all", "all/Zoe Li_77_assignsubmission_file_/work/evil/03_auxiliary_networks.ipynb"),
    }  # fmt: skip
    alone = {item.learner for item in collect(tmp_path / "in" / "all.zip")}
    assert alone == {"Zoe Li", "broken"}
    assert not (tmp_path / "evil").exists()  # nothing is unpacked


def test_a_folder_without_notebooks_and_names_like_formulas(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        grade(tmp_path / "nowhere")
    with pytest.raises(InputError, match="no notebook in it"):
        grade(tmp_path)
    with pytest.raises(InputError, match="seconds"):
        grade(tmp_path, seconds=0)
    save("{}", tmp_path / "=cmd()" / "<b>.ipynb")
    found = grade_class(tmp_path)
    assert pages.grades_csv(found).splitlines()[1].startswith("'=cmd()")
    notes = pages.note_names(found.learners)
    assert notes == {"=cmd()": "cmd.md"} and "<b>.ipynb" not in pages.page(found, notes)
    assert pages.note_names(["Jo/é", "jo é", "../.."]) == {
        "Jo/é": "Jo-é.md",
        "jo é": "jo-é-2.md",
        "../..": "learner.md",
    }


def test_the_command_says_what_it_did(tmp_path):
    from auxformer.cli import app

    save(solved_book(ZERO), tmp_path / "in" / "eva.ipynb")
    result = CliRunner().invoke(
        app, ["course", "grade", str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--jobs", "1"]
    )
    assert result.exit_code == 0, result.output
    assert "1 learner: 3 of 3 answers pass, no file left unread" in result.output
    assert (tmp_path / "out" / "notes" / "eva.md").exists()
    assert "Example" in CliRunner().invoke(app, ["course", "grade", "--help"]).output
