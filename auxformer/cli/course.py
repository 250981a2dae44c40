"""auxformer course: run, build and grade the lessons."""

from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

from auxformer.cli.settings import parse_pairs

app = typer.Typer(
    no_args_is_help=True, help="Run, build and grade the lessons.", epilog="Example: auxformer course run 2"
)

Lessons = Annotated[list[str] | None, Argument(help="Numbers or names; all when none is given.")]


@app.command("ls")
def ls():
    """The lessons, their questions and how long they take.

    Example: auxformer course ls
    """
    from auxformer.course.lessons import describe_lessons, find_lessons

    print(describe_lessons(find_lessons()))


@app.command("run")
def run(
    lessons: Lessons = None,
    parameter: Annotated[list[str] | None, Option("-p", "--parameter", help="NAME=VALUE; may be given again.")] = None,
    profile: Annotated[str, Option(help="quick or full.")] = "quick",
    out: Annotated[Path, Option(help="Folder for the executed lessons and their pages.")] = Path("build/course"),
    fresh: Annotated[bool, Option(help="Run lessons again whose source has not changed.")] = False,
    jobs: Annotated[int, Option(min=1, help="Lessons at a time; with more than one, each has one thread.")] = 1,
):
    """Run lessons headless; stops at the first that fails and names the cell.

    Example: auxformer course run 2 3 -p epochs=4
    """
    from auxformer.course.run import run_lessons

    run_lessons(lessons or None, parse_pairs(parameter or (), "-p"), profile, out, not fresh, jobs)


@app.command("build")
def build(
    lessons: Lessons = None,
    texts_only: Annotated[bool, Option(help="Run nothing and keep the outputs: for a change of words.")] = False,
):
    """Run the sources and write the notebooks that are committed, with their student versions.

    Examples:

    - auxformer course build 5
    - auxformer course build --texts-only
    """
    from auxformer.course.build import build_lessons

    for path in build_lessons(lessons or None, texts_only=texts_only):
        print(path)


@app.command("student")
def student(lessons: Lessons = None):
    """Write the student notebooks (stubs in place of solutions) without running anything.

    Example: auxformer course student 5
    """
    from auxformer.course.build import build_students

    for path in build_students(lessons or None):
        print(path)


@app.command("grade")
def grade(
    folder: Annotated[Path, Argument(help="Notebooks as collected: any names, folders, zip files; or one of them.")],
    out: Annotated[Path, Option(help="Folder for the tables, the page and the notes.")] = Path("grades"),
    seconds: Annotated[float, Option(help="Time for one answer, 1..600.")] = 10.0,
    jobs: Annotated[int, Option(min=1, help="Answers tried at a time.")] = 2,
):
    """Grade notebooks that learners handed in: lifts their functions, runs the package's own checks on them.

    Writes grades.csv, predictions.csv, index.html and a note per learner. Cells of a notebook are never run as they stand;
    an answer that is endless, broken or not there is a line in the table. For work of people you do not know, use a virtual
    machine.

    Examples:

    - auxformer course grade handed-in
    - auxformer course grade handed-in.zip --out grades/week-3 --jobs 4
    """
    from auxformer.course.grade import grade as grade_all

    found = grade_all(folder, out, seconds, jobs)
    people, unread = len(found.learners), sum(not result.exercise for result in found.results)
    passed, asked = sum(map(found.passed, found.learners)), len(found.exercises) * people
    left = f"{unread} file{'s' * (unread != 1)} not read" if unread else "no file left unread"
    print(f"{people} learner{'s' * (people != 1)}: {passed} of {asked} answers pass, {left}")
    print(out / "index.html")
