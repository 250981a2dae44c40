"""Draw the figures that README and lessons show: `python figures/draw.py`. Each stays under 60 KB."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from auxformer.puppets.expression import COLUMN, express
from auxformer.puppets.face import Face, draw

HERE = Path(__file__).parent
COLUMNS = (  # emotion, action unit at whose peak the picture is taken, caption
    ("neutral", None, "neutral"), ("happy", "AU12", "happy"), ("sad", "AU15", "sad"), ("fear", "AU20", "fear"),
    ("angry", "AU4", "angry: frown first"), ("disgust", "AU10", "disgust: snarl first"),
)  # fmt: skip


def peak(speaker: int, emotion: str, unit: str | None) -> np.ndarray:
    """The frame `[H, W, 3]` at which the action unit is strongest and the eyes are open."""
    rng = np.random.default_rng([speaker, len(emotion)])
    units = express(emotion, "HI", 2.4, np.zeros(60), 0.95, rng)  # [T, K]
    frames = draw(Face.of(speaker, 0, "female" if speaker % 2 else "male"), units, rng)  # [T, H, W, 3]
    strength = units[:, COLUMN[unit]] if unit else np.ones(len(units))
    return frames[(strength - 10 * (units[:, COLUMN["AU45"]] > 0.1)).argmax()]


def puppets(speakers=(1020, 1023, 1024, 1025)) -> None:
    """Puppets down, emotions across."""
    sheet = np.concatenate([np.concatenate([peak(s, e, u) for e, u, _ in COLUMNS], 1) for s in speakers], 0)
    picture = Image.new("RGB", (sheet.shape[1], sheet.shape[0] + 20), "white")
    picture.paste(Image.fromarray(sheet), (0, 20))
    pen = ImageDraw.Draw(picture)
    for column, (*_, caption) in enumerate(COLUMNS):
        pen.text((column * 128 + 64, 10), caption, fill="black", anchor="mm", font_size=10)
    picture.save(HERE / "puppets.jpg", quality=70, optimize=True)  # shaded pictures: PNG would be three times as large


if __name__ == "__main__":
    puppets()
    for path in sorted(HERE.glob("*.[jp]*g")):
        print(path.name, path.stat().st_size)
