"""In place of a stream that no clip of a task has: what a task of voices alone has as its video, named ""."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from auxformer.errors import InputError

NOTHING: Mapping = MappingProxyType({})


@dataclass(frozen=True)
class NoExtractor:
    """Takes nothing from anything: the extractor named "".

    Of a film in memory it gives one frame that is not valid, so that a network trained without the stream goes without it.
    """

    modality: str
    name = ""
    dims = 1
    frames_per_second = 0.0

    def digest(self) -> str:
        """Always the same: there are no settings."""
        return "absent"

    def of_waveform(self, waveform: np.ndarray) -> np.ndarray:
        """`[1, 1]`, not valid."""
        return np.full((1, self.dims), np.nan, np.float32)

    def of_film(self, frames: np.ndarray, grey: np.ndarray, track) -> np.ndarray:
        """`[1, 1]`, not valid."""
        return np.full((1, self.dims), np.nan, np.float32)


@dataclass(frozen=True)
class NoStore:
    """A feature store in which no clip is: every clip has that stream absent. Its readers need a width, which is 1."""

    modality: str
    name = ""
    dims = 1
    digest = "absent"
    clips = ()
    contents = lengths = faces = skipped = NOTHING

    def __len__(self) -> int:
        return 0

    def __contains__(self, clip: str) -> bool:
        return False

    def __getitem__(self, clip: str) -> np.ndarray:
        raise InputError(f"no clip has {self.modality} features here, {clip} neither.")

    def verify(self) -> list[str]:
        """Nothing is wrong with it."""
        return []
