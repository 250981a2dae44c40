"""Numbers that somebody else measured, one row per clip (action-unit means, say), as sequences of length one."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from auxformer.errors import InputError, MediaError
from auxformer.features.base import Clip, settings_digest


@dataclass(frozen=True)
class TableFeatures:
    """A CSV file: the first column names the clip, every other column is a number; one row per clip.

    Attributes:
        path: The file.
        modality: "video" or "audio": which stream the numbers describe.
        values: One row of float32 per clip, `[clips, D]`, indexed by clip.
    """

    path: str
    modality: str = "video"
    values: pd.DataFrame = field(init=False, repr=False, compare=False)

    frames_per_second = 0.0

    def __post_init__(self):
        if self.modality not in ("audio", "video"):
            raise InputError(f'table: modality is "{self.modality}", expected "audio" or "video".')
        object.__setattr__(self, "values", read_table(self.path))

    @property
    def name(self) -> str:
        """ "table:" and the name of the file."""
        return f"table:{Path(self.path).name}"

    @property
    def dims(self) -> int:
        """Number of columns beside the clip's name."""
        return self.values.shape[1]

    @property
    def names(self) -> list[str]:
        """The columns' names, in order."""
        return list(self.values.columns)

    def digest(self) -> str:
        """Changes with the modality and with the content of the file, wherever it lies."""
        content = hashlib.sha256(Path(self.path).read_bytes()).hexdigest()
        return settings_digest(self.name, self.modality, content)

    def source(self, clip: Clip) -> str | None:
        """The table itself."""
        return self.path

    def __call__(self, clip: Clip) -> np.ndarray:
        """The clip's row as `[1, D]` float32. Raises `MediaError` when the table has no such row."""
        if clip.name not in self.values.index:
            raise MediaError(f"{self.path}: has no row for the clip {clip.name}; add it or leave the clip out")
        return self.values.loc[[clip.name]].to_numpy(np.float32)  # [1, D]


def read_table(path: str | Path) -> pd.DataFrame:
    """Read a CSV of numbers per clip as `[clips, D]` float32, indexed by the first column.

    Raises:
        InputError: The file cannot be read, has no numbers, lists a clip twice, or a cell is not a finite number.
    """
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: cannot be read as a CSV file ({error}); expected a header and one row per clip"
        ) from error
    if table.shape[1] < 2 or table.empty:
        raise InputError(f"{path}: has {len(table)} rows and {table.shape[1]} columns; expected clip names and numbers")
    table = table.set_index(table.columns[0])
    if table.index.has_duplicates:
        raise InputError(
            f"{path}: lists the clip {table.index[table.index.duplicated()][0]} twice; keep one of the rows"
        )
    numbers = table.apply(pd.to_numeric, errors="coerce").astype(np.float64)
    bad = ~(np.abs(numbers) <= np.finfo(np.float32).max)  # also true where a number is missing
    if bad.to_numpy().any():
        row, column = np.argwhere(bad.to_numpy())[0]
        raise InputError(
            f'{path}: the row {table.index[row]} has "{table.iat[row, column]}" in the column {table.columns[column]}; '
            "expected a finite number"
        )
    return numbers.astype(np.float32)
