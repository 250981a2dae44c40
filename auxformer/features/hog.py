"""What the face does, at the rate of the video: histograms of oriented gradients of the face."""

from dataclasses import dataclass

import numpy as np

from auxformer.errors import InputError
from auxformer.features.face import FaceExtractor
from auxformer.features.track import MARGIN, FaceTrack, level_crops


@dataclass(frozen=True)
class GradientHistograms(FaceExtractor):
    """Histograms of oriented gradients of the face (Dalal & Triggs, CVPR 2005), one vector per video frame.

    The crop follows the face smoothly, level with its eyes (`track.track_face`), so that what moves in it is the face and not
    the head. Where no face is found it is the centre of the picture, and `with_faces` says so.

    Attributes:
        size: Height and width of the grey face crop, pixels.
        cell: Pixels per side of a cell, over which gradients are counted.
        block: Cells per side of a block, over which the counts are brought to unit length (L2-Hys).
        orientations: Directions of gradients told apart within 180 degrees.
        margin: Side of the crop as a multiple of the height of the detected face.
        boxes: "track" to follow the face, "clip" for one box per clip.
    """

    size: int = 48
    cell: int = 12
    block: int = 2
    orientations: int = 8
    margin: float = MARGIN
    boxes: str = "track"

    name = "hog"
    sees_colour = False

    def __post_init__(self):
        cells = self.size // self.cell if self.cell else 0
        if not 1 <= self.block <= cells or self.size % self.cell or self.orientations < 1:
            raise InputError(
                f"hog: size {self.size}, cell {self.cell}, block {self.block} and orientations {self.orientations} do "
                "not fit; size must be a multiple of cell, and block at most their ratio."
            )
        self.check_crop()

    @property
    def dims(self) -> int:
        """Numbers per frame: blocks x cells in a block x orientations."""
        blocks = self.size // self.cell - self.block + 1
        return (blocks * self.block) ** 2 * self.orientations

    def of_film(self, frames: np.ndarray | None, grey: np.ndarray, track: FaceTrack) -> np.ndarray:
        """Histograms `[T, D]` float32 of grey frames `[T, H, W]` with a face on a path; the coloured ones are not used."""
        return self.of_crops(level_crops(grey, track, self.size, self.margin))

    def of_crops(self, crops: np.ndarray) -> np.ndarray:
        """Histograms `[T, D]` float32 of grey crops `[T, size, size]`."""
        return block_histograms(cell_histograms(crops, self.cell, self.orientations), self.block)


def cell_histograms(crops: np.ndarray, cell: int, orientations: int) -> np.ndarray:
    """How much of the gradients in each cell points where: grey crops `[T, size, size]` to `[T, cells, cells, orientations]`.

    All crops at once, and bit for bit what scikit-image counts in one of them; so sums are kept in float32, pixel by
    pixel in its order.
    """
    crops = np.asarray(crops, np.float32)
    down, right = np.zeros((2, *crops.shape))  # [T, size, size] each; 0 along the edges
    down[:, 1:-1] = crops[:, 2:] - crops[:, :-2]
    right[:, :, 1:-1] = crops[:, :, 2:] - crops[:, :, :-2]
    strength, angle = np.hypot(right, down), np.rad2deg(np.arctan2(down, right))
    angle = np.where(angle == 180, 0, angle)
    angle += 180 * (angle < 0)  # now 0 to 180; the % operator takes ten times as long
    direction = np.zeros(angle.shape, np.intp)  # 0 to `orientations`, the last where rounding gave all of 180
    for end in np.float32(180 / orientations * np.arange(1, orientations + 1)):
        direction += angle >= end
    cells = crops.shape[1] // cell

    def by_pixel(values: np.ndarray) -> np.ndarray:
        split = values.reshape(-1, cells, cell, cells, cell)  # [T, cells, cell, cells, cell]
        return split.transpose(2, 4, 0, 1, 3).reshape(cell**2, -1)  # [pixels of a cell, T * cells * cells]

    counts = np.zeros((len(crops) * cells**2, orientations + 1), np.float32)
    flat, first = counts.reshape(-1), np.arange(len(counts)) * (orientations + 1)
    for places, amounts in zip(first + by_pixel(direction), by_pixel(strength), strict=True):
        flat[places] += amounts  # every cell's next pixel
    return counts[:, :orientations].reshape(-1, cells, cells, orientations) / np.float32(cell**2)


def block_histograms(counts: np.ndarray, block: int) -> np.ndarray:
    """Every block of cells of `[T, cells, cells, orientations]` at unit length (L2-Hys), as `[T, D]` float32."""
    blocks = np.lib.stride_tricks.sliding_window_view(counts.astype(np.float64), (block, block), (1, 2))
    blocks = np.moveaxis(blocks, 3, -1)  # [T, blocks, blocks, block, block, orientations]
    blocks = blocks.reshape(*blocks.shape[:3], -1)
    clipped = np.minimum(_unit(blocks), 0.2)
    return _unit(clipped).reshape(len(counts), -1).astype(np.float32)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.sqrt((vectors**2).sum(-1, keepdims=True) + 1e-5**2)
