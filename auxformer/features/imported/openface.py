"""What OpenFace 2 says of a face in every frame: action units, gaze, pose of the head. Read, not computed."""

import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from auxformer.errors import InputError, MediaError, check_choice, check_range
from auxformer.features.base import Clip, settings_digest

GROUPS = {"units": r"AU\d+_[rc]", "gaze": r"gaze_(\d_[xyz]|angle_[xy])", "pose": r"pose_[TR][xyz]"}
"""Choice -> the columns it stands for: intensities and presences of action units; gaze; place and turn of the head."""


@dataclass(frozen=True)
class OpenFace:
    """Outputs of OpenFace 2 (Baltrusaitis et al., FG 2018): FOLDER holds CLIP.csv as FeatureExtraction writes it.

    A frame in which the tracker failed is not valid: NaN throughout. Of several faces the one that is followed best counts.

    Attributes:
        folder: Folder of the files.
        groups: Which of `GROUPS` to take, in this order.
        rate: Frames per second where the files' timestamps are not to be believed; None believes them.
        confidence: Of the tracker, 0..1, from which a frame counts as tracked.
        names: The columns, those of the first file by name; every file must have them.
    """

    folder: str = field(repr=False)
    groups: tuple[str, ...] = ("units",)
    rate: float | None = None
    confidence: float = 0.5
    names: tuple[str, ...] = field(init=False)

    name = "openface"
    modality = "video"
    lacks_frames = True

    def __post_init__(self):
        for group in self.groups:
            check_choice("groups of openface", group, tuple(GROUPS))
        if self.rate is not None:
            check_range("frames per second", self.rate, 1, 1000)
        files = sorted(Path(self.folder).glob("*.csv"))
        if not files:
            raise InputError(f"{self.folder}: is no folder of CSV files, expected those of OpenFace, named by their clips.")
        columns = list(_read(files[0], rows=0).columns)
        names = [name for group in self.groups for name in columns if re.fullmatch(GROUPS[group], name)]
        lacking = [group for group in self.groups if not any(re.fullmatch(GROUPS[group], name) for name in columns)]
        if lacking:
            raise InputError(f"{files[0]}: has no columns of {lacking[0]} (such as AU12_r, gaze_0_x, pose_Rx).")
        object.__setattr__(self, "names", tuple(names))

    @classmethod
    def said(cls, words: str) -> dict:
        """Settings that stand behind the folder's @: groups and a number of frames per second, with commas between."""
        groups, settings = [], {}
        for word in words.split(","):
            if word in GROUPS:
                groups.append(word)
                continue
            try:
                settings["rate"] = float(word)
            except ValueError as error:
                raise InputError(
                    f'openface: "@{words}" holds "{word}", expected {", ".join(GROUPS)} or frames per second.'
                ) from error
        return {**settings, "groups": tuple(groups)} if groups else settings

    @property
    def dims(self) -> int:
        """Number of columns taken."""
        return len(self.names)

    @property
    def frames_per_second(self) -> float:
        """As told, or NaN: each file's own (`rate_of`)."""
        return np.nan if self.rate is None else self.rate

    def digest(self) -> str:
        """Changes with the settings, the columns and the folder: other files are expected to lie elsewhere."""
        return settings_digest(self, str(Path(self.folder).resolve()))

    def source(self, clip: Clip) -> str | None:
        """The clip's file."""
        return str(Path(self.folder) / f"{clip.name}.csv")

    def rate_of(self, path: str) -> float:
        """Frames per second by the timestamps of a file. Raises `MediaError` when it has none."""
        table = _read(path)
        told = [name for name in ("frame", "timestamp") if name in table.columns]
        spans = [np.ptp(pd.to_numeric(table[name], errors="coerce")) for name in told] if len(table) else []
        if len(spans) < 2 or not min(spans) > 0:
            raise MediaError(f"{path}: has no timestamps to tell the rate by; say it as openface:FOLDER@29.97")
        return float(spans[0] / spans[1])

    def __call__(self, clip: Clip) -> np.ndarray:
        """Outputs `[T, D]` float32 of a clip, NaN where the tracker failed. Raises `MediaError` for a file that is wrong."""
        path = self.source(clip)
        table = _read(path)
        lacking = [name for name in ("frame", *self.names) if name not in table.columns]
        if lacking:
            raise MediaError(f"{path}: has no column {lacking[0]}, which other files have; extract the clip again")
        values = table[["frame", *self.names]].apply(pd.to_numeric, errors="coerce").to_numpy(np.float64)
        kept = self._tracked(table)
        if not kept.any():
            raise MediaError(f"{path}: the tracker found no face in any frame of {clip.name}; leave the clip out")
        wrong = ~(np.abs(values) <= np.finfo(np.float32).max) & kept[:, None]
        if wrong.any():
            row, column = np.argwhere(wrong)[0]
            raise MediaError(
                f"{path}: has no finite number in row {row + 2}, column {('frame', *self.names)[column]}; extract it again"
            )
        frames, first = values[kept, 0].astype(int), int(np.nanmin(values[:, 0]))
        count = int(np.nanmax(values[:, 0])) - first + 1
        features = np.full((count, self.dims), np.nan, np.float32)  # a frame that the file leaves out is not valid either
        features[frames - first] = values[kept, 1:]
        return features

    def _tracked(self, table: pd.DataFrame) -> np.ndarray:
        """Which rows `[N]` show the face that is followed best, and show it."""
        sure = pd.to_numeric(table.get("confidence", pd.Series(1.0, table.index)), errors="coerce").fillna(0)
        success = pd.to_numeric(table.get("success", pd.Series(1, table.index)), errors="coerce").fillna(0)
        kept = (success > 0) & (sure >= self.confidence)
        if "face_id" in table.columns and kept.any():
            kept &= table["face_id"] == sure[kept].groupby(table["face_id"]).sum().idxmax()
        return kept.to_numpy()


def _read(path: str | Path, rows: int | None = None) -> pd.DataFrame:
    """A CSV file of OpenFace, whose header has spaces behind its commas. Raises `MediaError`."""
    try:
        table = pd.read_csv(path, skipinitialspace=True, nrows=rows)
    except FileNotFoundError as error:
        raise MediaError(f"{path}: there is no such file; add it or leave the clip out") from error
    except (OSError, ValueError) as error:
        raise MediaError(f"{path}: cannot be read as a CSV file ({error}); extract it again") from error
    table.columns = table.columns.str.strip()
    if "frame" not in table.columns:
        raise MediaError(f"{path}: has no header with a column named frame, expected a CSV file of OpenFace")
    return table
