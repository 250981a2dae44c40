"""Painting with soft-edged shapes: curves through points, a list of shapes that move in time, and their pixels."""

import functools
from collections.abc import Callable
from itertools import compress
from typing import NamedTuple

import numpy as np
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.path import Path
from matplotlib.transforms import Affine2D, IdentityTransform

Colour = tuple[float, float, float]
"""Red, green, blue, 0..1."""


def colour(name: str) -> Colour:
    """The colour written "rrggbb" in hexadecimal digits."""
    return tuple(int(name[i : i + 2], 16) / 255 for i in (0, 2, 4))


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """`share` of the second colour in the first."""
    return tuple((1 - share) * a + share * b for a, b in zip(first, second, strict=True))


def brightness(of: Colour) -> float:
    """How bright a colour looks, 0..1."""
    return 0.3 * of[0] + 0.59 * of[1] + 0.11 * of[2]


def points(*xy) -> np.ndarray:
    """Corner points `[T, M, 2]` from pairs (x, y) whose members are numbers or tracks `[T]`."""
    corners = np.empty((max(np.size(value) for pair in xy for value in pair), len(xy), 2))
    for place, pair in enumerate(xy):
        corners[:, place, 0], corners[:, place, 1] = pair
    return corners


def mirrored(right_half: np.ndarray) -> np.ndarray:
    """A closed outline `[T, 2M - 2, 2]` from its right half `[T, M, 2]`, whose first and last point lie on the axis."""
    return np.concatenate([right_half, (right_half * (-1, 1))[:, -2:0:-1]], axis=1)


def curve(corners: np.ndarray, closed: bool = True, steps: int = 5) -> np.ndarray:
    """A smooth line `[T, N, 2]` through corners `[T, M, 2]` (Catmull-Rom spline), `steps` points per corner."""
    return _spline(corners.shape[1], closed, steps) @ corners  # [N, M] @ [T, M, 2] -> [T, N, 2]


@functools.cache
def _spline(corners: int, closed: bool, steps: int) -> np.ndarray:
    """Weights `[N, M]` of the corners in the points of a Catmull-Rom spline."""
    spans = corners if closed else corners - 1
    weights = np.zeros((spans * steps + (not closed), corners))
    for row in range(len(weights)):
        span, u = divmod(row / steps, 1)
        share = (
            (-u + 2 * u**2 - u**3) / 2,
            (2 - 5 * u**2 + 3 * u**3) / 2,
            (u + 4 * u**2 - 3 * u**3) / 2,
            (-(u**2) + u**3) / 2,
        )
        for offset, weight in zip(range(-1, 3), share, strict=True):
            corner = int(span) + offset
            corner = corner % corners if closed else min(max(corner, 0), corners - 1)
            weights[row, corner] += weight
    return weights


def ellipse(x, y, width, height, count: int = 24) -> np.ndarray:
    """Outline `[T, count, 2]`; centre and half axes are numbers or tracks `[T]`."""
    x, y, width, height = (np.reshape(value, (-1, 1)) for value in (x, y, width, height))
    across, down = _circle(count)
    outline = np.empty((max(map(len, (x, y, width, height))), count, 2))
    outline[..., 0] = x + width * across
    outline[..., 1] = y + height * down
    return outline


@functools.cache
def _circle(count: int) -> tuple[np.ndarray, np.ndarray]:
    angle = np.linspace(0, 2 * np.pi, count, endpoint=False)
    return np.cos(angle), np.sin(angle)


