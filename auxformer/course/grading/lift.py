"""A learner's function lifted out of a notebook, with what it needs and nothing else.

What it needs is followed by name: the function's own cell, helpers and constants from other cells, imports. Cells that open a
corpus, train or call a check are never run.
"""

import ast
import builtins
import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from auxformer.course.grading.cells import Cell, bound
from auxformer.course.lessons import Exercise, Lesson, read_source

LIBRARIES = {
    "numpy", "torch", "scipy", "pandas", "sklearn", "einops", "math", "cmath", "statistics", "random", "itertools", "functools",
    "operator", "collections", "typing", "numbers", "fractions", "decimal", "dataclasses", "copy", "warnings", "string", "re",
    "__future__", "auxformer",
}  # fmt: skip
"""What an answer may import; everything else is refused by name."""
REFUSED_NAMES = {
    "eval", "exec", "compile", "open", "__import__", "globals", "locals", "vars", "setattr", "delattr", "input", "breakpoint", "memoryview",
}  # fmt: skip
REFUSED_PARTS = re.compile(r"^__\w+__$|^(course|cli|os|sys|subprocess|ctypes|ctypeslib|_C|_f2py|f2py)$")
OF_THE_COURSE = re.compile(r"^(lab|widgets|machine|lesson\d|get_ipython|display)$")
PLAIN = {"__init__", "__call__", "__len__", "__getitem__", "__name__"}


@dataclass
class Lifted:
    """A function to try: statements as (cell, source of the cell, line), the name it goes by, or why there is none.

    Attributes:
        state: "" when there is something to try; else "missing", "untouched", "no Python" or "refused".
        reason: What is to be said about it.
        remarks: What a teacher may want to look at.
    """

    name: str
    parts: list[tuple[str, str, int]] = field(default_factory=list)
    state: str = ""
    reason: str = ""
    remarks: list[str] = field(default_factory=list)


@functools.cache
def lesson_imports(path: Path) -> dict[str, str]:
    """Name -> the import statement that a lesson's own cells give it by, what belongs to the course left out."""
    found = {}
    for cell in read_source(path).cells:
        if cell.cell_type != "code":
            continue
        for statement in ast.parse(cell.source).body:
            if isinstance(statement, (ast.Import, ast.ImportFrom)):
                for name in bound(statement):
                    if not OF_THE_COURSE.match(name):
                        found.setdefault(name, ast.unparse(statement))
    return found


def lift(cells: Sequence[Cell], exercise: Exercise, lesson: Lesson) -> Lifted:
    """The function of an exercise, wherever in the notebook it stands."""
    imports = lesson_imports(lesson.path)
    found = _find(cells, exercise, lesson.number)
    if found.state:
        return found
    meanings = {name: (cell, part) for cell in cells for part in cell.statements for name in bound(part)}
    ours = {
        name for name, (_, part) in meanings.items() if isinstance(part, (ast.FunctionDef, ast.ClassDef, ast.Assign))
    }
    needed: dict[tuple[int, int], tuple[Cell, ast.stmt]] = {}
    given, wanted, seen = {}, [found.name], set()
    first = _place_of(cells, found)
    while wanted:
        name = wanted.pop()
        if name in seen or OF_THE_COURSE.match(name):
            continue
        seen.add(name)
        cell, part = first if name == found.name else meanings.get(name, (None, None))
        if name in imports and name not in ours:
            given[name] = imports[name]
        elif part is not None and not _runs_the_lesson(part):
            needed[cell.number, part.lineno] = cell, part
            wanted += _used(part)
        elif name != found.name:
            found.remarks.append(f"uses `{name}`, which is made elsewhere in the notebook")
    for (number, line), (cell, part) in sorted(needed.items(), key=lambda item: item[0]):
        problem = refusal(part)
        if problem:
            return Lifted(
                found.name,
                state="refused",
                reason=f"not run: {problem} (cell {number}, line {line})",
                remarks=found.remarks,
            )
        found.parts.append((f"cell {number}", cell.code, line))
        found.remarks += _borrowed(part, exercise)
    found.parts[:0] = [("imports of the lesson", text, 1) for text in dict.fromkeys(given.values())]
    return found


def _find(cells: Sequence[Cell], exercise: Exercise, number: int) -> Lifted:
    """Which definition counts: the one in the exercise's own cell, else the last that is no stub."""
    call = f"lesson{number}.{exercise.name}("
    remarks = [] if any(call in cell.source for cell in cells) else [f"`{call}...)` is not called in the notebook"]
    marked = [cell for cell in cells if cell.marked == exercise.name]
    here = [cell for cell in cells if cell.marked == exercise.name or f"def {exercise.name}(" in cell.source]
    broken = [cell for cell in here if cell.code.strip() and not cell.statements]
    name = exercise.name
    defined = [
        (cell, part) for cell in cells for part in cell.statements if name in bound(part) and not _is_import(part)
    ]
    if not defined:
        name = _other_name(cells, marked, exercise.name, number)
        defined = [(cell, part) for cell in cells for part in cell.statements if name and name in bound(part)]
        remarks += [f"is called `{name}`"] if defined else []
    done = [(cell, part) for cell, part in defined if not _is_stub(part, exercise)]
    if not done:
        if broken:
            return Lifted(name, state="no Python", reason=_syntax(broken[0]), remarks=remarks)
        if defined:
            return Lifted(name, state="untouched", reason="still the stub", remarks=remarks)
        return Lifted(exercise.name, state="missing", reason="no such function in the notebook", remarks=remarks)
    own = [(cell, part) for cell, part in done if cell.marked == exercise.name]
    if len(done) > 1:
        remarks.append(f"{len(done)} definitions; {'the one in its own cell' if own else 'the last'} counts")
    cell, part = (own or done)[-1]
    return Lifted(name, [(f"cell {cell.number}", "", part.lineno)], remarks=remarks)


