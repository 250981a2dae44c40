"""Which lessons there are, and how a lesson's source is read.

A lesson is one file `notebooks/source/NN_name.py` in jupytext's percent format. Its header names it; its cells carry a few
conventions (`notebooks/source/README.md`) that `course.build` turns into the notebooks people open.
"""

import ast
import re
from dataclasses import dataclass, field
from pathlib import Path

from auxformer.errors import InputError, suggest

HEADER_KEYS = ("number", "title", "question", "reading", "exercises", "seconds")
EXERCISE_KEYS = ("difficulty", "importance", "minutes")
ANSWER = re.compile(
    r"^(?P<indent> *)# SOLUTION\n(?P<solution>(?:.*\n)*?)(?: *# STUB\n(?P<stub>(?:.*\n)*?))? *# END(?:\n|\Z)",
    re.MULTILINE,
)
"""A solution, and the stub in its place when there is one, its lines commented out."""


@dataclass(frozen=True)
class Exercise:
    """An exercise of a lesson: `name` is its check's name in `course.checks.lessonN`; solution and stub are cell sources."""

    name: str
    title: str
    difficulty: int
    importance: int
    minutes: int
    solution: str
    stub: str


@dataclass(frozen=True)
class Lesson:
    """A lesson as its source describes it.

    Attributes:
        number, title, question: What it is called and the one question it answers.
        reading, minutes: Minutes for reading and for the exercises.
        seconds: Measured run time on two cores, from built feature stores.
        path: The source file.
        objectives: (what one will be able to do, name of the check that shows it).
        exercises: In their order.
        parameters: Name -> default of the parameters cell.
        profiles: Profile name -> parameters it changes.
    """

    number: int
    title: str
    question: str
    reading: int
    minutes: int
    seconds: int
    path: Path
    objectives: tuple[tuple[str, str], ...] = ()
    exercises: tuple[Exercise, ...] = ()
    parameters: dict = field(default_factory=dict)
    profiles: dict = field(default_factory=dict)

    @property
    def name(self) -> str:
        """File name without ending, "00_orientation"."""
        return self.path.stem


def project_root() -> Path:
    """The folder that holds `notebooks/` and `data/`: the current folder or one above it, else that of the package.

    Raises:
        InputError: neither has a `notebooks/source` folder.
    """
    here = Path.cwd()
    for folder in (here, *here.parents, Path(__file__).resolve().parents[2]):
        if (folder / "notebooks" / "source").is_dir():
            return folder
    raise InputError(f"{here}: no notebooks/source folder here or above; run this inside a copy of the project.")


def find_lessons(wanted=None, folder: Path | None = None) -> list[Lesson]:
    """The lessons, in order.

    Args:
        wanted: Numbers or names of lessons ("0", 0, "00_orientation", "orientation"); None for all.
        folder: Where the sources lie; the project's by default.

    Raises:
        InputError: a lesson that does not exist, with the nearest name, or a source that is not as it should be.
    """
    folder = project_root() / "notebooks" / "source" if folder is None else Path(folder)
    paths = sorted(folder.glob("[0-9][0-9]_*.py"))
    if not paths:
        raise InputError(f"{folder}: no lesson here, expected files named NN_name.py.")
    if wanted is not None:
        paths = [_find(str(item), paths) for item in wanted]
    return [read_lesson(path) for path in paths]


def _find(wanted: str, paths: list[Path]) -> Path:
    names = {}
    for path in paths:
        number, name = path.stem.split("_", 1)
        names |= {path.stem: path, name: path, number: path, str(int(number)): path}
    if wanted not in names:
        raise InputError(f'there is no lesson "{wanted}".{suggest(wanted, [path.stem for path in paths])}')
    return names[wanted]


def read_source(path: Path):
    """The source as an nbformat notebook, exactly as written (conventions not yet expanded)."""
    import jupytext

    return jupytext.reads(Path(path).read_text(encoding="utf-8"), fmt="py:percent")


