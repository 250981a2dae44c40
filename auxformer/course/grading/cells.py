"""A notebook read with care: its cells, which lesson it is, and what it says was predicted."""

import ast
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from auxformer.course.lessons import Lesson

LONGEST = 100_000
"""Characters of a cell; more is no code that somebody wrote."""
AGAINST = re.compile(
    r"(?:(?P<how>you said|left at|nothing|not)[^\n]*?)??(?P<said>-?\d*\.?\d+)?[,;:]? measured (?P<measured>-?\d*\.?\d+)"
)
VALUE = re.compile(r"you said:? (?P<said>[^|;\n]+?)(?: for the \w+)?\s*(?:[|;]|$)", re.MULTILINE)
BOARD_ROW = re.compile(r"^(\S+) +(\d\.\d+|NaN) +(\d\.\d+|NaN) +(\d\.\d+|NaN) +(\S+) +(\S+)$", re.MULTILINE)


@dataclass(frozen=True)
class Cell:
    """A code cell: `number` as it stands among the code cells, from 1; `marked` is the exercise it is meant for."""

    number: int
    source: str
    id: str
    marked: str
    printed: str

    @property
    def statements(self) -> list[ast.stmt]:
        """Its statements, lines of IPython's own left out; none where it is no Python."""
        try:
            return ast.parse(self.code).body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return []

    @property
    def code(self) -> str:
        """The source with IPython's own lines made empty, so that lines keep their numbers."""
        return re.sub(r"^\s*[%!?].*$", "", self.source, flags=re.MULTILINE)


@dataclass(frozen=True)
class Prediction:
    """What somebody expected: `said` is "" where nothing was entered, or the cell never ran."""

    question: str
    said: str
    measured: str
    state: str


class NoNotebook(ValueError):
    """The bytes are no notebook; the message says why."""


def read_cells(content: bytes) -> tuple[list[Cell], str]:
    """(code cells, title) of a notebook.

    Raises:
        NoNotebook: these bytes are none.
    """
    try:
        book = json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError, MemoryError) as error:
        raise NoNotebook(f"is no notebook: {_first_line(error)}") from error
    cells = book.get("cells") if isinstance(book, dict) else None
    if cells is None and isinstance(book, dict) and isinstance(book.get("worksheets"), list):
        cells = [cell for sheet in book["worksheets"] if isinstance(sheet, dict) for cell in sheet.get("cells") or []]
    if not isinstance(cells, list):
        raise NoNotebook("is no notebook: it has no cells")
    code = [cell for cell in cells if isinstance(cell, dict) and cell.get("cell_type") == "code"]
    first = next((_text(cell.get("source")) for cell in cells if isinstance(cell, dict)), "")
    metadata = book.get("metadata") if isinstance(book.get("metadata"), dict) else {}
    return [
        _cell(number, cell) for number, cell in enumerate(code, start=1)
    ], f"{metadata.get('title', '')}\n{first[:300]}"


def _cell(number: int, cell: dict) -> Cell:
    metadata = cell.get("metadata") if isinstance(cell.get("metadata"), dict) else {}
    source = _text(cell.get("source", cell.get("input")))
    outputs = cell.get("outputs") if isinstance(cell.get("outputs"), list) else []
    printed = "".join(_text(output.get("text")) for output in outputs if isinstance(output, dict))
    return Cell(
        number, source if len(source) <= LONGEST else "", str(cell.get("id") or metadata.get("id") or ""),
        str(metadata.get("exercise") or ""), printed[:LONGEST],
    )  # fmt: skip


def _text(value) -> str:
    if isinstance(value, list):
        return "".join(part for part in value if isinstance(part, str))
    return value if isinstance(value, str) else ""


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]


