"""The networks inside face_landmarker.task: where a face is, 478 points of it, and 52 blendshapes of these.

The file is a zip of three TFLite networks of MediaPipe (BlazeFace, Bazarevsky et al. 2019; the attention mesh, Grishchenko et
al. 2020; blendshapes, 2023), which ai-edge-litert runs. A face that was found is followed by its own points, and looked for
again where it is lost.
"""

import contextlib
import functools
import os
import sys
import zipfile
import zlib
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from auxformer.errors import InputError

BLENDSHAPE_POINTS = [
    0, 1, 4, 5, 6, 7, 8, 10, 13, 14, 17, 21, 33, 37, 39, 40, 46, 52, 53, 54, 55, 58, 61, 63, 65, 66, 67, 70, 78,
    80, 81, 82, 84, 87, 88, 91, 93, 95, 103, 105, 107, 109, 127, 132, 133, 136, 144, 145, 146, 148, 149, 150,
    152, 153, 154, 155, 157, 158, 159, 160, 161, 162, 163, 168, 172, 173, 176, 178, 181, 185, 191, 195, 197,
    234, 246, 249, 251, 263, 267, 269, 270, 276, 282, 283, 284, 285, 288, 291, 293, 295, 296, 297, 300, 308,
    310, 311, 312, 314, 317, 318, 321, 323, 324, 332, 334, 336, 338, 356, 361, 362, 365, 373, 374, 375, 377,
    378, 379, 380, 381, 382, 384, 385, 386, 387, 388, 389, 390, 397, 398, 400, 402, 405, 409, 415, 454, 466,
    468, 469, 470, 471, 472, 473, 474, 475, 476, 477,
]  # fmt: skip
"""Of the 478 points, those that the blendshapes are computed from."""
NAMES = tuple(
    "_neutral browDownLeft browDownRight browInnerUp browOuterUpLeft browOuterUpRight cheekPuff cheekSquintLeft "
    "cheekSquintRight eyeBlinkLeft eyeBlinkRight eyeLookDownLeft eyeLookDownRight eyeLookInLeft eyeLookInRight "
    "eyeLookOutLeft eyeLookOutRight eyeLookUpLeft eyeLookUpRight eyeSquintLeft eyeSquintRight eyeWideLeft "
    "eyeWideRight jawForward jawLeft jawOpen jawRight mouthClose mouthDimpleLeft mouthDimpleRight mouthFrownLeft "
    "mouthFrownRight mouthFunnel mouthLeft mouthLowerDownLeft mouthLowerDownRight mouthPressLeft mouthPressRight "
    "mouthPucker mouthRight mouthRollLower mouthRollUpper mouthShrugLower mouthShrugUpper mouthSmileLeft "
    "mouthSmileRight mouthStretchLeft mouthStretchRight mouthUpperUpLeft mouthUpperUpRight noseSneerLeft "
    "noseSneerRight".split()
)
"""Names of the 52 blendshapes, in the order of the network; left and right are the person's own."""
RIGHT_EYE, LEFT_EYE = 33, 263
"""Points at the outer corners of the eyes."""
MEMBERS = {
    "face_detector.tflite": ([1, 128, 128, 3], [(896, 1), (896, 16)]),
    "face_landmarks_detector.tflite": ([1, 256, 256, 3], [(1, 1), (1, 1), (1, 1434)]),
    "face_blendshapes.tflite": ([1, 146, 2], [(1, 52)]),
}
"""Network -> shape of its input, and (rows, columns) of its outputs."""
LOOK, CROP, MESH = 128, 256, 478
"""Pixels per side of what the detector and the mesh are given, and points of the mesh."""
SURE = 0.5
"""Probability from which a detection, or a mesh, is taken for a face."""
AROUND = 1.5
"""Side of the mesh's crop as a multiple of the face's."""


class Place(NamedTuple):
    """Where a face is in a picture: its centre `[2]` (x, y) and side in pixels, and how far it leans clockwise, radians."""

    centre: np.ndarray
    side: float
    angle: float