def read_lesson(path: Path) -> Lesson:
    """What a source says about itself.

    Raises:
        InputError: a header key is missing, or an exercise has no solution cell.
    """
    notebook = read_source(path)
    header = dict(notebook.metadata.get("lesson", {}))
    missing = [key for key in HEADER_KEYS if key not in header]
    if missing:
        lacking = ", ".join(missing)
        raise InputError(f"{path}: the header's `lesson` part lacks {lacking}; see notebooks/source/README.md.")
    named = {key: header[key] for key in HEADER_KEYS if key != "exercises"}
    return Lesson(
        **named, minutes=header["exercises"], path=Path(path), profiles=dict(header.get("profiles", {})),
        objectives=_objectives(notebook), exercises=_exercises(notebook, path), parameters=_parameters(notebook, path),
    )  # fmt: skip


def _objectives(notebook) -> tuple[tuple[str, str], ...]:
    """The numbered lines under "You will be able to", each ending in "(check: `name`)"."""
    text = re.sub(r"\n {2,}", " ", notebook.cells[0].source)  # a line may be continued, indented
    return tuple(re.findall(r"^\d+\. (.+?) \(check: `(\w+)`\)", text, flags=re.MULTILINE))


def _exercises(notebook, path: Path) -> tuple[Exercise, ...]:
    marked = [cell for cell in notebook.cells if "exercise" in cell.metadata]
    tasks = {cell.metadata["exercise"]: cell for cell in marked if cell.cell_type == "markdown"}
    answers = {cell.metadata["exercise"]: cell for cell in marked if is_answer(cell)}
    if set(tasks) != set(answers):
        odd = ", ".join(sorted(set(tasks) ^ set(answers)))
        raise InputError(f"{path}: {odd} needs both a Markdown cell and a code cell marked with `exercise`.")
    found = []
    for name, cell in tasks.items():
        lacking = [key for key in EXERCISE_KEYS if key not in cell.metadata]
        if lacking:
            raise InputError(f"{path}: the exercise {name} lacks {', '.join(lacking)} in its cell's metadata.")
        title = re.search(r"^#+ (.+)$", cell.source, flags=re.MULTILINE)
        numbers = {key: cell.metadata[key] for key in EXERCISE_KEYS}
        solution, stub = split_answer(answers[name].source, f"{path}: exercise {name}")
        found.append(Exercise(name, title[1] if title else name, **numbers, solution=solution, stub=stub))
    return tuple(found)


def is_answer(cell) -> bool:
    """True for the code cell that holds an exercise's solution and stub."""
    return cell.cell_type == "code" and "exercise" in cell.metadata


def split_answer(source: str, where: str) -> tuple[str, str]:
    """(solution, stub) of a cell with `# SOLUTION`, an optional `# STUB` (its lines commented out) and `# END`.

    >>> solution, stub = split_answer("def f(x):\\n    # SOLUTION\\n    return x\\n    # END", "here")
    >>> print(stub)
    def f(x):
        raise NotImplementedError("your turn")
    """
    solution = ANSWER.sub(lambda found: found["solution"], source)
    stub = ANSWER.sub(_stub, source)
    if solution == source or re.search(r"^\s*# (SOLUTION|STUB|END)\s*$", solution + "\n" + stub, flags=re.MULTILINE):
        raise InputError(f"{where}: expected # SOLUTION ... # STUB ... # END in its code cell.")
    return solution.rstrip("\n"), stub.rstrip("\n")


def _stub(found: re.Match) -> str:
    if found["stub"] is None:
        return f'{found["indent"]}raise NotImplementedError("your turn")\n'
    return re.sub(r"^( *)# ?", r"\1", found["stub"], flags=re.MULTILINE)


def _parameters(notebook, path: Path) -> dict:
    """Names and literal defaults of the cell tagged "parameters"."""
    cells = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    if len(cells) != 1:
        raise InputError(f"{path}: {len(cells)} cells are tagged parameters, expected one.")
    values = {}
    for statement in ast.parse(cells[0].source).body:
        try:
            values[statement.targets[0].id] = ast.literal_eval(statement.value)
        except (AttributeError, ValueError) as error:
            raise InputError(
                f"{path}: line {statement.lineno} of the parameters cell is not `name = literal`; derive values in the next cell."
            ) from error
    return values


def describe_lessons(lessons: list[Lesson]) -> str:
    """One line per lesson, for the terminal."""
    return "\n".join(
        f"{lesson.number}  {lesson.title:<28} {lesson.reading + lesson.minutes:>3} min  {lesson.question}"
        for lesson in lessons
    )
