"""Pictures of a puppet's face at the rate of the video."""

import functools

import numpy as np

from auxformer.puppets import hair, parts
from auxformer.puppets.drawing import Scene, colour, mix
from auxformer.puppets.expression import COLUMN, FRAMES_PER_SECOND
from auxformer.puppets.looks import Face

__all__ = ["FRAMES_PER_SECOND", "SIZE", "Face", "draw"]

SIZE = 128
"""Height and width of the pictures, pixels."""

CENTRE = (64, 60)
"""Where the middle of the head is when it keeps still, x and y."""

NECK = 40
"""How far below that middle the neck is, about which the head tilts."""

NOISE = 1.5
"""Standard deviation of the camera's noise, on a scale of 0..255."""


def draw(face: Face, action_units: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Pictures `[T, 128, 128, 3]` uint8 of a face that moves.

    Args:
        face: Whose face.
        action_units: `[T, K]`, 0..1, channels as in `expression.ACTION_UNITS`.
        rng: Random numbers of this clip, for the sway of the head, the gaze, the lamp and the noise.
    """
    action_units = np.clip(action_units, 0, 1)
    au = {name: action_units[:, column] for name, column in COLUMN.items()}
    length = len(action_units)
    scene = Scene(length)
    scene.moving = True
    hair.hair_behind(scene, face)
    scene.moving = False
    parts.bust(scene, face)
    scene.moving = True
    parts.head(scene, face, au)
    parts.cheeks(scene, face, au)
    parts.nose(scene, face, au)
    parts.mouth(scene, face, au)
    parts.eyes(scene, face, au, drift(length, rng, (0.7, 0.3)))
    hair.hair_over(scene, face)
    parts.brows(scene, face, au)
    pictures = scene.paint(backdrop(face), CENTRE, pose(face, length, rng))
    return develop(pictures, face, rng)


def drift(length: int, rng: np.random.Generator, sizes: tuple) -> np.ndarray:
    """Slow wandering around zero `[T, len(sizes)]`; `sizes` are standard deviations."""
    seconds = np.arange(length)[:, None, None] / FRAMES_PER_SECOND
    speed = rng.uniform(0.15, 0.7, (1, len(sizes), 3))  # Hz
    waves = np.sin(2 * np.pi * (speed * seconds + rng.random((1, len(sizes), 3))))  # [T, tracks, waves]
    return waves.mean(axis=-1) * np.sqrt(6) * np.array(sizes)


def pose(face: Face, length: int, rng: np.random.Generator):
    """A function that moves points `[T, N, 2]` with the swaying head: it shifts, tilts, and turns as a ball would."""
    sway = drift(length, rng, (1.0, 0.7, 0.022, 1.1, 0.8))  # [T, 5]: x, y, radians, turn, nod
    x, y, tilt, turn, nod = sway.T[:, :, None]  # [T, 1] each
    reach = 1.15 * face.width, 1.15 * face.chin

    def move(points: np.ndarray) -> np.ndarray:
        across, down = points[..., 0], points[..., 1]  # [T, N] each
        bulge = np.clip(1 - (across / reach[0]) ** 2 - (down / reach[1]) ** 2, 0, None)  # the middle is nearest to us
        across = across + turn * bulge
        down = down + nod * bulge - NECK
        moved = np.empty(points.shape)
        moved[..., 0] = across * np.cos(tilt) - down * np.sin(tilt) + x
        moved[..., 1] = across * np.sin(tilt) + down * np.cos(tilt) + NECK + y
        return moved

    return move


@functools.lru_cache(maxsize=8)
def backdrop(face: Face) -> np.ndarray:
    """What is behind the puppet, `[128, 128, 3]` uint8: a lit cloth with soft folds."""
    down, across = np.mgrid[:SIZE, :SIZE] / SIZE - 0.5
    lit = np.exp(-(((across - 0.18 * face.light) / 0.55) ** 2) - ((down + 0.1) / 0.6) ** 2)  # [128, 128]
    folds = 0.035 * np.sin(2 * np.pi * (5 * across + 0.25 * np.sin(3 * across)))
    share = np.clip(lit + folds, 0, 1)[..., None]
    edge, middle = mix(face.backdrop, colour("2b2430"), 0.42), mix(face.backdrop, colour("fff3df"), 0.3)
    return np.round(255 * ((1 - share) * np.array(edge) + share * np.array(middle))).astype(np.uint8)


def develop(pictures: np.ndarray, face: Face, rng: np.random.Generator) -> np.ndarray:
    """The pictures as a camera would take them: darker away from the lamp, a little noise."""
    down, across = np.mgrid[:SIZE, :SIZE] / SIZE - 0.5
    lamp = 1.02 + 0.12 * face.light * across - 0.1 * down - 0.18 * (across**2 + down**2)
    lamp = _in_colour(lamp * rng.uniform(0.95, 1.04))  # [128, 128, 3]
    grain = _in_colour(NOISE * rng.standard_normal((2 * SIZE, 2 * SIZE), dtype=np.float32))
    starts = rng.integers(0, SIZE, (len(pictures), 2))
    lit = np.empty(lamp.shape, np.float32)
    for picture, (top, left) in zip(pictures, starts, strict=True):
        np.multiply(picture, lamp, out=lit)
        lit += grain[top : top + SIZE, left : left + SIZE]
        np.clip(lit, 0, 255, out=lit)
        picture[:] = lit
    return pictures


def _in_colour(grey: np.ndarray) -> np.ndarray:
    """`[H, W]` -> `[H, W, 3]` float32, laid out so that it is fast to use."""
    return np.repeat(grey[..., None], 3, axis=-1).astype(np.float32)