class FaceLandmarker:
    """The three networks of a file, in one thread.

    Raises:
        InputError: It is not there, is damaged, or holds other networks; or ai-edge-litert cannot be imported.
    """

    def __init__(self, path: str | os.PathLike):
        networks = [_network(path, name, content) for name, content in _members(path).items()]
        self._detector, self._mesh, self._shapes = networks
        self._anchors = _anchors()

    def find(self, picture: np.ndarray) -> Place | None:
        """The surest face in RGB uint8 `[H, W, 3]`; in parts of the picture where it is too small to be seen in the whole."""
        height, width = picture.shape[:2]
        side = max(height, width)
        found = self._detect(picture, (height - side) // 2, (width - side) // 2, side)
        if found is None:
            part = max(min(height, width) // 2, 1)
            tops, lefts = (range(0, max(length - part, 0) + 1, max(part // 2, 1)) for length in (height, width))
            parts = [self._detect(picture, top, left, part) for top in tops for left in lefts]
            found = max((face for face in parts if face), key=lambda face: face[0], default=None)
        return found and found[1]

    def points(self, picture: np.ndarray, place: Place) -> np.ndarray | None:
        """Points `[478, 3]` in pixels (x to the right, y down, z away from the camera) of the face at a place, if it is one."""
        import cv2

        across = np.array([np.cos(place.angle), np.sin(place.angle)])  # [2], from eye to eye
        down = np.array([-across[1], across[0]])
        side = AROUND * place.side
        corner = place.centre - side / 2 * (across + down)
        corners = np.float32([corner, corner + side * across, corner + side * down])
        warp = cv2.getAffineTransform(corners, np.float32([[0, 0], [CROP, 0], [0, CROP]]))
        crop = cv2.warpAffine(picture, warp, (CROP, CROP))
        *rest, mesh = sorted(self._mesh(crop[None].astype(np.float32) / 255), key=lambda out: out.size)
        presence = max(rest, key=lambda out: out.ndim).item()  # beside it stands whether the tongue is out
        if _probability(presence) < SURE:
            return None
        mesh = mesh.reshape(-1, 3) * (side / CROP)  # [478, 3]
        flat = corner + mesh[:, :1] * across + mesh[:, 1:2] * down
        return np.concatenate([flat, mesh[:, 2:]], 1)

    def blendshapes(self, points: np.ndarray) -> np.ndarray:
        """52 numbers in 0..1 named by `NAMES`, of points `[478, 3]`."""
        return self._shapes(points[None, BLENDSHAPE_POINTS, :2].astype(np.float32))[0].ravel()

    def follow(self, frames: np.ndarray) -> np.ndarray:
        """Points `[T, 478, 3]` float32 of the face in RGB frames uint8 `[T, H, W, 3]`; NaN in a frame without one."""
        found, last = np.full((len(frames), MESH, 3), np.nan, np.float32), None
        for points, picture in zip(found, frames):
            seen = None if last is None else self.points(picture, last)
            if seen is None and (place := self.find(picture)):
                seen = self.points(picture, place)
            last = None if seen is None else _around(seen)
            if seen is not None:
                points[:] = seen
        return found

    def _detect(self, picture: np.ndarray, top: int, left: int, side: int) -> tuple[float, Place] | None:
        """Probability and place of the surest face in a square of the picture, black beyond its edges."""
        import cv2

        height, width = picture.shape[:2]
        inside = picture[max(top, 0) : top + side, max(left, 0) : left + side]
        below, beyond = max(top + side - height, 0), max(left + side - width, 0)
        square = cv2.copyMakeBorder(inside, max(-top, 0), below, max(-left, 0), beyond, cv2.BORDER_CONSTANT)
        small = cv2.resize(square, (LOOK, LOOK), interpolation=cv2.INTER_AREA)
        scores, boxes = sorted(self._detector(small[None].astype(np.float32) / 127.5 - 1), key=lambda out: out.size)
        scores = _probability(scores.ravel())  # [896]
        kept = np.flatnonzero(scores > SURE)
        if not len(kept):
            return None
        boxes, scores, anchors = boxes.reshape(-1, 8, 2)[kept] / LOOK, scores[kept], self._anchors[kept]
        boxes[:, 0] += anchors
        boxes[:, 2:] += anchors[:, None]
        best = scores.argmax()
        near = np.abs(boxes[:, 0] - boxes[best, 0]).max(1) < 0.35 * boxes[best, 1, 0]
        centre, size, right_eye, left_eye, *_ = np.average(boxes[near], 0, scores[near]) * side  # [2] each
        return scores[best], Place(centre + (left, top), float(size.max()), float(np.arctan2(*(left_eye - right_eye)[::-1])))


@functools.lru_cache(maxsize=1)
def load_landmarker(path: str, sha256: str) -> FaceLandmarker:
    """The networks of a file: once per process."""
    return FaceLandmarker(path)


def _around(points: np.ndarray) -> Place:
    """Where the face of some points is: the square around them, level with the eyes."""
    flat = points[:, :2]
    angle = float(np.arctan2(*(flat[LEFT_EYE] - flat[RIGHT_EYE])[::-1]))
    across = np.array([np.cos(angle), np.sin(angle)])
    axes = np.stack([across, [-across[1], across[0]]])  # [2, 2], rows: across and down
    turned = flat @ axes.T  # [478, 2]
    low, high = turned.min(0), turned.max(0)
    return Place((low + high) / 2 @ axes, float((high - low).max()), angle)


def _probability(logits):
    return 1 / (1 + np.exp(-np.clip(logits, -80, 80)))


def _anchors() -> np.ndarray:
    """Centres `[896, 2]` in 0..1 that the detector's boxes count from: two in each of 16 x 16 cells, six in each of 8 x 8."""
    centres = []
    for cells, times in ((16, 2), (8, 6)):
        places = (np.arange(cells) + 0.5) / cells
        grid = np.stack(np.meshgrid(places, places), -1).reshape(-1, 2)  # [cells * cells, 2], row by row
        centres.append(np.repeat(grid, times, axis=0))
    return np.concatenate(centres)


def _members(path: str | os.PathLike) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(path) as archive:
            lacking = set(MEMBERS) - set(archive.namelist())
            if lacking:
                raise _other(path, f"holds no {min(lacking)}")
            return {name: archive.read(name) for name in MEMBERS}
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise _other(path, f"cannot be read ({error})") from error


def _network(path: str | os.PathLike, name: str, content: bytes):
    """A function from one array to the list of a network's outputs."""
    Interpreter = _interpreter()
    try:
        with _quiet():
            network = Interpreter(model_content=content, num_threads=1)
            network.allocate_tensors()
        (given,) = network.get_input_details()
    except (ValueError, RuntimeError) as error:
        raise _other(path, f"its {name} cannot be loaded ({error})") from error
    out = network.get_output_details()
    shapes = sorted(tuple(int(n) for n in (np.prod(each["shape"][:-1]), each["shape"][-1])) for each in out)
    taken = given["shape"].tolist()
    if (taken, shapes) != MEMBERS[name]:
        raise _other(path, f"its {name} goes from {taken} to {shapes}")

    def run(values: np.ndarray) -> list[np.ndarray]:
        network.set_tensor(given["index"], values)
        network.invoke()
        return [network.get_tensor(each["index"]) for each in out]

    return run


def _interpreter():
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise InputError(
            f"blendshapes: needs ai-edge-litert, which runs its networks and cannot be imported ({error}); run `pip install "
            "ai-edge-litert==2.3.0`"
        ) from error
    return Interpreter


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the line that the library writes to the error stream, past Python, whenever it makes a network."""
    sys.stderr.flush()
    kept, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    os.close(nothing)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _other(path: str | os.PathLike, what: str) -> InputError:
    return InputError(f"{path}: {what}, expected face_landmarker.task with {', '.join(MEMBERS)}; obtain the file again.")
