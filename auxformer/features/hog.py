"""What the face does, at the rate of the video: histograms of oriented gradients of the face."""

import functools
import math
import os
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from auxformer import media
from auxformer.errors import InputError
from auxformer.features.base import Clip, settings_digest

DETECTION_HEIGHT = 128
"""Pixels to which a frame is shrunk before a face is looked for: enough for faces of a quarter of its height."""
CENTRE_SHARE = 0.8
"""Side of the centre crop as a share of the picture's shorter side: about that of a face framed for a portrait."""
BRIGHTNESS = np.array([0.299, 0.587, 0.114], np.float32)
"""Shares of red, green and blue in what the eye takes for brightness (ITU-R BT.601)."""


class FaceBox(NamedTuple):
    """A square region of every frame of a clip, in pixels, and how sure we are that it is the face.

    `found` is the share of the frames looked at in which a face was detected; 0 means that the box is the centre crop.
    """

    top: int
    left: int
    side: int
    found: float


@dataclass(frozen=True)
class GradientHistograms:
    """Histograms of oriented gradients of the face (Dalal & Triggs, CVPR 2005), one vector per video frame.

    The face is looked for in a few frames; the median box serves the whole clip, so that what moves in the crop is the
    face and not the box. Where no face is found the centre of the picture is taken (`find_face` says so).

    Attributes:
        size: Height and width of the grey face crop, pixels.
        cell: Pixels per side of a cell, over which gradients are counted.
        block: Cells per side of a block, over which the counts are brought to unit length (L2-Hys).
        orientations: Directions of gradients told apart within 180 degrees.
        looks: Frames per clip, evenly spread, in which a face is looked for.
        margin: Side of the crop as a multiple of the detected face's.
    """

    size: int = 48
    cell: int = 12
    block: int = 2
    orientations: int = 8
    looks: int = 5
    margin: float = 1.2

    name = "hog"
    modality = "video"
    frames_per_second = math.nan

    def __post_init__(self):
        cells = self.size // self.cell if self.cell else 0
        if not 1 <= self.block <= cells or self.size % self.cell or self.orientations < 1:
            raise InputError(
                f"hog: size {self.size}, cell {self.cell}, block {self.block} and orientations {self.orientations} do "
                "not fit; size must be a multiple of cell, and block at most their ratio."
            )
        if self.looks < 1 or self.margin <= 0:
            raise InputError(
                f"hog: looks is {self.looks} and margin {self.margin}, expected at least 1 and more than 0."
            )

    @property
    def dims(self) -> int:
        """Numbers per frame: blocks x cells in a block x orientations."""
        blocks = self.size // self.cell - self.block + 1
        return (blocks * self.block) ** 2 * self.orientations

    def digest(self) -> str:
        """Changes with every setting."""
        return settings_digest(self)

    def source(self, clip: Clip) -> str | None:
        """The clip's video file."""
        return clip.video

    def __call__(self, clip: Clip) -> np.ndarray:
        """Histograms `[T, D]` float32 of a clip. Raises `MediaError` when its pictures cannot be read."""
        frames, times = media.read_frames(self.source(clip), grey=True)  # [T, H, W]
        box = find_face(frames, self.looks, self.margin)
        return self.of_crops(crop(frames[evenly(times)], box, self.size))

    def of_crops(self, crops: np.ndarray) -> np.ndarray:
        """Histograms `[T, D]` float32 of grey crops `[T, size, size]`."""
        from skimage.feature import hog  # slow to import, so only where it is used

        cells, blocks = (self.cell, self.cell), (self.block, self.block)
        histograms = [hog(face, self.orientations, cells, blocks, block_norm="L2-Hys") for face in crops]
        return np.stack(histograms).astype(np.float32)  # [T, D]


def find_face(frames: np.ndarray, looks: int = 5, margin: float = 1.2) -> FaceBox:
    """Where the face is in grey frames `[T, H, W]` uint8: the median over a few frames of the largest detected face.

    A face seen in one frame only of several is taken for a mistake of the detector; the centre crop is used then.
    """
    height, width = frames.shape[1:]
    chosen = np.unique(np.linspace(0, len(frames) - 1, looks).round().astype(int))
    boxes = [box for box in (_largest_face(frames[i]) for i in chosen) if box]
    if len(boxes) < min(2, len(chosen)):
        side = max(1, round(CENTRE_SHARE * min(height, width)))
        return FaceBox((height - side) // 2, (width - side) // 2, side, 0.0)
    top, left, side = np.median(boxes, axis=0)  # boxes: list of [3]
    grown = min(side * margin, height, width)
    top = np.clip(top - (grown - side) / 2, 0, height - grown)
    left = np.clip(left - (grown - side) / 2, 0, width - grown)
    return FaceBox(int(top), int(left), int(grown), len(boxes) / len(chosen))


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


def _interpolation(old: int, new: int) -> np.ndarray:
    scale = old / new
    centres = (np.arange(new) + 0.5) * scale - 0.5
    distance = np.abs(np.arange(old) - centres[:, None]) / max(scale, 1)  # [new, old]
    weights = np.maximum(1 - distance, 0)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def _largest_face(frame: np.ndarray) -> tuple[float, float, float] | None:
    scale = frame.shape[0] / DETECTION_HEIGHT
    small = resize(frame[None], (DETECTION_HEIGHT, max(1, round(frame.shape[1] / scale))))[0]
    smallest, largest = DETECTION_HEIGHT // 4, min(small.shape)
    if largest < smallest:
        return None
    faces = _cascade().detect_multi_scale(
        small.round().astype(np.uint8), 1.2, 1, (smallest, smallest), (largest, largest)
    )  # scale factor and step as coarse as still find a face at this size
    if not faces:
        return None
    face = max(faces, key=lambda found: found["width"])
    return face["r"] * scale, face["c"] * scale, face["width"] * scale


@functools.cache
def _cascade():
    from skimage.data import lbp_frontal_face_cascade_filename
    from skimage.feature import Cascade

    return Cascade(lbp_frontal_face_cascade_filename())
