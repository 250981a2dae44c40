"""Histograms of oriented gradients of a face that is followed: `hog` with the box of `track` in place of one per clip."""

from dataclasses import dataclass

import numpy as np

from auxformer import media
from auxformer.errors import check_choice
from auxformer.features.base import Clip
from auxformer.features.face import evenly
from auxformer.features.hog import GradientHistograms
from auxformer.features.pretrained.packaged import YUNET, find_packaged
from auxformer.features.track import BOXES, FaceTrack, level_crops, track_face


@dataclass(frozen=True)
class TrackedHistograms(GradientHistograms):
    """As `GradientHistograms`, of a crop that follows the face, level with its eyes (`track.track_face`).

    Attributes:
        margin: Side of the crop as a multiple of the height of the detected face.
        boxes: "track" to follow the face, "clip" for one box per clip.
    """

    margin: float = 1.15
    boxes: str = "track"

    name = "hog-yunet"

    def __post_init__(self):
        super().__post_init__()
        check_choice("boxes", self.boxes, BOXES)
        find_packaged(YUNET, self.name)

    def __call__(self, clip: Clip) -> np.ndarray:
        """Histograms `[T, D]` float32 of a clip. Raises `MediaError` when its pictures cannot be read."""
        return self.with_faces(clip)[0]

    def with_faces(self, clip: Clip) -> tuple[np.ndarray, float]:
        """The same, and the share of the frames with a face; where there is none at all it is of the picture's centre."""
        frames, times = media.read_frames(self.source(clip), grey=True)  # [T, H, W]
        frames = frames[evenly(times)]
        track = track_face(frames, self.boxes)
        return self.of_track(frames, track), track.found

    def of_track(self, frames: np.ndarray, track: FaceTrack) -> np.ndarray:
        """Histograms `[T, D]` float32 of grey frames `[T, H, W]` with a face on a path."""
        return self.of_crops(level_crops(frames, track, self.size, self.margin))
