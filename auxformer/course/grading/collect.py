"""Notebooks as they were collected: any names, folders in folders, zip files, a few things that are no notebooks at all."""

import io
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from auxformer.errors import InputError

MOST_BYTES = 64 << 20
"""A larger notebook is not read: it holds films or pictures that are no part of an answer."""
DEEPEST = 3  # zip files in zip files
SKIPPED = re.compile(r"(^|/)(\.|__MACOSX/|~)")
PORTAL = re.compile(r"_\d+_assignsubmission_file_?$")
LESSON_WORDS = re.compile(
    r"(?<![^\W_])(lesson ?\d*|week ?\d*|student|solution|copy( of)?|kopie( von)?|final|v?\d+|\(\d+\)|orientation|features?|fusion|transformer|auxiliary|networks?"
    r"|gpu|fast|training|robustness|benchmark|your|own|clip)(?=[\W_]|$)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Collected:
    """A notebook: whose it seems to be, where it lay, and its bytes or what is wrong with it."""

    learner: str
    where: str
    content: bytes = b""
    problem: str = ""


def collect(folder: Path) -> Iterator[Collected]:
    """The notebooks in a folder, a zip file, or one notebook, in the order of their names; read one at a time.

    Raises:
        InputError: there is no such folder, or no notebook in it.
    """
    folder = Path(folder)
    if not folder.exists():
        raise InputError(f"{folder}: there is no such folder, expected the notebooks as they were collected.")
    found = list(_places(folder))
    if not found:
        raise InputError(f"{folder}: no notebook in it, expected files named .ipynb, in folders or zip files or not.")
    learners = _learners([place.parts for place, _ in found])
    for (place, read), learner in zip(found, learners):
        content, problem = read()
        yield Collected(learner, str(place), content, problem)


def _places(folder: Path) -> Iterator[tuple]:
    """(place in the folder, zip files being folders; function that reads it) of every notebook."""
    paths = [folder] if folder.is_file() else sorted(folder.rglob("*"))
    for path in paths:
        place = PurePosixPath(path.name if path == folder else path.relative_to(folder).as_posix())
        if SKIPPED.search(str(place)) or not path.is_file():
            continue
        if path.suffix.lower() == ".ipynb":
            yield place, lambda path=path: _read(path)
        elif path.suffix.lower() == ".zip":
            yield from _in_zip(path, place, PurePosixPath() if path == folder else place.with_suffix(""), 1)


def _in_zip(file, place: PurePosixPath, inside: PurePosixPath, depth: int) -> Iterator[tuple]:
    try:
        archive = zipfile.ZipFile(file)
        members = sorted(archive.infolist(), key=lambda member: member.filename)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        reason = f"the zip file cannot be opened: {error}"
        yield place, lambda: (b"", reason)
        return
    for member in members:
        name = inside.joinpath(*(part for part in re.split(r"[/\\]", member.filename) if part not in ("", ".", "..")))
        if SKIPPED.search(str(name)) or member.is_dir():
            continue
        if name.suffix.lower() == ".ipynb":
            yield name, lambda member=member: _read_member(archive, member)
        elif name.suffix.lower() == ".zip" and depth < DEEPEST:
            content, problem = _read_member(archive, member)
            if problem:
                yield name, lambda problem=problem: (b"", problem)
            else:
                yield from _in_zip(io.BytesIO(content), name, name.with_suffix(""), depth + 1)


def _read(path: Path) -> tuple[bytes, str]:
    try:
        size = path.stat().st_size
        return (b"", _too_large(size)) if size > MOST_BYTES else (path.read_bytes(), "")
    except OSError as error:
        return b"", f"cannot be read: {error.strerror}"


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> tuple[bytes, str]:
    if member.file_size > MOST_BYTES:
        return b"", _too_large(member.file_size)
    try:
        with archive.open(member) as file:
            content = file.read(MOST_BYTES + 1)  # what the archive says of its size need not be so
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, OSError, EOFError, ValueError) as error:
        return b"", f"cannot be read from its zip file: {error}"
    return (b"", _too_large(len(content))) if len(content) > MOST_BYTES else (content, "")


def _too_large(size: int) -> str:
    return f"{size >> 20} MB, more than {MOST_BYTES >> 20}, so it was not read; clear its outputs and save it again"


def _learners(places: list[tuple[str, ...]]) -> list[str]:
    """Whose a notebook is: its uppermost folder where there are several, else its name without what names the lesson.

    >>> _learners([("class", "Ada_12_assignsubmission_file_", "0.ipynb"), ("class", "Bob", "x.ipynb")])
    ['Ada', 'Bob']
    >>> _learners([("lesson3_mona.ipynb",), ("03_auxiliary_networks_omar.ipynb",), ("lesson 1", "pia.ipynb")])
    ['mona', 'omar', 'pia']
    """
    while all(len(place) > 2 for place in places) and len({place[0] for place in places}) == 1:
        places = [place[1:] for place in places]  # one folder around them all
    return [_learner(place) for place in places]


def _learner(place: tuple[str, ...]) -> str:
    parts = [PORTAL.sub("", part) for part in place[:-1]] + [PurePosixPath(place[-1]).stem]
    for part in parts:
        name = re.sub(r"[\W_]+", " ", LESSON_WORDS.sub(" ", part.replace("_", " "))).strip()
        if name:
            return part if part != parts[-1] else name
    return parts[-1]
