"""The AuxFormer release's face features: expression codes of EMOCA, one file per frame, as its authors gave them out."""

import itertools
import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from auxformer.errors import InputError, MediaError, check_range
from auxformer.features.base import Clip, settings_digest


@dataclass(frozen=True)
class Emoca:
    """Expression codes of the face model of Danecek, Black & Bolkart (EMOCA, CVPR 2022), read, not computed.

    FOLDER/CLIP/ holds an .npy file of 50 numbers per frame. The number in a file's name says when it is shown: frame 10
    comes after frame 9, where the release's own code takes the files as the directory lists them.

    Attributes:
        folder: Folder of the folders.
        frames_per_second: Rate of the videos that the codes were taken from, Hz (CREMA-D: 29.97); no file says it.
    """

    folder: str = field(repr=False)
    frames_per_second: float = 29.97

    name = "emoca"
    modality = "video"
    dims = 50

    def __post_init__(self):
        check_range("frames_per_second", self.frames_per_second, 1, 1000)
        if not Path(self.folder).is_dir():
            raise InputError(f"{self.folder}: is no folder, expected one with a folder of .npy files per clip.")

    def digest(self) -> str:
        """Changes with the rate and with the folder: other codes are expected to lie elsewhere."""
        return settings_digest(self, str(Path(self.folder).resolve()))

    def source(self, clip: Clip) -> str | None:
        """The frame of the clip that was written last, so that a frame changed or added is noticed."""
        frames = list((Path(self.folder) / clip.name).glob("*.npy"))
        if not frames:
            return str(Path(self.folder) / clip.name / "*.npy")  # is said not to be there
        return str(max(frames, key=lambda frame: (frame.stat().st_mtime_ns, frame.name)))

    def __call__(self, clip: Clip) -> np.ndarray:
        """Codes `[T, 50]` float32 of a clip in the order of time. Raises `MediaError` naming a file that is wrong."""
        frames = in_order(list((Path(self.folder) / clip.name).glob("*.npy")))
        if not frames:
            raise MediaError(f"{self.folder}: has no frames of the clip {clip.name}; add them or leave the clip out")
        return np.stack([self._read(frame) for frame in frames])  # [T, 50]

    def _read(self, path: Path) -> np.ndarray:
        try:
            codes = np.load(path, allow_pickle=False)
            codes = np.asarray(codes, dtype=np.float32).reshape(-1)  # [50]; some write [1, 50]
        except (OSError, ValueError, EOFError, TypeError) as error:
            raise MediaError(f"{path}: cannot be read as an array of numbers ({error}); obtain it again") from error
        if len(codes) != self.dims:
            raise MediaError(f"{path}: holds {len(codes)} numbers, expected the {self.dims} expression codes of EMOCA")
        if not np.isfinite(codes).all():
            raise MediaError(f"{path}: holds values that are not finite; obtain it again or leave the clip out")
        return codes


def in_order(frames: list[Path]) -> list[Path]:
    """Frame files by the numbers in their names, 9 before 10. Raises `MediaError` when the names do not settle it."""
    numbered = {path: tuple(int(digits) for digits in re.findall(r"\d+", path.stem)) for path in frames}
    for path, numbers in numbered.items():
        if not numbers and len(frames) > 1:
            raise MediaError(f"{path}: has no frame number in its name, expected one such as 000012.npy")
    ordered = sorted(frames, key=lambda path: (numbered[path], path.name))
    for path, after in itertools.pairwise(ordered):
        if numbered[path] == numbered[after]:
            raise MediaError(f"{after}: has the same frame number as {path.name}; leave one of them out")
    return ordered
