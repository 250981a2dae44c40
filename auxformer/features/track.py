"""Where the face is in every frame of a film: found by YuNet now and then, tracked between, smoothed; crops level with the eyes.

The detector looks at some frames; where the face has moved between two of them it looks at one between, until it has not. The
path between is straight, and small tremors of the detector are smoothed away, so that what moves in a crop is the face.
"""

import functools
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter1d

from auxformer.errors import check_choice
from auxformer.features.pretrained.packaged import YUNET, find_packaged

ROWS = (180, 360, 720)
"""Pixels to which a picture's shorter side is brought before a face is looked for; more where fewer show none."""
CLOSE, AROUND, LEANING = 352, 1.6, np.deg2rad(8)
"""Pixels per side of a closer look at a face, its side in heights of the face, and radians from which the look is repeated.

The detector finds small faces, but calls their eyes level whatever they are: only from about 180 pixels on does it see how they
lean, and from 20 degrees on two thirds of that.
"""
SURE, OVERLAP = 0.6, 0.3
"""Score from which something is a face, and share of overlap from which two detections are of one."""
STEP = 6
"""Frames between two looks, at most; at every other one the lean of the face is looked at as well."""
MOVED = 0.15
"""Part of the face's height by which it has moved, or grown, when it is looked for between two looks."""
FAR = 2.0
"""Heights of a face, or times its size, beyond which it is somebody else."""
SMOOTH = (5, 5, 15, 5)
"""Frames: deviations of the bell curves that smooth x, y, height and angle; a crop that breathes is worse than one that sways."""
SLACK = (0.05, 0.05, 0.12)
"""Parts of the face's height by which the smooth x, y and height may leave those that were seen."""
MARGIN = 1.15
"""Side of a crop as a multiple of the face's height, where nothing else is said."""
CENTRE_SHARE = 0.8
"""Height of the face that is supposed where none is found, as a share of the picture's shorter side."""
BOXES = ("track", "clip")
"""A box that follows the face, or one for the whole clip: the median of the path, as level as the picture."""


class Face(NamedTuple):
    """A face in a picture, in pixels: centre of its box (x to the right, y down), height, and how far its eyes lean, radians."""

    x: float
    y: float
    height: float
    angle: float


class FaceTrack(NamedTuple):
    """The path of a face: `[T]` each, as of `Face`, and the share of the frames in which it is seen.

    Where it is not seen the path goes straight on to where it is. In a film without a face it is the centre of the picture,
    and `found` is 0.
    """

    x: np.ndarray
    y: np.ndarray
    height: np.ndarray
    angle: np.ndarray
    found: float

    def at(self, frame: int) -> Face:
        """The face in one frame."""
        return Face(*(float(path[frame]) for path in self[:4]))

    def still(self) -> "FaceTrack":
        """One box for the whole clip: the median of each, not turned."""
        one = [np.full_like(path, np.median(path)) for path in (self.x, self.y, self.height)]
        return FaceTrack(*one, np.zeros_like(self.angle), self.found)


def track_face(frames: np.ndarray, boxes: str = "track") -> FaceTrack:
    """The path of the largest face through frames uint8 `[T, H, W]` (grey) or `[T, H, W, 3]` (RGB).

    Args:
        frames: Of one film, in order.
        boxes: One of `BOXES`.

    Raises:
        InputError: The detector's weights are not installed.
    """
    check_choice("boxes", boxes, BOXES)
    seen = _look(frames, lambda frame: faces_in(frames[frame]))
    known = sorted(frame for frame, face in seen.items() if face)
    if len(known) < min(2, len(seen)):  # once only: a mistake of the detector
        return _centre(frames)
    raw = [np.interp(np.arange(len(frames)), known, path) for path in np.array([seen[frame][:3] for frame in known]).T]
    looked_at = sorted({*known[::2], known[-1]})
    leans = [lean_of(frames[frame], seen[frame]) for frame in looked_at]
    raw = np.stack([*raw, np.interp(np.arange(len(frames)), looked_at, leans)])  # [4, T]
    smooth = np.stack([gaussian_filter1d(path, width, mode="nearest") for path, width in zip(raw, SMOOTH)])
    slack = np.outer(SLACK, raw[2])  # [3, T]
    smooth[:3] = raw[:3] + np.clip(smooth[:3] - raw[:3], -slack, slack)
    track = FaceTrack(*smooth, _share_seen(seen, len(frames)))
    return track if boxes == "track" else track.still()