def between(line: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The outline `[T, N + M, 2]` of what lies between two lines `[T, N, 2]` and `[T, M, 2]` of the same direction."""
    return np.concatenate([line, other[:, ::-1]], axis=1)


def ribbon(line: np.ndarray, half_width: np.ndarray) -> np.ndarray:
    """A band `[T, 2N, 2]` around a line `[T, N, 2]`; `half_width` is `[N]` or `[T, N]`."""
    along = np.gradient(line, axis=1)
    across = np.stack([-along[..., 1], along[..., 0]], axis=-1)
    across = across / np.maximum(np.linalg.norm(across, axis=-1, keepdims=True), 1e-6) * half_width[..., None]
    return between(line + across, line - across)


INK, WHITE = colour("2a1a18"), colour("fbf6ee")


class Shape(NamedTuple):
    """An outline that is filled (`width` 0) or a line of so many pixels, `[T or 1, N, 2]`; does it follow the head?"""

    course: np.ndarray
    colour: Colour
    alpha: float | np.ndarray
    width: float
    moving: bool


class Scene:
    """Shapes in the order in which they are painted, each at `length` moments.

    Shapes added while `moving` is true follow the head when the scene is painted, the others stand still.
    """

    def __init__(self, length: int):
        self.length = length
        self.moving = False
        self.shapes: list[Shape] = []

    def fill(self, outline: np.ndarray, with_colour: Colour, alpha=1.0) -> None:
        """Fill an outline `[T or 1, N, 2]`; `alpha` is a number or a track `[T]`."""
        closed = np.concatenate([outline, outline[:, :1]], axis=1)
        self.shapes.append(Shape(closed, with_colour, alpha, 0.0, self.moving))

    def line(self, course: np.ndarray, with_colour: Colour, width: float, alpha=1.0) -> None:
        """Draw a line `[T or 1, N, 2]`, `width` pixels wide."""
        self.shapes.append(Shape(course, with_colour, alpha, width, self.moving))

    def stroke(self, corners: np.ndarray, with_colour: Colour, width: float, alpha=1.0) -> None:
        """Draw a smooth line through corners `[T or 1, M, 2]`."""
        self.line(curve(corners, closed=False), with_colour, width, alpha)

    def glow(self, x, y, width, height, with_colour: Colour, alpha=1.0, rings: int = 4) -> None:
        """A soft spot: nested ellipses that together reach `alpha` in the middle."""
        for ring in range(rings):
            size = 1 - ring / rings
            outline = ellipse(x, y, np.multiply(width, size), np.multiply(height, size), 20)
            self.fill(outline, with_colour, np.divide(alpha, rings))

    def paint(self, background: np.ndarray, centre, pose: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """Pictures `[T, H, W, 3]` uint8 of the shapes over a background `[H, W, 3]` uint8.

        `centre` (x, y) is the pixel where the shapes have their origin. `pose` takes the points `[T, N, 2]` of the
        moving shapes and returns where they are.
        """
        height, width = background.shape[:2]
        renderer, pen = _renderer(width, height)
        canvas = np.asarray(renderer.buffer_rgba())  # [H, W, 4], the renderer's own memory
        paper = np.full((height, width, 4), 255, np.uint8)
        paper[..., :3] = background
        courses, ends = self._courses(pose)
        courses += centre
        moment = np.empty(courses.shape[1:])  # the paths below look into this array
        paths = [Path(part) for part in np.split(moment, ends[:-1])]
        fills, lines = self._colours()
        seen = np.maximum(fills[..., 3], lines[..., 3]) > 0.01  # [T, shapes]
        widths = np.array([shape.width for shape in self.shapes])
        upright = Affine2D().scale(1, -1).translate(0, height).frozen()
        pictures = np.empty((self.length, height, width, 3), np.uint8)
        for t, some in enumerate(seen):
            moment[:] = courses[t]
            canvas[:] = paper
            renderer.draw_path_collection(
                pen, upright, list(compress(paths, some)), np.zeros((0, 3, 3)), np.zeros((0, 2)), IdentityTransform(),
                fills[t, some], lines[t, some], widths[some], [(0, None)], [True], [None], "screen",
            )  # fmt: skip
            for channel in range(3):  # six times as fast as all three at once
                pictures[t, ..., channel] = canvas[..., channel]
        return pictures

    def _courses(self, pose: Callable[[np.ndarray], np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """All points `[T, N, 2]` where the pose puts them, and where each shape ends among them `[shapes]`."""
        lengths = [shape.course.shape[1] for shape in self.shapes]
        ends = np.cumsum(lengths)
        courses = np.empty((self.length, ends[-1], 2))
        for shape, end in zip(self.shapes, ends, strict=True):
            courses[:, end - shape.course.shape[1] : end] = shape.course
        moving = np.repeat([shape.moving for shape in self.shapes], lengths)
        courses[:, moving] = pose(courses[:, moving])
        return courses, ends

    def _colours(self) -> tuple[np.ndarray, np.ndarray]:
        """Red, green, blue and alpha `[T, shapes, 4]` of what is filled and of what is drawn; either is transparent."""
        fills = np.zeros((self.length, len(self.shapes), 4))
        lines = np.zeros_like(fills)
        for place, shape in enumerate(self.shapes):
            rgba = (lines if shape.width else fills)[:, place]
            rgba[:, :3], rgba[:, 3] = shape.colour, np.clip(shape.alpha, 0, 1)
        return fills, lines


def _renderer(width: int, height: int):
    """Matplotlib's rasteriser with a round pen."""
    renderer = RendererAgg(width, height, 72)
    pen = renderer.new_gc()
    pen.set_capstyle("round")
    pen.set_joinstyle("round")
    return renderer, pen
