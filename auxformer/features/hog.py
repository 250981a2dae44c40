"""What the face does, at the rate of the video: histograms of oriented gradients of the face."""

import math
from dataclasses import dataclass

import numpy as np

from auxformer import media
from auxformer.errors import InputError
from auxformer.features.base import Clip, settings_digest
from auxformer.features.face import crop, evenly, find_face


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