def faces_in(picture: np.ndarray) -> list[Face]:
    """The faces in a picture uint8 `[H, W]` (grey) or `[H, W, 3]` (RGB), down to a tenth of it."""
    if picture.ndim == 2:
        picture = np.repeat(picture[..., None], 3, axis=2)
    for rows in ROWS:
        scale = rows / min(picture.shape[:2])
        if rows == ROWS[0]:
            scale = min(scale, 1.0)  # small pictures are enlarged in vain only where nothing else helps
        found = _detect(resize(picture, tuple(max(1, round(scale * side)) for side in picture.shape[:2])))
        found = found[(found[:, 2:4] >= 1).all(1)]  # of a damaged picture it may say that a face has no size
        if len(found):
            boxes = found[:, :4] / scale  # left, top, width, height
            return [Face(x + width / 2, y + height / 2, height, 0.0) for x, y, width, height in boxes.tolist()]
    return []


def lean_of(picture: np.ndarray, face: Face) -> float:
    """How far the eyes of a face lean, radians clockwise, by closer looks at it; 0 where they do not show it."""
    angle = 0.0
    for _ in range(2):
        cut = cut_out(picture, face._replace(angle=angle), CLOSE, AROUND)
        found = _detect(cut if cut.ndim == 3 else np.repeat(cut[..., None], 3, axis=2))
        if not len(found):
            break
        nearest = found[np.abs(found[:, :2] + found[:, 2:4] / 2 - CLOSE / 2).sum(1).argmin()]
        right_eye, left_eye = nearest[4:6], nearest[6:8]
        more = float(np.arctan2(*(left_eye - right_eye)[::-1]))
        angle += more
        if abs(more) < LEANING:
            break
    return angle


def level_crops(frames: np.ndarray, track: FaceTrack, size: int, margin: float = MARGIN) -> np.ndarray:
    """The face in every frame, its eyes level, smoothed where it shrinks: `[T, size, size]` or `[T, size, size, 3]` float32.

    Args:
        frames: uint8 `[T, H, W]` or `[T, H, W, 3]`; beyond their edges the last pixel goes on.
        track: Of these frames.
        size: Pixels per side.
        margin: Side of the crop as a multiple of the face's height.
    """
    crops = np.empty((len(frames), size, size, *frames.shape[3:]), np.float32)
    for crop, frame, face in zip(crops, frames, zip(*track[:4])):
        large = size * max(1, math.ceil(margin * face[2] / size))  # whole pixels of the crop are averaged
        crop[:] = resize(cut_out(frame, Face(*face), large, margin), (size, size))
    return crops


