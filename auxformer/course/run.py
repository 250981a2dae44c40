"""Lessons run headless: parameters checked first, written aside and moved on success, one page each and an index."""

import functools
import hashlib
import json
import os
from pathlib import Path
from unittest import mock

from auxformer.course import build, page
from auxformer.course.lessons import Lesson, find_lessons, project_root
from auxformer.errors import InputError, TrainingError, suggest
from auxformer.parallel import in_parallel


class LessonFailed(TrainingError):
    """A lesson stopped; the message names the lesson, the cell and the last line of the error."""


HEADLESS = {
    "AUXFORMER_HEADLESS": "1",  # nobody watches: explorers draw the ends of their controls
    "PYTHONWARNINGS": "default",  # a lesson's output holds every warning
    "KINETO_LOG_LEVEL": "9",  # the profiler's own chatter
}
"""Environment of a kernel that runs a lesson."""


def run_lessons(
    lessons=None, parameters: dict | None = None, profile: str = "quick", out="build/course", reuse: bool = True,
    jobs: int = 1,
) -> list[dict]:  # fmt: skip
    """Run lessons in order and write `NN_name.ipynb`, `NN_name.html` and `index.html` into `out`.

    Args:
        lessons: Numbers or names; None for all.
        parameters: Replace values of the lessons' parameters cells, in every lesson that has them.
        profile: "quick" runs a lesson's own defaults; other profiles stand in the lessons' headers, and a lesson that does not
            have the one asked for runs with its defaults.
        out: Folder for the results; a relative one is taken from the project's root.
        reuse: Keep the result of a lesson whose source, parameters and package code have not changed.
        jobs: Lessons at a time; with more than one, each has one thread.

    Returns:
        Per lesson: number, name, title, question, seconds, reused, notebook and page (file names in `out`).

    Raises:
        InputError: a parameter that no lesson has, or an unknown profile, with the nearest name.
        LessonFailed: at the first lesson that stops; the ones before it are kept, and so is what it had done, as
            `NN_name.failed.ipynb`.
    """
    root = project_root()
    out = root / out
    chosen = find_lessons(lessons)
    _refuse_unknown(parameters or {}, profile, chosen)
    out.mkdir(parents=True, exist_ok=True)
    one = functools.partial(_run_or_reuse, parameters=parameters or {}, profile=profile, out=out, reuse=reuse)
    longest_first = sorted(chosen, key=lambda lesson: -lesson.seconds) if jobs > 1 else chosen
    results = []
    for lesson, result in in_parallel(one, longest_first, jobs):
        note = "kept from before" if result["reused"] else f"{result['seconds']:.1f} s"
        print(f"lesson {lesson.number} {lesson.title}: {note}", flush=True)
        results.append(result)
    results.sort(key=lambda result: result["number"])
    page.write_index(results, out / "index.html")
    return results


def execute(lesson: Lesson, parameters: dict, path: Path):
    """Run one lesson through papermill, from `notebooks/` as working folder as in JupyterLab; returns its notebook.

    Args:
        lesson: What to run.
        parameters: Names of the lesson's parameters cell; papermill would only log another one.
        path: Where the executed notebook goes when it ran to its end.

    Raises:
        LessonFailed: a cell raised, or the kernel died.
    """
    import nbformat
    import papermill
    from nbclient.exceptions import CellTimeoutError, DeadKernelError

    path = Path(path).absolute()
    path.parent.mkdir(parents=True, exist_ok=True)
    source, part = path.with_name(f".{path.stem}.source.ipynb"), path.with_name(f".{path.stem}.part.ipynb")
    build.write_notebook(build.complete_notebook(lesson), source)
    failed = path.with_name(f"{path.stem}.failed.ipynb")
    try:
        with mock.patch.dict(os.environ, HEADLESS):
            papermill.execute_notebook(
                str(source), str(part), parameters=parameters, cwd=str(lesson.path.parent.parent), kernel_name="python3",
                progress_bar=False, log_output=False, request_save_on_cell_execute=False, execution_timeout=1200, extra_arguments=["--log-level=50"],
            )  # fmt: skip
    except (papermill.PapermillExecutionError, DeadKernelError, CellTimeoutError) as error:
        if part.exists():
            part.replace(failed)
        raise LessonFailed(_explain(lesson, error, failed)) from error
    finally:
        source.unlink(missing_ok=True)
    part.replace(path)
    failed.unlink(missing_ok=True)
    return nbformat.read(path, as_version=4)


def _run_or_reuse(lesson: Lesson, parameters: dict, profile: str, out: Path, reuse: bool) -> dict:
    values = lesson.profiles.get(profile, {}) | parameters
    parameters = {name: value for name, value in values.items() if name in lesson.parameters}
    digest = _digest(lesson, parameters)
    record = out / f"{lesson.name}.json"
    if reuse and record.exists():
        before = json.loads(record.read_text())
        if before["digest"] == digest and (out / before["notebook"]).exists() and (out / before["page"]).exists():
            return before | {"reused": True}
    record.unlink(missing_ok=True)
    executed = execute(lesson, parameters, out / f"{lesson.name}.ipynb")
    notebook = build.strip(executed)
    build.write_notebook(notebook, out / f"{lesson.name}.ipynb")
    build.write_notebook(build.student_notebook(lesson, notebook), out / "student" / f"{lesson.name}.ipynb")
    page.write_page(notebook, out / f"{lesson.name}.html")
    result = {
        "number": lesson.number, "name": lesson.name, "title": lesson.title, "question": lesson.question, "digest": digest,
        "seconds": round(executed.metadata.papermill.duration, 1), "notebook": f"{lesson.name}.ipynb", "page": f"{lesson.name}.html",
    }  # fmt: skip
    record.write_text(json.dumps(result, indent=1))
    return result | {"reused": False}


def _digest(lesson: Lesson, parameters: dict) -> str:
    """Twelve hex digits over everything a lesson's result depends on: its source, its parameters, the package's code."""
    what = lesson.path.read_bytes() + json.dumps(parameters, sort_keys=True).encode() + _code()
    return hashlib.sha256(what).hexdigest()[:12]


@functools.cache
def _code() -> bytes:
    """Digest of the package as it stood when this process first asked."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parents[1].rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.digest()


def _refuse_unknown(parameters: dict, profile: str, lessons: list[Lesson]) -> None:
    profiles = {"quick"} | {name for lesson in find_lessons() for name in lesson.profiles}
    if profile not in profiles:
        raise InputError(f'no lesson has a profile "{profile}".{suggest(profile, profiles)}')
    known = {name for lesson in lessons for name in lesson.parameters}
    for name in parameters:
        if name not in known:
            raise InputError(f'no lesson to run has a parameter "{name}".{suggest(name, known)}')


def _explain(lesson: Lesson, error, failed: Path) -> str:
    if hasattr(error, "cell_index"):
        # papermill counts its own injected cells: name the cell by what it says, too.
        first = error.source.strip().partition("\n")[0]
        where, what = f"In [{error.exec_count}], `{first[:60]}`", f"{error.ename}: {error.evalue}".splitlines()[0]
    else:
        where, what = "the kernel", str(error).strip().splitlines()[-1]
    return f"lesson {lesson.number} ({lesson.name}) stopped at {where}: {what} (what it had done: {failed.name})"
