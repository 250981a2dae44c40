"""The class on paper: two tables as CSV, a page that needs no network, and a note in Markdown for every learner."""

import csv
import io
import re
from collections import Counter
from pathlib import Path
from statistics import median

from auxformer.course.grading.cells import Prediction
from auxformer.course.grading.results import STATES, Class, Result
from auxformer.course.lessons import Exercise, Lesson
from auxformer.files import make_folder, write_text

TEMPLATES = Path(__file__).parents[1] / "templates"
STAGES = ("shape", "mechanism", "whole")
SIGNS = {
    "passed": "✓", "too long": "∞", "crashed": "✕", "refused": "✕", "no Python": "✕", "untouched": "·", "missing": "·", "unreadable": "?",
}  # fmt: skip
"""One sign per state; a failed answer has the first letter of its stage."""


def write(found: Class, out: Path) -> None:
    """Write `grades.csv`, `predictions.csv`, `index.html` and `notes/NAME.md` into `out`.

    Raises:
        InputError: it cannot be written.
    """
    make_folder(out / "notes")
    write_text(out / "grades.csv", grades_csv(found))
    write_text(out / "predictions.csv", predictions_csv(found))
    notes = note_names(found.learners)
    for learner, name in notes.items():
        write_text(out / "notes" / name, note(found, learner))
    write_text(out / "index.html", page(found, notes))


def grades_csv(found: Class) -> str:
    """A row per exercise of every notebook, and one per notebook that could not be read."""
    header = ["learner", "lesson", "exercise", "state", "stage", "message", "remarks", "file"]
    rows = [
        [r.learner, "" if r.lesson is None else r.lesson, r.exercise, r.state, r.stage, r.message, "; ".join(r.remarks), r.where]
        for r in found.results
    ]  # fmt: skip
    return _csv(header, rows)


def predictions_csv(found: Class) -> str:
    """A row per prediction of every notebook: what was said, what was measured."""
    rows = [[learner, lesson, p.question, p.state, p.said, p.measured] for learner, lesson, p in found.predictions]
    return _csv(["learner", "lesson", "question", "state", "said", "measured"], rows)


def _csv(header: list[str], rows: list[list]) -> str:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(header)
    for row in rows:
        # a cell that begins like a formula would be calculated by a spreadsheet
        writer.writerow([f"'{cell}" if re.match(r"[=@\t\r]|[+-](?![\d.]+$)", str(cell)) else cell for cell in row])
    return file.getvalue()


def note_names(learners: list[str]) -> dict[str, str]:
    """Learner -> file name of the note, without what file systems object to, no two alike."""
    names: dict[str, str] = {}
    for learner in learners:
        stem = re.sub(r"[^\w.-]+", "-", learner).strip("-.")[:80] or "learner"
        taken = {name.casefold() for name in names.values()}
        number = next(n for n in range(1, len(learners) + 2) if _note_name(stem, n).casefold() not in taken)
        names[learner] = _note_name(stem, number)
    return names


def _note_name(stem: str, number: int) -> str:
    return f"{stem}.md" if number == 1 else f"{stem}-{number}.md"


def note(found: Class, learner: str) -> str:
    """What a learner is told: what passed, what does not and why, and the predictions furthest from what was measured."""
    lines = [f"# {learner}", "", f"{found.passed(learner)} of {len(found.exercises)} exercises pass their checks.", ""]
    for lesson in found.taken:
        lines += [f"## Lesson {lesson.number} · {lesson.title}", ""]
        for exercise in lesson.exercises:
            lines += _lines_on(exercise, found.best(learner, exercise))
        lines += [*_misses(found, learner, lesson), ""]
    unread = [result for result in found.results if result.learner == learner and not result.exercise]
    if unread:
        lines += ["## Not read", "", *(f"- {result.where}: {result.message}" for result in unread), ""]
    return "\n".join(lines)


def _lines_on(exercise: Exercise, result: Result | None) -> list[str]:
    if result is None:
        return [f"- {exercise.title}: not handed in"]
    if result.state == "passed":
        return [f"- {exercise.title}: passed"]
    stage = f" at the stage *{result.stage}*" if result.stage else ""
    said = [line.strip() for line in result.message.splitlines() if line.strip()]
    return [f"- {exercise.title}: {STATES[result.state]}{stage}", *(f"  - {line}" for line in said)]