def _place_of(cells: Sequence[Cell], found: Lifted) -> tuple[Cell, ast.stmt]:
    where, _, line = found.parts.pop()
    cell = next(cell for cell in cells if f"cell {cell.number}" == where)
    return cell, next(part for part in cell.statements if part.lineno == line)


def _other_name(cells: Sequence[Cell], marked: list[Cell], name: str, number: int) -> str:
    """The name that the check was called with, or the only function in the exercise's cell."""
    for cell in cells:
        for found in re.finditer(rf"lesson{number}\.{name}\(\s*(\w+)\s*\)", cell.source):
            if found[1] != name:
                return found[1]
    functions = [part.name for cell in marked for part in cell.statements if isinstance(part, ast.FunctionDef)]
    return functions[0] if len(functions) == 1 else ""


def _is_import(part: ast.stmt) -> bool:
    return isinstance(part, (ast.Import, ast.ImportFrom))


def _is_stub(part: ast.stmt, exercise: Exercise) -> bool:
    stub = next((node for node in ast.parse(exercise.stub).body if exercise.name in bound(node)), None)
    return isinstance(part, ast.FunctionDef) and isinstance(stub, ast.FunctionDef) and _body(part) == _body(stub)


def _body(function: ast.FunctionDef) -> list[str]:
    """What it does, without docstring, comments and layout."""
    statements = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return [ast.dump(statement) for statement in statements]


def _syntax(cell: Cell) -> str:
    try:
        ast.parse(cell.code)
    except SyntaxError as error:
        return f"does not parse: {error.msg} (cell {cell.number}, line {error.lineno})"
    except (ValueError, RecursionError, MemoryError) as error:
        return f"does not parse: {type(error).__name__} (cell {cell.number})"
    return f"nothing in cell {cell.number}"


def _used(part: ast.stmt) -> list[str]:
    """Names that a statement reads and Python itself does not know."""
    names = {node.id for node in ast.walk(part) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    inside = {node.id for node in ast.walk(part) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    inside |= {node.arg for node in ast.walk(part) if isinstance(node, ast.arg)}
    inside |= {
        name for node in ast.walk(part) if node is not part and isinstance(node, ast.stmt) for name in bound(node)
    }
    if isinstance(part, (ast.Assign, ast.AnnAssign)):
        inside = set()
    return sorted(name for name in names - inside if not hasattr(builtins, name))


def _runs_the_lesson(part: ast.stmt) -> bool:
    """Whether a statement outside a function works with what only a running lesson has."""
    if not isinstance(part, (ast.Assign, ast.AnnAssign)):
        return False
    return any(isinstance(node, ast.Name) and OF_THE_COURSE.match(node.id) for node in ast.walk(part))


def refusal(part: ast.stmt) -> str:
    """Why a statement is not run, or "": it imports or names what no answer needs."""
    modules = set()
    for node in ast.walk(part):
        if isinstance(node, ast.Import):
            for alias in node.names:
                modules.add(alias.asname or alias.name.split(".")[0])
                if not _may_import(alias.name):
                    return f"imports {alias.name}"
        elif isinstance(node, ast.ImportFrom):
            if node.level or not _may_import(f"{node.module}.{node.names[0].name}"):
                return f"imports {node.module}"
        elif isinstance(node, ast.Name) and (node.id in REFUSED_NAMES or REFUSED_PARTS.match(node.id)):
            return f"names {node.id}"
        elif isinstance(node, ast.Attribute):
            if REFUSED_PARTS.match(node.attr) and node.attr not in PLAIN:
                return f"names {node.attr}"
            if isinstance(node.ctx, (ast.Store, ast.Del)) and _root(node) in modules | {
                "np",
                "torch",
                "af",
                "F",
                "math",
            }:
                return f"changes {ast.unparse(node)}"
    return ""


def _may_import(name: str) -> bool:
    parts = name.split(".")
    return parts[0] in LIBRARIES and not any(REFUSED_PARTS.match(part) for part in parts[:2])


def _root(node: ast.Attribute) -> str:
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def _borrowed(part: ast.stmt, exercise: Exercise) -> list[str]:
    """Names of the package that an answer takes and the solution does not: it may be the answer itself."""
    taken = {
        f"{node.module}.{alias.name}"
        for node in ast.walk(part)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("auxformer")
        for alias in node.names
        if alias.name not in exercise.solution
    }
    return [f"takes {name} from the package" for name in sorted(taken)]
