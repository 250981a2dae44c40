"""A class that hands in: notebooks of learners who are right, wrong, unfinished, tampering, and in trouble."""

import copy
import json
import re
import zipfile
from pathlib import Path

import nbformat

from auxformer.course.lessons import Lesson, find_lessons

ROOT = Path(__file__).parents[1]
LESSONS = find_lessons(folder=ROOT / "notebooks" / "source")
UNTOUCHED = r"(?:you made no prediction;|the guess was left at [\d.]+,) measured"
"""As a prediction that nobody made is printed, today and in notebooks of before."""


def student_book(lesson: Lesson):
    """The notebook that students get."""
    return nbformat.read(ROOT / "notebooks" / "student" / f"{lesson.name}.ipynb", as_version=4)


def solved_book(lesson: Lesson, answers: dict[str, str] | None = None):
    """The student's notebook with the solutions, or other sources by exercise, and the outputs of a whole run."""
    book, whole = student_book(lesson), nbformat.read(ROOT / "notebooks" / f"{lesson.name}.ipynb", as_version=4)
    outputs = {cell.id: cell for cell in whole.cells if cell.cell_type == "code"}
    sources = {exercise.name: exercise.solution for exercise in lesson.exercises} | (answers or {})
    for cell in book.cells:
        if cell.cell_type == "code":
            cell.source = sources.get(cell.metadata.get("exercise"), cell.source)
            cell.outputs, cell.execution_count = outputs[cell.id].outputs, outputs[cell.id].execution_count
    return book


def said(book, numbers):
    """The notebook with predictions written down: the n-th is `numbers[n % len]`."""
    book, count = copy.deepcopy(book), 0
    for cell in book.cells:
        for output in cell.get("outputs", []):
            if "text" in output:
                for _ in re.findall(UNTOUCHED, output.text):
                    said = f"you said {numbers[count % len(numbers)]:.2f}, measured"
                    output.text = re.sub(UNTOUCHED, said, output.text, count=1)
                    count += 1
    return book


def without_marks(book):
    """As some editors leave it: no metadata, no ids of the course, no markdown."""
    book = copy.deepcopy(book)
    book.cells = [cell for cell in book.cells if cell.cell_type == "code"]
    for number, cell in enumerate(book.cells):
        cell.metadata, cell.id = nbformat.from_dict({}), f"cell{number}"
    book.metadata = nbformat.from_dict({})
    return book


def save(book, path: Path) -> Path:
    """Write a notebook, or text as it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(book if isinstance(book, str) else nbformat.writes(book), encoding="utf-8")
    return path


def zipped(folder: Path) -> Path:
    """A zip file in the place of a folder."""
    path = folder.with_suffix(".zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, file.relative_to(folder))
            if file.is_file():
                file.unlink()
    return path


def huge(path: Path, megabytes: int) -> Path:
    """A notebook of so many MB that takes no room on the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(json.dumps({"cells": []}).encode())
        file.truncate(megabytes << 20)
    return path
