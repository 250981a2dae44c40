"""What goes wrong with a picture: focus, light, frames, things in front, distance, shake. Films are uint8 `[T, H, W, 3]`, RGB."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from auxformer.features.track import Face, track_face

EXPOSURE = 0.6
"""Part of the time of a frame in which a camera's shutter is open: what moves in it is smeared."""
INSTANTS = 5
"""Pictures that are averaged for one smeared one."""


def blur(frames: np.ndarray) -> np.ndarray:
    """uint8 `[T, H, W, 3]` out of focus."""
    from scipy.ndimage import gaussian_filter

    sigma = frames.shape[1] / 25
    return gaussian_filter(frames, (0, sigma, sigma, 0))


def darken(frames: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """uint8 `[T, H, W, 3]` with an eighth of the light, and noise of 3 of 255 steps."""
    return np.clip(frames / 8 + rng.normal(0, 3, frames.shape), 0, 255).astype(np.uint8)


def occlude(frames: np.ndarray) -> np.ndarray:
    """uint8 `[T, H, W, 3]` with a grey bar over the lower half of the face, at the same place throughout."""
    face = _face(frames)
    covered, half = frames.copy(), face.height / 2
    top, left = (max(0, round(value)) for value in (face.y, face.x - half))
    covered[:, top : round(face.y + half), left : round(face.x + half)] = 128
    return covered


def drop_frames(frames: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """uint8 `[T, H, W, 3]` in which a share of the frames repeats the one shown before; the first is always shown."""
    lost = np.zeros(len(frames), bool)
    lost[1 + rng.permutation(len(frames) - 1)[: round(share * len(frames))]] = True
    return hold(frames, lost)


def hold(frames: np.ndarray, lost: np.ndarray) -> np.ndarray:
    """uint8 `[T, H, W, 3]` where those that are `lost`, bool `[T]`, repeat the one shown before; the first is always shown."""
    return frames[np.maximum.accumulate(np.where(lost, 0, np.arange(len(frames))))]


def by_night(frames: np.ndarray, light: float, grain: float, colour: float, rng: np.random.Generator) -> np.ndarray:
    """uint8 `[T, H, W, 3]` in little light, by a camera that makes the most of it.

    Args:
        frames: A film.
        light: Part of the brightness that is left.
        grain: Deviation of the noise, in steps of 255; a third of it in the black, all of it where the film was white.
        colour: Part of the colours that is left.
        rng: Of the noise.
    """
    noisy = np.empty_like(frames)
    for place, frame in enumerate(frames):
        grey = frame.mean(axis=2, keepdims=True)
        seen = light * (grey + colour * (frame - grey))
        deviation = grain * np.sqrt(1 / 9 + 8 / 9 * grey / 255)
        noisy[place] = np.clip(seen + deviation * rng.standard_normal(frame.shape), 0, 255)
    return noisy


def go_away(frames: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """uint8 `[T, H, W, 3]` in which the face is a `distance`-th, `[T]`, of its size, at the place where it was.

    What lies around the old picture goes on as its edge does, out of focus.
    """
    import cv2

    face, blurred = _face(frames), frames.shape[1] / 25
    away = np.empty_like(frames)
    for place, (frame, times) in enumerate(zip(frames, distance)):
        size, warp = frames.shape[2:0:-1], np.array([[1, 0, face.x], [0, 1, face.y]]) / times
        warp[:, 2] = np.array([face.x, face.y]) - warp[:, 2]
        if times > 1:  # pixels that come to lie within one are averaged
            frame = cv2.GaussianBlur(frame, (0, 0), 0.5 * np.sqrt(times**2 - 1) + 1e-3, borderType=cv2.BORDER_REPLICATE)
        small = cv2.warpAffine(frame, warp, size, borderMode=cv2.BORDER_REPLICATE)
        inside = cv2.warpAffine(np.ones(frame.shape[:2], np.float32), warp, size)[..., None]
        around = cv2.GaussianBlur(small, (0, 0), blurred, borderType=cv2.BORDER_REPLICATE)
        away[place] = np.round(inside * small + (1 - inside) * around)
    return away


class Passer(NamedTuple):
    """Somebody who walks by between the camera and the face.

    Attributes:
        time: Seconds at which the head is in front of the face.
        speed: To the right, in heights of the face per second.
        size: Height of the head, in heights of the face.
        hair, coat: Colours, RGB.
    """

    time: float
    speed: float
    size: float
    hair: tuple[int, int, int]
    coat: tuple[int, int, int]


def pass_by(frames: np.ndarray, passers: Sequence[Passer], frames_per_second: float) -> np.ndarray:
    """uint8 `[T, H, W, 3]` with people in front of the face; so near the camera they are out of focus."""
    import cv2

    face, crowded = _face(frames), frames.copy()
    for place, frame in enumerate(crowded):
        for passer in passers:
            size = passer.size * face.height
            x = face.x + passer.speed * face.height * (place / frames_per_second - passer.time)
            if abs(x - face.x) > frames.shape[2] + 1.5 * size:
                continue
            for colour, down, half in ((passer.coat, 1.35, (1.0, 0.75)), (passer.hair, 0.0, (0.38, 0.5))):
                shape = np.zeros(frame.shape[:2], np.float32)
                centre = round(x), round(face.y + down * size)
                cv2.ellipse(shape, centre, (round(half[0] * size), round(half[1] * size)), 0, 0, 360, 1, -1)
                shape = cv2.GaussianBlur(shape, (0, 0), size / 25 + 1e-3)[..., None]
                frame[:] = np.round((1 - shape) * frame + shape * np.array(colour))
    return crowded


def shake(frames: np.ndarray, sway: np.ndarray) -> np.ndarray:
    """uint8 `[T, H, W, 3]` by a camera that is shaken; what leaves the picture is gone, what comes in goes on as its edge does.

    Args:
        frames: A film.
        sway: `[T, n, 3]` at n instants while the shutter is open: to the right and down in heights of the picture, and
            radians clockwise.
    """
    import cv2

    height, width = frames.shape[1:3]
    shaken = np.empty_like(frames)
    for place, (frame, instants) in enumerate(zip(frames, sway)):
        total = np.zeros(frame.shape, np.float32)
        for right, down, angle in instants.tolist():
            warp = cv2.getRotationMatrix2D((width / 2, height / 2), -np.rad2deg(angle), 1)
            warp[:, 2] += height * right, height * down
            total += cv2.warpAffine(frame, warp, (width, height), borderMode=cv2.BORDER_REPLICATE)
        shaken[place] = np.round(total / len(instants))
    return shaken


def _face(frames: np.ndarray) -> Face:
    """The face in one box for the whole clip."""
    return track_face(frames, "clip").at(0)