def resize(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A picture `[H, W]` or `[H, W, 3]` of any number type brought to (height, width): pixels averaged where it shrinks."""
    import cv2

    shrinks = size[0] < picture.shape[0] or size[1] < picture.shape[1]
    return cv2.resize(picture, size[::-1], interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


def cut_out(picture: np.ndarray, face: Face, size: int, margin: float) -> np.ndarray:
    """The square around a face, turned level: `[size, size]` of a picture `[H, W]`, with colours where it has them."""
    import cv2

    corners = corners_of(face, margin)[[0, 1, 3]].astype(np.float32)
    warp = cv2.getAffineTransform(corners, np.float32([[0, 0], [size, 0], [0, size]]))
    warp[:, 2] += warp[:, :2].sum(1) / 2 - 0.5  # corners are edges of pixels, OpenCV counts from their middles
    return cv2.warpAffine(picture, warp, (size, size), borderMode=cv2.BORDER_REPLICATE)


def corners_of(face: Face, margin: float = MARGIN) -> np.ndarray:
    """The corners `[4, 2]` of the square around a face, x and y in pixels, clockwise from the one at its top left."""
    across = np.array([np.cos(face.angle), np.sin(face.angle)]) * margin * face.height
    down = np.array([-across[1], across[0]])
    corner = np.array([face.x, face.y]) - (across + down) / 2
    return np.stack([corner, corner + across, corner + across + down, corner + down])


def _detect(picture: np.ndarray) -> np.ndarray:
    """Rows `[n, 15]` of the faces in a colour picture (RGB) as it is: box, five points, score."""
    detector = _detector()
    detector.setInputSize(picture.shape[1::-1])
    found = detector.detect(np.ascontiguousarray(picture[..., ::-1]))[1]
    return np.empty((0, 15)) if found is None else found


def _look(frames: np.ndarray, find: Callable[[int], list[Face]]) -> dict[int, Face | None]:
    """Frame -> the face in it, of the frames that were looked at."""
    chosen = np.unique(np.linspace(0, len(frames) - 1, 1 + math.ceil((len(frames) - 1) / STEP)).round().astype(int))
    every = {int(frame): find(frame) for frame in chosen}
    largest = max((face.height, frame) for frame in every for face in every[frame] or [Face(0, 0, 0, 0)])[1]
    seen = {largest: max(every[largest], key=lambda face: face.height, default=None)}
    for side in (sorted(frame for frame in every if frame > largest), sorted((f for f in every if f < largest), reverse=True)):
        last = seen[largest]
        for frame in side:  # away from where the face is largest, each time the one that is nearest to the last
            seen[frame] = _same(every[frame], last)
            last = seen[frame] or last

    def between(first: int, last: int, moving: bool = False) -> None:
        middle = (first + last) // 2
        if middle > first and (moving or _apart(seen[first], seen[last])):
            both = [face for face in (seen[first], seen[last]) if face]
            seen[middle] = _same(find(middle), Face(*np.mean(both, axis=0)) if both else None)
            between(first, middle)
            between(middle, last)

    order = sorted(every)
    moved = [False, *(_apart(seen[first], seen[last]) for first, last in zip(order, order[1:])), False]
    for i, (first, last) in enumerate(zip(order, order[1:])):
        between(first, last, moved[i] or moved[i + 2])  # beside a way that was gone it may have turned about
    return seen


def _same(faces: Sequence[Face], last: Face | None) -> Face | None:
    """Of several faces the one that is near the last, and of its size; None where it is none of them."""
    if last is None:
        return None
    near = min(faces, key=lambda face: _distance(face, last), default=None)
    return near if near and _distance(near, last) < FAR and 1 / FAR < near.height / last.height < FAR else None


def _distance(one: Face, other: Face) -> float:
    return math.hypot(one.x - other.x, one.y - other.y) / max(one.height, other.height)


def _apart(one: Face | None, other: Face | None) -> bool:
    """Whether the face moved between two frames, or is in one of them only."""
    if one is None or other is None:
        return one is not other
    return _distance(one, other) > MOVED or abs(math.log(one.height / other.height)) > MOVED


def _share_seen(seen: dict[int, Face | None], count: int) -> float:
    """A frame between two looks counts as both of them do; where these differ there is none between."""
    order = sorted(seen)
    flags = np.interp(np.arange(count), order, [seen[frame] is not None for frame in order])
    return float(flags.mean())


def _centre(frames: np.ndarray) -> FaceTrack:
    height, width = frames.shape[1:3]
    ones = np.ones(len(frames))
    return FaceTrack(width / 2 * ones, height / 2 * ones, CENTRE_SHARE * min(height, width) * ones, 0 * ones, 0.0)


@functools.cache
def _detector():
    import cv2

    cv2.setNumThreads(1)  # callers run one process per core
    return cv2.FaceDetectorYN.create(str(find_packaged(YUNET, "faces")), "", (1, 1), SURE, OVERLAP, 500)