def lesson_of(cells: Sequence[Cell], title: str, lessons: Sequence[Lesson], where: str = "") -> Lesson | None:
    """Which lesson it is, whatever its name: by the exercises it marks, defines or checks, its title, its name last."""
    defined = {name for cell in cells for statement in cell.statements for name in bound(statement)}
    text = "\n".join(cell.source for cell in cells)

    def likeness(lesson: Lesson) -> int:
        names = {exercise.name for exercise in lesson.exercises}
        points = 3 * len(names & {cell.marked for cell in cells}) + 2 * len(names & defined)
        points += sum(f"lesson{lesson.number}.{name}(" in text for name in names)
        points += 3 * (f"Lesson {lesson.number} · {lesson.title}" in title) + (lesson.name in where)
        return points

    best = max(lessons, key=likeness)
    return best if likeness(best) else None


def bound(statement: ast.stmt) -> set[str]:
    """Names that a statement of a cell's outermost level gives a meaning to."""
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return {statement.name}
    if isinstance(statement, (ast.Import, ast.ImportFrom)):
        return {alias.asname or alias.name.split(".")[0] for alias in statement.names}
    if isinstance(statement, (ast.Assign, ast.AnnAssign)):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        return {node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)}
    return set()


def predictions(cells: Sequence[Cell]) -> list[Prediction]:
    """What was predicted and what came out, as the outputs of the notebook have it, in the order of the questions."""
    asked, answers, shown = {}, {}, set()
    for cell in cells:
        uses: list[tuple] = []
        for node in (part for statement in cell.statements for part in ast.walk(statement)):
            if isinstance(node, ast.Assign) and _is_predict(node.value) and isinstance(node.targets[0], ast.Name):
                asked[node.targets[0].id] = _question(node.value)
            elif (
                isinstance(node, ast.Attribute)
                and isinstance(node.value, ast.Name)
                and node.attr in ("against", "value")
            ):
                uses.append((node.lineno, node.col_offset, node.value.id, node.attr))
        for kind, pattern in (("against", AGAINST), ("value", VALUE)):
            names = [name for *_, name, attribute in sorted(uses) if attribute == kind and name in asked]
            shown |= set(names)
            for name, match in zip(names, pattern.finditer(cell.printed)):
                answers.setdefault(name, match)
    return [_prediction(*asked[name], answers.get(name)) for name in asked if name in shown]


def _is_predict(node) -> bool:
    return (
        isinstance(node, ast.Call) and isinstance(node.func, (ast.Attribute, ast.Name)) and _called(node) == "predict"
    )


def _called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id


def _question(call: ast.Call) -> tuple[str, str]:
    """(question, what stood there before anybody chose) of `lab.predict(...)`."""
    values = {"question": "a prediction", "default": ""}
    given = dict(zip(values, call.args)) | {keyword.arg: keyword.value for keyword in call.keywords}
    for name in values:
        if isinstance(given.get(name), ast.Constant) and given[name].value is not None:
            values[name] = str(given[name].value)
    return values["question"], values["default"]


def _prediction(question: str, default: str, match: re.Match | None) -> Prediction:
    if match is None:
        return Prediction(question, "", "", "not run")
    found = match.groupdict()
    said, measured = (found.get("said") or "").strip(), found.get("measured") or ""
    touched = said and not _same(said, default) and found.get("how", "you said") == "you said"
    return Prediction(question, said if touched else "", measured, "given" if touched else "untouched")


def _same(said: str, default: str) -> bool:
    """Whether what a notebook prints is what stood there before anybody chose."""
    try:
        return float(said) == float(default)
    except ValueError:
        return said in (default, "None", "nothing")


def own_models(cells: Sequence[Cell]) -> list[tuple[str, str, str, str, str]]:
    """(name, complete, no-audio, no-video, parameters) of the rows that the last leaderboard of a notebook has and its first
    has not: the models somebody registered."""
    boards = [
        BOARD_ROW.findall(cell.printed) for cell in cells if "no-audio" in cell.printed and "parameters" in cell.printed
    ]
    boards = [board for board in boards if board]
    if len(boards) < 2:
        return []
    before = {row[0] for row in boards[0]}
    return [row[:5] for row in boards[-1] if row[0] not in before]
