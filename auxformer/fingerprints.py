"""What code and which libraries a result was computed with: read from the files themselves, so that nobody has to keep a list.

A digest is of what the code does, not of how it is written: comments, docstrings and layout change nothing.
"""

import ast
import functools
import hashlib
import importlib.metadata
import inspect
import re
import sys
from collections.abc import Iterable
from pathlib import Path

CODE_AS_RUN = "__auxformer_code__"
"""Name in a plugin's module of the digest of what was run."""
PACKAGE = Path(__file__).resolve().parent


def made_by(what: Iterable[object], within: tuple[str, ...]) -> dict:
    """The code behind some classes and functions, and modules of this package by name, and the libraries that it imports.

    Args:
        what: Where to begin. Of one from outside this package its own file counts, in a plugin as it was run; of one typed
            into a notebook its compiled functions.
        within: Beginnings of module names ("auxformer.models"): imports of such modules are followed, of others not.

    Returns:
        {"code": ten hex digits, "libraries": {name: version}}.
    """
    files, codes = set(), []
    for each in what:
        if isinstance(each, str):
            files.add(str(_file_of(each, PACKAGE.parent)))
            continue
        as_run = getattr(sys.modules.get(getattr(each, "__module__", "")), CODE_AS_RUN, None)
        if as_run:
            codes.append(as_run)
        elif file := _source_file(each):
            files.add(str(Path(file).resolve()))
        else:
            codes.append(_code_of_functions(each))
    found = _made_by(tuple(sorted(files)), within)
    return {**found, "code": "-".join([found["code"], *codes])}


def what_changed(before: dict, now: dict) -> str:
    """In words, what differs between two answers of `made_by`: "its code and numpy (2.3 to 2.4)"; "" where nothing does."""
    words = ["its code"] if before.get("code") != now["code"] else []
    old, new = before.get("libraries"), now["libraries"] or {}
    old = old if isinstance(old, dict) else {}  # a run folder may be anybody's
    for name in sorted({*old, *new}):
        if old.get(name) != new.get(name):
            words.append(f"{name} ({old.get(name, 'none')} to {new.get(name, 'none')})")
    return " and ".join(words)


def code_of_files(files: Iterable[Path]) -> str:
    """Ten hex digits over what some Python files do, whatever their order and their folder."""
    digests = sorted(_code_of_text(Path(file).read_text("utf-8")) for file in files)
    return hashlib.sha256("".join(digests).encode()).hexdigest()[:10]


def files_imported(file: Path, top: Path, within: tuple[str, ...] = ("",)) -> list[Path]:
    """A Python file and all below the folder `top` that it imports, directly or through one another."""
    found, todo = {}, [Path(file).resolve()]
    while todo:
        here = todo.pop()
        if here not in found:
            found[here] = None
            names = [name for name in _imports(here, top) if name.startswith(within)]
            todo += [module for name in names if (module := _file_of(name, top))]
    return sorted(found)


@functools.cache
def _made_by(files: tuple[str, ...], within: tuple[str, ...]) -> dict:
    top, every = PACKAGE.parent, set()
    for file in map(Path, files):
        every |= set(files_imported(file, top, within)) if PACKAGE in file.parents else {file}
    roots = {name.partition(".")[0] for path in every for name in _imports(path, top)}
    known = _distributions()
    libraries = sorted({known[root] for root in roots - {"auxformer"} if root in known})
    versions = {name: importlib.metadata.version(name).partition("+")[0] for name in libraries}  # "2.13.0+cpu"
    return {"code": code_of_files(every), "libraries": versions}


def _code_of_functions(what: object) -> str:
    """Ten hex digits over the compiled functions of a class, or over one function."""
    functions = [getattr(each, "__code__", None) for each in (what, *vars(what).values())]
    codes = [(code.co_code, repr(code.co_consts), code.co_names) for code in functions if code]
    return hashlib.sha256(re.sub(r" at 0x\w+", "", repr(codes)).encode()).hexdigest()[:10]


def _source_file(what: object) -> str | None:
    try:
        file = inspect.getsourcefile(what)
    except (TypeError, OSError):  # a class of a notebook has no file
        return None
    return file if file and Path(file).is_file() else None


@functools.cache
def _distributions() -> dict[str, str]:
    """Name that is imported -> name of the installed package."""
    return {module: names[0] for module, names in importlib.metadata.packages_distributions().items()}


def _imports(file: Path, top: Path) -> list[str]:
    """Dotted names of what a file imports, `package.module` of `from package import module` among them."""
    names = []
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:  # relative to the file's folder
                parents = file.parent.relative_to(top).parts
                base = ".".join([*parents[: len(parents) - node.level + 1], *filter(None, [base])])
            names += [base, *(f"{base}.{alias.name}".lstrip(".") for alias in node.names)]
    return [name for name in names if name]


def _file_of(name: str, top: Path) -> Path | None:
    """The file of a module below `top`; None for what is no module there."""
    path = top.joinpath(*name.split("."))
    return next((file.resolve() for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)


def _is_text(line: ast.AST) -> bool:
    """Whether a statement is a text and nothing else: what documents a module, a class, a function or a value."""
    return isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant) and isinstance(line.value.value, str)


def _code_of_text(text: str) -> str:
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(getattr(node, "body", None), list):
            node.body = [line for line in node.body if not _is_text(line)]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()
