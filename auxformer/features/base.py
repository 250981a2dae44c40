"""What an extractor is."""

import hashlib
import math
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np

from auxformer import media

SAMPLING_RATE = 16000
"""Hz to which every recording is brought before features are taken."""


class Clip(NamedTuple):
    """What an extractor is given: the clip's name and where its media lie (None when the corpus has none)."""

    name: str
    audio: str | None
    video: str | None

    @property
    def sound(self) -> str | None:
        """The file that holds its sound: the audio file, or else the video file."""
        return self.audio or self.video


@runtime_checkable
class Extractor(Protocol):
    """A small picklable object that turns one clip into a sequence of feature vectors.

    One whose network is faster with several clips has `clips_at_once` as well, their number; `read(clip)`, which gives
    what the network takes; and `of_many`, from a list of that to a list of features.

    Attributes:
        name: Short name, as given on the command line ("lld").
        modality: "audio" or "video": which stream it reads.
        dims: Width of a feature vector, D.
        frames_per_second: Rate of the sequence in Hz; NaN when it follows the file, 0 for one vector per clip.
    """

    name: str
    modality: str
    dims: int
    frames_per_second: float

    def digest(self) -> str:
        """Eight hex digits that change whenever a setting that changes a feature does."""

    def source(self, clip: Clip) -> str | None:
        """Path of the file this extractor reads for `clip`; None when there is none."""

    def __call__(self, clip: Clip) -> np.ndarray:
        """Features `[T, D]` float32, finite, T >= 1. Raises `MediaError` when the clip cannot be used."""


def settings_digest(extractor, *more: str) -> str:
    """Eight hex digits over the settings of a dataclass extractor, as its `repr` shows them, and over `more` texts."""
    return hashlib.sha256("\n".join([repr(extractor), *more]).encode()).hexdigest()[:8]


class MediaExtractor:
    """What extractors that read media share."""

    def digest(self) -> str:
        """Changes with every setting, and with the content of the model where there is one, wherever it lies."""
        return settings_digest(self)


class SoundExtractor(MediaExtractor):
    """What extractors of sound share; each has `of_waveform`, from `[samples]` in -1..1 at 16 kHz to `[T, D]` float32."""

    modality = "audio"

    def source(self, clip: Clip) -> str | None:
        """The clip's audio file, or its video file when it has no other."""
        return clip.sound

    def read(self, clip: Clip) -> np.ndarray:
        """The clip's waveform `[samples]`. Raises `MediaError` when its sound cannot be read."""
        return media.read_audio(self.source(clip), SAMPLING_RATE)

    def __call__(self, clip: Clip) -> np.ndarray:
        """Features `[T, D]` float32 of a clip. Raises `MediaError` when its sound cannot be read."""
        return self.of_waveform(self.read(clip))


class FilmExtractor(MediaExtractor):
    """What extractors of one vector per frame of the film share.

    Each has `of_film`, from evenly spaced frames uint8 `[T, H, W, 3]` (RGB), their brightness `[T, H, W]` and the path of the
    face in them (`track.FaceTrack`) to `[T, D]` float32, for films that are not in a corpus.
    """

    modality = "video"
    frames_per_second = math.nan

    def source(self, clip: Clip) -> str | None:
        """The clip's video file."""
        return clip.video


def at_least(waveform: np.ndarray, seconds: float) -> np.ndarray:
    """A waveform `[samples]` at `SAMPLING_RATE`, silence added at its end where it is shorter than `seconds`."""
    short = round(seconds * SAMPLING_RATE) - len(waveform)
    return np.pad(waveform, (0, short)) if short > 0 else waveform
