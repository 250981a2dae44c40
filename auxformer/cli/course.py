"""auxformer course: run and build the lessons."""

from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

from auxformer.cli.settings import parse_pairs

app = typer.Typer(no_args_is_help=True, help="Run and build the lessons.", epilog="Example: auxformer course run 2")

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
