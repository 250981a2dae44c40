"""The faces of whole films: what extractors of a followed face share, and a table of the faces of a corpus."""

from typing import ClassVar

import numpy as np
import pandas as pd

from auxformer import media
from auxformer.corpora.base import Corpus
from auxformer.errors import InputError, MediaError, check_choice, check_range
from auxformer.features.base import Clip, FilmExtractor
from auxformer.features.pretrained.packaged import YUNET, find_packaged
from auxformer.features.track import BOXES, track_face
from auxformer.parallel import in_parallel
from auxformer.progress import progress

COLUMNS = ("found", "x", "y", "height", "moves", "lean", "frames", "uneven")
"""Of the table of faces."""


class FaceExtractor(FilmExtractor):
    """What extractors of a followed face share: the settings `margin` and `boxes`, and the way from a film to `of_film`."""

    sees_colour: ClassVar[bool] = True

    def check_crop(self) -> None:
        """Raise `InputError` where `boxes` or `margin` is out of range, or the face detector is not there."""
        check_range("margin", self.margin, 0.1, 10)
        check_choice("boxes", self.boxes, BOXES)
        find_packaged(YUNET, self.name)

    def __call__(self, clip: Clip) -> np.ndarray:
        """Features `[T, D]` float32 of a clip. Raises `MediaError` when its pictures cannot be read."""
        return self.with_faces(clip)[0]

    def with_faces(self, clip: Clip) -> tuple[np.ndarray, float]:
        """The same, and the share of the frames with a face; where there is none at all it is of the picture's centre."""
        frames, times = media.read_frames(self.source(clip), grey=not self.sees_colour)
        frames = frames[evenly(times)]
        track = track_face(frames, self.boxes)
        return self.of_film(*((frames, None) if self.sees_colour else (None, frames)), track), track.found


def evenly(times: np.ndarray) -> np.ndarray:
    """The frame nearest to each of T evenly spaced moments, as indices `[T]`: 0..T-1 unless the frame rate varies."""
    moments = np.linspace(times[0], times[-1], len(times))  # [T]
    after = np.searchsorted(times, moments).clip(1, max(len(times) - 1, 1))
    before = after - 1
    after = np.minimum(after, len(times) - 1)  # a film of one frame
    return np.where(moments - times[before] <= times[after] - moments, before, after)


def face_table(corpus: Corpus, jobs: int = 2) -> pd.DataFrame:
    """One row per clip with a film: where its face is, and how much it moves.

    Columns: found (share of the frames with a face; 0: the picture's centre is taken), x, y and height (medians, pixels), moves
    (the farthest that the face gets from there, in heights of it), lean (the steepest line of its eyes, degrees), frames, and
    uneven (largest gap between two frames over the median gap; 1 = a constant rate). A film that cannot be read has NaN in
    every column.

    Raises:
        InputError: the corpus has no films.
    """
    films = corpus.clips["video"].dropna()
    if films.empty:
        raise InputError(f"{corpus.root}: has no films to look for faces in; add the media.")
    looks = in_parallel(_look, list(films), jobs, ordered=True)
    rows = [row for _, row in progress(looks, "looking for faces", total=len(films))]
    return pd.DataFrame(rows, index=films.index, columns=list(COLUMNS)).rename_axis("clip")


def face_summary(table: pd.DataFrame) -> str:
    """What a table of faces says, in a few lines: shares found, and the clips to look at."""
    unread = table.found.isna().sum()
    lines = [
        f"{len(table):,} films, {unread} cannot be read",
        f"a face in {table.found.mean():.1%} of the frames; in {(table.found == 1).mean():.1%} of the films in all of them",
    ]
    several = {
        "films in which none is found (the centre is taken)": table.found == 0,
        "films in which it is gone for a tenth of the time or more": (table.found > 0) & (table.found <= 0.9),
        "films in which it moves by half its height or more (it is followed)": table.moves >= 0.5,
        "films of uneven frame rate (brought to an even one)": table.uneven > 1.5,
    }
    for what, which in several.items():
        clips = table.index[which]
        if len(clips):
            lines.append(f"{len(clips):,} {what}: {', '.join(clips[:6])}{' ...' if len(clips) > 6 else ''}")
    return "\n".join(lines)


def _look(path: str) -> tuple[float, ...]:
    try:
        frames, times = media.read_frames(path, grey=True)
    except MediaError:
        return (np.nan,) * len(COLUMNS)
    track, gaps = track_face(frames), np.diff(times)
    one = track.still()
    moves = np.hypot(track.x - one.x, track.y - one.y).max() / one.height[0]
    lean = np.rad2deg(np.abs(track.angle).max())
    uneven = float(gaps.max() / max(np.median(gaps), 1e-9)) if len(gaps) else 1.0
    return track.found, one.x[0], one.y[0], one.height[0], moves, lean, len(frames), uneven
