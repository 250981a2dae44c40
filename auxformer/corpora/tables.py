"""Reading the folders and small CSV tables of a corpus, and what happens to a clip that cannot be used."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import pandas as pd

from auxformer.corpora.base import CLIP_COLUMNS
from auxformer.errors import InputError, check_choice
from auxformer.files import LFS_POINTER, is_lfs_pointer

ON_ERROR = ("stop", "skip")
"""What a reader does with an unusable clip: stop with an `InputError`, or skip it and keep the reason."""

POINTER_SIZE = 1024
"""Bytes below which a media file is looked into: a Git-LFS pointer has some 130, .1 s of speech 3,244."""


def read_table(path: Path, columns: Sequence[str], **options) -> pd.DataFrame:
    """A CSV file as a table that has at least `columns`.

    Args:
        path: File to read.
        columns: Names of columns that must be there; others are kept too.
        options: Passed to `pandas.read_csv`.

    Raises:
        InputError: The file is absent, empty, a Git-LFS pointer, not a table, or lacks a column.
    """
    try:
        table = pd.read_csv(path, **options)
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror}); expected a CSV table, so check the path"
        ) from error
    except (pd.errors.EmptyDataError, pd.errors.ParserError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}: is not a CSV table ({str(error).strip()}); expected the columns {', '.join(columns)}; download it "
            "again"
        ) from error
    if str(table.columns[0]).startswith(LFS_POINTER.decode()):
        raise InputError(
            f"{path}: this is a Git-LFS pointer, not the table; run `git lfs pull` in the folder it came from"
        )
    missing = [column for column in columns if column not in table]
    if missing:
        raise InputError(
            f"{path}: lacks the columns {', '.join(missing)}, expected {', '.join(columns)}; use the table as published"
        )
    return table


def clip_table(rows: dict[str, tuple]) -> pd.DataFrame:
    """The table `Corpus.clips` from one tuple per clip, in the order of `CLIP_COLUMNS`."""
    columns = list(zip(*rows.values())) or [()] * len(CLIP_COLUMNS)
    types = {"audio": object, "video": object, "duration": float}  # object: a column of text would turn None into NaN
    table = {name: pd.Series(values, dtype=types.get(name, "str")) for name, values in zip(CLIP_COLUMNS, columns)}
    return pd.DataFrame(table).set_axis(pd.Index(list(rows), dtype="str", name="clip"))


def pointer_reason(file: os.DirEntry | Path) -> str | None:
    """A sentence if a media file is a Git-LFS pointer, else None; only small files are opened."""
    if file.stat().st_size >= POINTER_SIZE or not is_lfs_pointer(file):
        return None
    return f"{os.fspath(file)}: this is a Git-LFS pointer, not the media; run `git lfs pull` in the folder it came from"


def folders_below(root: Path, depth: int) -> Iterator[tuple[Path, list[os.DirEntry]]]:
    """ROOT and the folders down to `depth` levels below it, each with what is in it by name; what is hidden is left out."""
    with os.scandir(root) as entries:
        entries = sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda entry: entry.name)
    yield root, entries
    for entry in entries if depth else ():
        if entry.is_dir():
            yield from folders_below(Path(entry.path), depth - 1)


class Skipped(dict):
    """Clip -> the sentence that says why it is left out (the first one is kept).

    Args:
        on_error: "skip" such clips, or "stop" at the first with an `InputError`.
    """

    def __init__(self, on_error: str):
        super().__init__()
        check_choice("on_error", on_error, ON_ERROR)
        self.on_error = on_error

    def leave_out(self, clip: str, reason: str) -> None:
        """Leave a clip out for a reason."""
        if self.on_error == "stop":
            raise InputError(f"{reason} (or skip such clips with on_error='skip')")
        self.setdefault(clip, reason)

    def reject_rows(self, mask: pd.Series, why: Callable[[object], tuple[str, str]]) -> None:
        """Leave out the clips of all rows where `mask` is true; `why(row)` gives a clip and its reason."""
        for row in mask.index[mask]:
            self.leave_out(*why(row))

    def files_of_clips(
        self, root: Path, files: Iterable[Path], name_of: Callable[[Path], tuple[str, str]]
    ) -> dict[str, dict[str, str]]:
        """Clip -> part of it -> path of its file; a second copy of a file is not read.

        `name_of(file)` gives the clip and the part, or raises an `InputError` that says why the file is left out. What
        is left out goes by its path below ROOT.
        """
        clips: dict[str, dict[str, str]] = {}
        for file in files:
            inside = str(file.relative_to(root))
            try:
                clip, part = name_of(file)
            except InputError as error:
                self.leave_out(inside, str(error))
                continue
            if reason := pointer_reason(file):
                self.leave_out(inside, reason)
            elif copy := clips.setdefault(clip, {}).get(part):
                self[inside] = f"{file}: a second copy of {copy}, which is read; remove one of them"
            else:
                clips[clip][part] = str(file)
        return clips

    def first(self) -> str:
        """The first reason, to end a sentence with; empty where there is none."""
        return f"; the first reason: {next(iter(self.values()))}" if self else ""
