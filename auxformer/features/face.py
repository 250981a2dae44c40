"""Where the face is in a film, its crop at the size an extractor wants, and a table of the faces of a whole corpus.

The features of the face (`hog`, `vggface`, `hf-vision`) take the same box: one per clip, the median over the frames looked
at, so that it neither jumps nor breathes. A crop is aligned by that box (centred on the face, one scale per clip); eyes are
not brought to one level.
"""

import functools
import os
from typing import NamedTuple

import numpy as np
import pandas as pd

from auxformer import media
from auxformer.corpora.base import Corpus
from auxformer.errors import InputError, MediaError
from auxformer.parallel import in_parallel
from auxformer.progress import progress

DETECTION_HEIGHT = 128
"""Pixels to which a frame is shrunk before a face is looked for: enough for faces of a quarter of its height."""
CENTRE_SHARE = 0.8
"""Side of the centre crop as a share of the picture's shorter side: about that of a face framed for a portrait."""
BRIGHTNESS = np.array([0.299, 0.587, 0.114], np.float32)
"""Shares of red, green and blue in what the eye takes for brightness (ITU-R BT.601)."""
COLUMNS = ("found", "top", "left", "side", "frames", "uneven")
"""Of the table of faces."""


class FaceBox(NamedTuple):
    """A square region of every frame of a clip, in pixels, and how sure we are that it is the face.

    `found` is the share of the frames looked at in which a face was detected; 0 means that the box is the centre crop.
    """

    top: int
    left: int
    side: int
    found: float


def find_face(frames: np.ndarray, looks: int = 5, margin: float = 1.2) -> FaceBox:
    """Where the face is in grey frames `[T, H, W]` uint8: the median over a few frames of the largest detected face.

    A face seen in one frame only of several is taken for a mistake of the detector; the centre crop is used then.
    """
    height, width = frames.shape[1:]
    chosen = np.unique(np.linspace(0, len(frames) - 1, looks).round().astype(int))
    faces = (faces_in(frames[i]) for i in chosen)
    boxes = [max(found, key=lambda face: face[2]) for found in faces if found]
    if len(boxes) < min(2, len(chosen)):
        side = max(1, round(CENTRE_SHARE * min(height, width)))
        return FaceBox((height - side) // 2, (width - side) // 2, side, 0.0)
    top, left, side = np.median(boxes, axis=0)  # boxes: list of [3]
    grown = min(side * margin, height, width)
    top = np.clip(top - (grown - side) / 2, 0, height - grown)
    left = np.clip(left - (grown - side) / 2, 0, width - grown)
    return FaceBox(int(top), int(left), int(grown), len(boxes) / len(chosen))


def faces_in(frame: np.ndarray) -> list[tuple[float, float, float]]:
    """Top, left and side, in pixels, of the faces in a grey frame `[H, W]` that take a quarter of its height or more."""
    scale = frame.shape[0] / DETECTION_HEIGHT
    small = resize(frame[None], (DETECTION_HEIGHT, max(1, round(frame.shape[1] / scale))))[0]
    smallest, largest = DETECTION_HEIGHT // 4, min(small.shape)
    if largest < smallest:
        return []
    faces = _cascade().detect_multi_scale(
        small.round().astype(np.uint8), 1.2, 1, (smallest, smallest), (largest, largest)
    )  # scale factor and step as coarse as still find a face at this size
    return [(face["r"] * scale, face["c"] * scale, face["width"] * scale) for face in faces]


def face_film(path: str | os.PathLike, looks: int = 5, margin: float = 1.2) -> np.ndarray:
    """The face in every frame of a film, in colour and as large as it is there: uint8 `[T, side, side, 3]` (RGB).

    It is looked for as `find_face` does. Raises `MediaError` when the film cannot be read.
    """
    frames, times = media.read_frames(path)  # [T, H, W, 3]
    grey = np.stack([(frame @ BRIGHTNESS).astype(np.uint8) for frame in frames])  # [T, H, W]
    box = find_face(grey, looks, margin)
    return frames[evenly(times), box.top : box.top + box.side, box.left : box.left + box.side]


def crop(frames: np.ndarray, box: FaceBox, size: int) -> np.ndarray:
    """The boxed part of grey frames `[T, H, W]`, scaled to `[T, size, size]` float32."""
    part = frames[:, box.top : box.top + box.side, box.left : box.left + box.side]
    return resize(part, (size, size))


def resize(frames: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Grey frames `[T, H, W]` scaled to `[T, height, width]` float32: linear, smoothed where it shrinks."""
    rows = _interpolation(frames.shape[1], size[0])  # [height, H]
    columns = _interpolation(frames.shape[2], size[1])  # [width, W]
    return rows @ frames.astype(np.float32) @ columns.T


def resize_colour(frames: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Colour frames `[T, H, W, 3]` scaled as by `resize`, channels first as networks want them: `[T, 3, *size]`."""
    channels = np.moveaxis(frames, -1, 1)  # [T, 3, H, W]
    return resize(channels.reshape(-1, *channels.shape[2:]), size).reshape(*channels.shape[:2], *size)


def evenly(times: np.ndarray) -> np.ndarray:
    """The frame nearest to each of T evenly spaced moments, as indices `[T]`: 0..T-1 unless the frame rate varies."""
    moments = np.linspace(times[0], times[-1], len(times))  # [T]
    after = np.searchsorted(times, moments).clip(1, max(len(times) - 1, 1))
    before = after - 1
    after = np.minimum(after, len(times) - 1)  # a film of one frame
    return np.where(moments - times[before] <= times[after] - moments, before, after)


def face_table(corpus: Corpus, jobs: int = 2) -> pd.DataFrame:
    """One row per clip with a film: found (share of the frames looked at, 0 = the centre is taken), the box in pixels (top,
    left, side), frames, and uneven (largest gap between two frames over the median gap; 1 = a constant rate).

    A film that cannot be read has NaN in every column.

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
    none = table.index[table.found == 0]
    lines = [
        f"{len(table):,} films, {unread} cannot be read",
        f"a face in {table.found.mean():.1%} of the frames looked at; in {(table.found == 1).mean():.1%} of the films in all of them",
        f"{len(none):,} films in which none is found (the centre is taken): {', '.join(none[:6])}{' ...' if len(none) > 6 else ''}",
    ]
    uneven = table.index[table.uneven > 1.5]
    if len(uneven):
        lines.append(f"{len(uneven):,} films of uneven frame rate (brought to an even one): {', '.join(uneven[:6])}")
    return "\n".join(lines)


def _interpolation(old: int, new: int) -> np.ndarray:
    scale = old / new
    centres = (np.arange(new) + 0.5) * scale - 0.5
    distance = np.abs(np.arange(old) - centres[:, None]) / max(scale, 1)  # [new, old]
    weights = np.maximum(1 - distance, 0)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


@functools.cache
def _cascade():
    from skimage.data import lbp_frontal_face_cascade_filename
    from skimage.feature import Cascade

    return Cascade(lbp_frontal_face_cascade_filename())


def _look(path: str) -> tuple[float, ...]:
    try:
        frames, times = media.read_frames(path, grey=True)
    except MediaError:
        return (np.nan,) * len(COLUMNS)
    box, gaps = find_face(frames), np.diff(times)
    uneven = float(gaps.max() / max(np.median(gaps), 1e-9)) if len(gaps) else 1.0
    return box.found, box.top, box.left, box.side, len(frames), uneven
