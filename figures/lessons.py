"""One small picture per lesson for the README, taken from the built notebooks: `python figures/lessons.py`.

The picture with most in it (the largest file) stands for its lesson, unless CHOICE names another by words of its description.
"""

import base64
import io
import re
from pathlib import Path

import nbformat
from PIL import Image, ImageOps

HERE = Path(__file__).parent
NOTEBOOKS = HERE.parent / "notebooks"
SIZE = (400, 190)  # shown at half of this
CHOICE = {
    "00": "frames of a puppet",
    "01": "around the face",
    "02": "attention map",
    "03": "heads and their mean",
    "04": "per pair",
}


def pictures(path: Path) -> list[tuple[str, bytes]]:
    """(description, PNG) of the figures among a notebook's outputs, in their order."""
    found = []
    for cell in nbformat.read(path, as_version=4).cells:
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                alt = output.metadata["image/png"]["alt"]
                found.append((alt, base64.b64decode(output.data["image/png"])))
    return found


def choose(found: list[tuple[str, bytes]], words: str | None) -> bytes:
    """The first picture whose description has the words, else the one with most in it."""
    named = [png for alt, png in found if words and words in alt]
    return named[0] if named else max((png for _, png in found), key=len)


def thumbnail(png: bytes) -> Image.Image:
    """The picture, whole, on a white card of one size for all lessons."""
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    return ImageOps.pad(picture, SIZE, Image.Resampling.LANCZOS, color="white")


def draw() -> list[Path]:
    """Write `lesson-NN.png` for every lesson that has been built."""
    written = []
    for path in sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb")):
        number = re.match(r"\d\d", path.name)[0]
        png = choose(pictures(path), CHOICE.get(number))
        target = HERE / f"lesson-{number}.png"
        thumbnail(png).quantize(128, dither=Image.Dither.NONE).save(target, optimize=True)
        written.append(target)
    return written


if __name__ == "__main__":
    for path in draw():
        print(path.name, path.stat().st_size)
