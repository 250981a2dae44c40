"""Reading the small CSV tables of a corpus, and what happens to a clip that cannot be used."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd

from auxformer.corpora.base import CLIP_COLUMNS
from auxformer.errors import InputError
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


def pointer_reason(path: str, size: int) -> str | None:
    """A sentence if a media file of `size` bytes is a Git-LFS pointer, else None; only small files are opened."""
    if size >= POINTER_SIZE or not is_lfs_pointer(path):
        return None
    return f"{path}: this is a Git-LFS pointer, not the media; run `git lfs pull` in the folder it came from"


class Skipped(dict):
    """Clip -> the sentence that says why it is left out (the first one is kept).

    Args:
        on_error: "skip" such clips, or "stop" at the first with an `InputError`.
    """

    def __init__(self, on_error: str):
        super().__init__()
        if on_error not in ON_ERROR:
            raise InputError(f"on_error is {on_error!r}, expected one of {', '.join(ON_ERROR)}")
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

    def first(self) -> str:
        """The first reason, to end a sentence with; empty where there is none."""
        return f"; the first reason: {next(iter(self.values()))}" if self else ""
