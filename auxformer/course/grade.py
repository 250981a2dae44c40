"""Grade a class: the notebooks as they were collected become a table, a page, and a note for every learner.

    FOLDER ── collect ──▶ cells ── lift ──▶ functions ── worker ──▶ the package's own checks ──▶ grades.csv, index.html, notes/

Check cells of a notebook are never run, for anybody can write `print("right")` into one. Predictions are read from the stored
outputs, for running again would reset them.
"""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue

from auxformer.course.grading import pages
from auxformer.course.grading.cells import NoNotebook, lesson_of, own_models, predictions, read_cells
from auxformer.course.grading.collect import Collected, collect
from auxformer.course.grading.lift import Lifted, lift
from auxformer.course.grading.results import Class, Result
from auxformer.course.grading.worker import Verdict, Worker
from auxformer.course.lessons import find_lessons
from auxformer.errors import check_range
from auxformer.progress import progress

BOAST = "the notebook says right"


def grade(folder: Path, out: Path = Path("grades"), seconds: float = 10.0, jobs: int = 2) -> Class:
    """Grade what lies in a folder and write `grades.csv`, `predictions.csv`, `index.html` and `notes/` into `out`.

    Args:
        folder: Notebooks under any names, in folders or zip files or not; one zip file or notebook will do.
        out: Where the pages go.
        seconds: Time for one answer, 1..600; the checks take less than two.
        jobs: Answers tried at a time.

    Raises:
        InputError: there is no such folder, it holds no notebook, or `out` cannot be written.
    """
    check_range("seconds", seconds, 1, 600)
    found = grade_class(folder, seconds, jobs)
    pages.write(found, Path(out))
    return found


def grade_class(folder: Path, seconds: float = 10.0, jobs: int = 2) -> Class:
    """What `grade` writes down, without writing it."""
    found, trials = Class(find_lessons(), []), []
    for item in collect(folder):
        trials += _taken_apart(item, found)
    found.results.extend(_tried(trials, seconds, jobs))
    return found


def _taken_apart(item: Collected, found: Class) -> list[tuple[Result, Lifted | None]]:
    """(result so far, function to try or None) of a notebook's exercises; its predictions and models go into `found`."""
    whole = Result(item.learner, None, "", "unreadable", message=item.problem, where=item.where)
    if item.problem:
        return [(whole, None)]
    try:
        cells, title = read_cells(item.content)
    except NoNotebook as error:
        return [(replace(whole, message=str(error)), None)]
    lesson = lesson_of(cells, title, found.lessons, item.where)
    if lesson is None:
        reason = "is none of the lessons: no exercise of theirs is marked, defined or checked in it"
        return [(replace(whole, message=reason), None)]
    found.predictions.extend((item.learner, lesson.number, prediction) for prediction in predictions(cells))
    found.models.extend((item.learner, *row) for row in own_models(cells))
    trials = []
    for exercise in lesson.exercises:
        lifted = lift(cells, exercise, lesson)
        says_right = any(f"{exercise.name}: shape, mechanism, whole right." in cell.printed for cell in cells)
        remarks = (*lifted.remarks, *([BOAST] if says_right else []))
        result = Result(
            item.learner, lesson.number, exercise.name, lifted.state, "", lifted.reason, remarks, item.where
        )
        trials.append((result, None if lifted.state else lifted))
    return trials


def _tried(trials: Sequence[tuple[Result, Lifted | None]], seconds: float, jobs: int) -> Iterator[Result]:
    """The results with the verdicts of the checks, in their order."""
    jobs = max(1, min(jobs, os.cpu_count() or 1))
    free: SimpleQueue = SimpleQueue()
    with ExitStack() as workers, ThreadPoolExecutor(jobs) as pool:
        for _ in range(jobs):
            free.put(workers.enter_context(Worker(seconds)))

        def judged(trial: tuple[Result, Lifted | None]) -> Result:
            result, lifted = trial
            if lifted is None:
                return result
            worker = free.get()
            try:
                return _with(result, worker.judge(result.lesson, result.exercise, lifted.name, lifted.parts))
            finally:
                free.put(worker)

        yield from progress(pool.map(judged, trials), "grading", len(trials), "answer")


def _with(result: Result, verdict: Verdict) -> Result:
    """The verdict in the result; that a notebook says right is worth a remark only where it is not."""
    message = verdict.message.removeprefix(f"{result.exercise}, {verdict.stage}: ").removeprefix(f"{result.exercise}: ")
    remarks = tuple(part for part in result.remarks if part != BOAST or verdict.state != "passed")
    if message.startswith("nothing there yet"):
        return replace(result, state="untouched", message=message, remarks=remarks)
    return replace(result, state=verdict.state, stage=verdict.stage, message=message, remarks=remarks)