def _misses(found: Class, learner: str, lesson: Lesson) -> list[str]:
    own = [p for who, number, p in found.predictions if who == learner and number == lesson.number]
    if not own:
        return []
    given = [p for p in own if p.state == "given"]
    lines = ["", f"{len(given)} of {len(own)} predictions were written down."]
    numbers = [p for p in given if _number(p.said) is not None and _number(p.measured) is not None]
    if numbers:
        worst = max(numbers, key=lambda p: abs(_number(p.said) - _number(p.measured)))
        lines.append(f"Furthest off: *{worst.question}*, you said {worst.said}, measured {worst.measured}.")
    return lines


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def page(found: Class, notes: dict[str, str]) -> str:
    """The class as one HTML page."""
    from jinja2 import Environment, FileSystemLoader

    templates = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    graded = [result for result in found.results if result.exercise]
    own = sorted(found.models, key=lambda row: -(_number(row[2]) or 0))
    return templates.get_template("class.html.j2").render(
        learners=found.learners, lessons=found.taken, notes=notes, files=len({result.where for result in found.results}),
        passed=sum(map(found.passed, found.learners)), asked=len(found.exercises) * len(found.learners),
        rows=[_row(found, learner) for learner in found.learners], failing=[_failing(found, *pair) for pair in found.exercises],
        asked_of=_asked(found), models=own, unread=[result for result in found.results if not result.exercise],
        remarked=[result for result in graded if result.remarks or result.state in ("refused", "too long", "crashed", "no Python")],
        states=STATES,
    )  # fmt: skip


def _row(found: Class, learner: str) -> dict:
    """A learner's line of the first table: (sign, kind, text) per exercise."""
    cells = []
    for place, (lesson, exercise) in enumerate(found.exercises):
        result = found.best(learner, exercise)
        first = not place or found.exercises[place - 1][0] is not lesson
        sign, kind, text = ("", "none", "not handed in")
        if result is not None:
            sign = result.stage[:1] if result.state == "failed" else SIGNS[result.state]
            kind = result.state if result.state in ("passed", "failed") else "other"
            text = f"{STATES[result.state]} {result.stage} {result.message}".strip()
        cells.append({"sign": sign, "kind": kind, "text": f"{exercise.name}: {text}", "first": first})
    return {"learner": learner, "cells": cells, "passed": found.passed(learner), "points": found.points(learner)}


def _failing(found: Class, lesson: Lesson, exercise: Exercise) -> dict:
    """Where the class stands in an exercise: counts by stage, and what the check says most often."""
    results = [result for learner in found.learners if (result := found.best(learner, exercise)) is not None]
    stages = Counter(result.stage for result in results if result.state == "failed")
    said = Counter(result.message.split("\n")[0] for result in results if result.state == "failed")
    message, times = said.most_common(1)[0] if said else ("", 0)
    parts = [
        ("passed", sum(result.state == "passed" for result in results)),
        *((stage, stages[stage]) for stage in STAGES),
    ]
    parts.append(("not tried", len(found.learners) - sum(count for _, count in parts)))
    return {"lesson": lesson.number, "name": exercise.name, "parts": parts, "message": message, "times": times}


def _asked(found: Class) -> list[dict]:
    """The predictions of the class by question: dots for numbers, counts for choices."""
    by_question: dict[tuple[int, str], list[Prediction]] = {}
    for _, lesson, prediction in found.predictions:
        by_question.setdefault((lesson, prediction.question), []).append(prediction)
    rows = []
    for (lesson, question), own in sorted(by_question.items(), key=lambda item: item[0][0]):
        given = [p for p in own if p.state == "given"]
        measured = [number for p in own if (number := _number(p.measured)) is not None]
        numbers = [number for p in given if (number := _number(p.said)) is not None]
        rows.append({
            "lesson": lesson, "question": question, "given": len(given), "all": len(own),
            "measured": median(measured) if measured else None, "dots": _stacked(numbers) if measured or numbers else [],
            "choices": [] if measured or numbers else Counter(p.said for p in given).most_common(6),
        })  # fmt: skip
    return rows


def _stacked(numbers: list[float]) -> list[tuple[float, int]]:
    """(place in 0..1, height) of dots: those of one place stand on each other."""
    counts: Counter = Counter()
    dots = []
    for number in sorted(min(max(number, 0.0), 1.0) for number in numbers):
        place = round(number * 50) / 50
        dots.append((place, counts[place]))
        counts[place] += 1
    return dots
