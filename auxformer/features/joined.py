"""Several extractors of one stream side by side: "lld+voice". Each has its own store; the first sets the pace."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from auxformer.errors import InputError
from auxformer.features.base import Extractor, settings_digest
from auxformer.features.store import FeatureStore


@dataclass(frozen=True)
class SideBySide:
    """Extractors of one stream, two or more, whose features are joined frame by frame (`join`).

    A corpus is extracted by each on its own (`extract.features_of`), so what is there for one of them is used.

    Attributes:
        parts: The extractors, the one that sets the pace first.
    """

    parts: tuple[Extractor, ...]

    def __post_init__(self):
        if len({part.modality for part in self.parts}) > 1:
            each = ", ".join(f"{part.name} ({part.modality})" for part in self.parts)
            raise InputError(f"{self.name}: are of different streams, {each}; only those of one stream can be joined.")
        if self.parts[0].frames_per_second == 0:
            raise InputError(f"{self.name}: {self.parts[0].name} has one vector per clip and no pace; put it behind.")

    @property
    def name(self) -> str:
        """The names of the parts with a plus between them."""
        return "+".join(part.name for part in self.parts)

    @property
    def modality(self) -> str:
        """"audio" or "video"."""
        return self.parts[0].modality

    @property
    def dims(self) -> int:
        """The widths of the parts together."""
        return sum(part.dims for part in self.parts)

    @property
    def frames_per_second(self) -> float:
        """Rate of the first part, Hz."""
        return self.parts[0].frames_per_second

    @property
    def names(self) -> list[str]:
        """Names of the features, those of a part without names being "hog 0", "hog 1", ..."""
        named = ([*getattr(part, "names", [f"{part.name} {i}" for i in range(part.dims)])] for part in self.parts)
        return [name for names in named for name in names]

    def digest(self) -> str:
        """Changes with that of every part."""
        return digest_of([part.digest() for part in self.parts])

    def of_waveform(self, waveform: np.ndarray) -> np.ndarray:
        """Features `[T, D]` float32 of a waveform `[samples]` in -1..1 at 16 kHz, of parts that hear."""
        return join([(part.of_waveform(waveform), part.frames_per_second) for part in self.parts])

    def of_film(self, frames: np.ndarray, grey: np.ndarray, track) -> np.ndarray:
        """Features `[T, D]` float32 of frames, as of `base.FilmExtractor`, of parts that see; all are at the film's rate."""
        return join([(part.of_film(frames, grey, track), 1.0) for part in self.parts])


class JoinedStore:
    """The stores of several extractors, read as if they were one: what `FeatureStore` is to its readers.

    Attributes:
        parts: The stores, the one that sets the pace first.
        name, modality, dims, digest: As of `SideBySide`.
        skipped: Clip -> sentence, for clips that one of them could not use; they have no features here.
    """

    def __init__(self, parts: Sequence[FeatureStore]):
        self.parts = tuple(parts)
        self.name, self.modality = "+".join(part.name for part in parts), parts[0].modality
        self.dims, self.digest = sum(part.dims for part in parts), digest_of([part.digest for part in parts])

    @property
    def clips(self) -> list[str]:
        """Names of the clips that every part has, sorted."""
        return [clip for clip in self.parts[0].clips if clip in self]

    @property
    def contents(self) -> dict[str, str]:
        """Fingerprint of each clip's features."""
        every = [part.contents for part in self.parts]
        return {clip: "-".join(contents[clip] for contents in every) for clip in self.clips}

    @property
    def lengths(self) -> dict[str, int]:
        """Number of frames per clip."""
        lengths = self.parts[0].lengths
        return {clip: lengths[clip] for clip in self.clips}

    @property
    def faces(self) -> dict[str, float]:
        """Share of each clip's frames with a face: the least of what the parts say, NaN where none says it."""
        every = [part.faces for part in self.parts]
        told = {clip: [faces[clip] for faces in every if not math.isnan(faces[clip])] for clip in self.clips}
        return {clip: min(shares, default=math.nan) for clip, shares in told.items()}

    @property
    def skipped(self) -> dict[str, str]:
        return {clip: why for part in self.parts for clip, why in part.skipped.items()}

    def __len__(self) -> int:
        return len(self.clips)

    def __contains__(self, clip: str) -> bool:
        return all(clip in part for part in self.parts)

    def __getitem__(self, clip: str) -> np.ndarray:
        """Features `[T, D]` float32 of a clip, joined anew. Raises `InputError` when a part has none."""
        return join([(part[clip], part.frames_per_second(clip)) for part in self.parts])

    def frames_per_second(self, clip: str) -> float:
        """Rate of a clip's features in Hz."""
        return self.parts[0].frames_per_second(clip)

    def verify(self) -> list[str]:
        """What is wrong in any part, a sentence per problem."""
        return [problem for part in self.parts for problem in part.verify()]

    def __repr__(self) -> str:
        return f"JoinedStore({self.name}, {len(self)} clips, {self.dims} dims)"


def join(streams: Sequence[tuple[np.ndarray, float]]) -> np.ndarray:
    """Features `[T, D]` and rates in Hz, side by side at the pace of the first: `[T, sum of D]` float32.

    Every frame of the first has beside it the frame of each other that is nearest in time; one vector per clip (rate 0)
    stands beside all of them. A frame that is not valid in one (NaN) is not valid at all.
    """
    (first, pace), *others = streams
    columns = [first]
    for features, rate in others:
        nearest = np.round(np.arange(len(first)) * (rate / pace)).astype(int)  # [T]
        columns.append(features[np.minimum(nearest, len(features) - 1)])
    joined = np.concatenate(columns, axis=1, dtype=np.float32)  # [T, sum of D]
    joined[np.isnan(joined).any(1)] = np.nan
    return joined


def digest_of(digests: Sequence[str]) -> str:
    """Eight hex digits over those of the parts."""
    return settings_digest("joined", *digests)
