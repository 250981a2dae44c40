"""Painting with soft-edged shapes: curves through points, a list of shapes that move in time, and their pixels."""

import functools
from collections.abc import Callable
from itertools import compress, groupby

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
    flat = np.broadcast_arrays(*[np.atleast_1d(value) for pair in xy for value in pair])
    return np.stack(flat, axis=-1).reshape(len(flat[0]), len(xy), 2)


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
    angle = np.linspace(0, 2 * np.pi, count, endpoint=False)
    x, y, width, height = (np.atleast_1d(value)[:, None] for value in (x, y, width, height))
    across, down = np.broadcast_arrays(x + width * np.cos(angle), y + height * np.sin(angle))
    return np.stack([across, down], axis=-1)


def ribbon(line: np.ndarray, half_width: np.ndarray) -> np.ndarray:
    """A band `[T, 2N, 2]` around a line `[T, N, 2]`; `half_width` is `[N]` or `[T, N]`."""
    along = np.gradient(line, axis=1)
    across = np.stack([-along[..., 1], along[..., 0]], axis=-1)
    across = across / np.maximum(np.linalg.norm(across, axis=-1, keepdims=True), 1e-6) * half_width[..., None]
    return np.concatenate([line + across, (line - across)[:, ::-1]], axis=1)


class Scene:
    """Shapes in the order in which they are painted, each at `length` moments.

    Shapes added while `moving` is true follow the head when the scene is painted, the others stand still.
    """

    def __init__(self, length: int):
        self.length = length
        self.moving = False
        self._shapes, self._moving, self._fills, self._lines, self._widths = [], [], [], [], []

    def fill(self, outline: np.ndarray, with_colour: Colour, alpha=1.0) -> None:
        """Fill an outline `[T or 1, N, 2]`; `alpha` is a number or a track `[T]`."""
        self._add(np.concatenate([outline, outline[:, :1]], axis=1), with_colour, alpha, (0, 0, 0), 0.0, 0.0)

    def line(self, course: np.ndarray, with_colour: Colour, width: float, alpha=1.0) -> None:
        """Draw a line `[T or 1, N, 2]`, `width` pixels wide."""
        self._add(course, (0, 0, 0), 0.0, with_colour, alpha, width)

    def glow(self, x, y, width, height, with_colour: Colour, alpha=1.0, rings: int = 4) -> None:
        """A soft spot: nested ellipses that together reach `alpha` in the middle."""
        for ring in range(rings):
            size = 1 - ring / rings
            self.fill(
                ellipse(x, y, np.multiply(width, size), np.multiply(height, size), 20),
                with_colour,
                np.divide(alpha, rings),
            )

    def _add(self, course, fill, fill_alpha, line, line_alpha, width) -> None:
        self._shapes.append(np.broadcast_to(course, (self.length, *course.shape[1:])))
        self._moving.append(self.moving)
        self._fills.append(self._rgba(fill, fill_alpha))
        self._lines.append(self._rgba(line, line_alpha))
        self._widths.append(width)

    def _rgba(self, with_colour: Colour, alpha) -> np.ndarray:
        rgba = np.empty((self.length, 4))
        rgba[:, :3], rgba[:, 3] = with_colour, np.clip(alpha, 0, 1)
        return rgba

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
        courses = self._placed(pose) + centre  # [T, all points, 2]
        moment = np.empty(courses.shape[1:])  # the paths below look into this array
        ends = np.cumsum([shape.shape[1] for shape in self._shapes])
        paths = [Path(part) for part in np.split(moment, ends[:-1])]
        fills, lines = np.stack(self._fills, axis=1), np.stack(self._lines, axis=1)  # [T, shapes, 4]
        seen = np.maximum(fills[..., 3], lines[..., 3]) > 0.01  # [T, shapes]
        widths = np.array(self._widths)
        upright = Affine2D().scale(1, -1).translate(0, height).frozen()
        pictures = np.empty((self.length, height, width, 3), np.uint8)
        for t, some in enumerate(seen):
            moment[:] = courses[t]
            canvas[:] = paper
            renderer.draw_path_collection(
                pen, upright, list(compress(paths, some)), np.zeros((0, 3, 3)), np.zeros((0, 2)), IdentityTransform(),
                fills[t, some], lines[t, some], widths[some], [(0, None)], [True], [None], "screen",
            )  # fmt: skip
            pictures[t] = canvas[..., :3]
        return pictures

    def _placed(self, pose: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """All points `[T, N, 2]`; neighbours in the list that move are moved together."""
        runs = []
        for moving, run in groupby(zip(self._moving, self._shapes, strict=True), key=lambda shape: shape[0]):
            courses = np.concatenate([shape for _, shape in run], axis=1)
            runs.append(pose(courses) if moving else courses)
        return np.concatenate(runs, axis=1)


def _renderer(width: int, height: int):
    """Matplotlib's rasteriser with a round pen."""
    renderer = RendererAgg(width, height, 72)
    pen = renderer.new_gc()
    pen.set_capstyle("round")
    pen.set_joinstyle("round")
    return renderer, pen
