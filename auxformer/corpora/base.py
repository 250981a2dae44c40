"""What every corpus looks like once it has been read."""

from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from auxformer.errors import InputError

EMOTIONS = ("angry", "disgust", "fear", "happy", "neutral", "sad")
"""The six CREMA-D classes, in the order of its file-name codes ANG DIS FEA HAP NEU SAD."""

ATTRIBUTES = ("valence", "arousal", "dominance")
"""Emotional attributes, in the order of every target and prediction: unpleasant to pleasant, calm to active, weak to strong."""

ATTRIBUTE_SCALE = (1, 5)
"""Lowest and highest answer of a rater of attributes (self-assessment manikins)."""

OTHER = "other"
"""Column of a rating table for votes that name none of the classes; they count in a consensus but are never a target."""

WAYS = ("voice", "face", "audiovisual")
"""The ways of watching under which raters voted: hearing the voice, seeing the face, or both."""

CLIP_COLUMNS = ("speaker", "sentence", "intended", "level", "audio", "video", "duration")


@dataclass(frozen=True)
class Corpus:
    """A corpus that has been read: tables only, no media decoded.

    Attributes:
        name: Short name, as it appears in result tables ("puppets", "crema-d", "ravdess", "msp-improv").
        root: Folder that was read.
        classes: Names of the emotion classes, in the order of every posterior and rating column.
        clips: One row per usable clip, indexed by clip name. Columns `CLIP_COLUMNS`: speaker (str), sentence (str),
            intended (one of `classes`), level (str), audio and video (absolute path as str, or None), duration (s, or NaN).
        speakers: One row per speaker, indexed by speaker; columns sex ("female"/"male") and age (years, or NaN), and
            session where speakers were recorded in pairs, which no partition may separate.
        ratings: Way of watching (or another question put to raters, such as "secondary") -> number of votes per class,
            `[clips, classes]`, indexed by clip, perhaps with a column `OTHER`. Empty where a corpus has no raters.
        skipped: Clip -> the sentence that says why it was left out.
        attributes: Mean rating of each clip `[clips, 3]`, columns `ATTRIBUTES` on `ATTRIBUTE_SCALE`, NaN where nobody rated
            it; None where a corpus has none.
        truth: What only a generated corpus knows about each clip (the class its voice and its face show); None elsewhere.
    """

    name: str
    root: Path
    classes: tuple[str, ...]
    clips: pd.DataFrame
    speakers: pd.DataFrame
    ratings: dict[str, pd.DataFrame] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    truth: pd.DataFrame | None = None
    attributes: pd.DataFrame | None = None

    def __post_init__(self):
        missing = [column for column in CLIP_COLUMNS if column not in self.clips]
        if missing:
            raise InputError(f"corpus {self.name}: the clips table lacks the columns {missing}")
        twice = self.clips.index[self.clips.index.duplicated()]
        if len(twice):
            raise InputError(f"corpus {self.name}: the clip {twice[0]} is listed twice")
