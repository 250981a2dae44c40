"""Draw the framework of AuxFormer: `python figures/framework.py` writes framework.svg and framework.png, each under 60 KB.

Our own drawing of Goncalves & Busso 2022. Streams run from left to right: the voice above, the face below, fusion between
the two auxiliary networks. Colour tells the stream, and so do the line (face: dashed) and the words.
"""

import io
import re
from pathlib import Path

import matplotlib
from matplotlib import pyplot as plt
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle
from PIL import Image

HERE = Path(__file__).parent
INK, SOFT = "#222222", "#555555"
VOICE, FACE, BOTH, SHARED = "#0072B2", "#C25200", "#333333", "#00704F"
PALE = {VOICE: "#E3F0F8", FACE: "#FCEBDD", BOTH: "#FFFFFF", SHARED: "#E1F2EB"}
TITLE = "AuxFormer: a fusion transformer between two auxiliary networks"
DASHES = (0, (4, 1.8))
WIDTH, HEIGHT = 122, 57  # canvas, in tenths of an inch
STREAMS = {  # name -> colour, dashed, other stream, direction outwards, y of: auxiliary network, input, fusion
    "voice": (VOICE, False, "face", 1, (49.5, 42.5, 34.5)),
    "face": (FACE, True, "voice", -1, (7.5, 14.5, 22.5)),
}
SYMBOL = {"voice": "a", "face": "v"}


def box(axes, x, y, width, height, lines, colour=BOTH, dashed=False, bold=(0,)) -> None:
    """A rounded box with x = left edge, y = middle; the lines numbered in `bold` are titles."""
    axes.add_patch(FancyBboxPatch(
        (x, y - height / 2), width, height, boxstyle="round,pad=0,rounding_size=1.1", linewidth=1.5,
        edgecolor=colour, facecolor=PALE[colour], linestyle=DASHES if dashed else "-", zorder=3,
    ))  # fmt: skip
    for number, words in enumerate(lines):
        look = {"fontsize": 11, "weight": "bold"} if number in bold else {"fontsize": 10}
        place = y + 2.15 * ((len(lines) - 1) / 2 - number) - 0.1
        axes.text(x + width / 2, place, words, ha="center", va="center", color=INK, zorder=4, **look)


def line(axes, points, colour=BOTH, dashed=False) -> None:
    """Straight pieces through the points."""
    x, y = zip(*points)
    style = {"linestyle": DASHES if dashed else "-", "dash_capstyle": "butt", "solid_joinstyle": "round"}
    axes.plot(x, y, color=colour, linewidth=1.7, zorder=2, **style)


def arrow(axes, points, colour=BOTH, dashed=False) -> None:
    """Straight pieces through the points; the head touches the last one."""
    line(axes, points, colour, dashed)
    (x0, y0), (x1, y1) = points[-2:]
    length = ((x1 - x0) ** 2 + (y1 - y0) ** 2) ** 0.5
    start = (x1 - (x1 - x0) / length * 1.2, y1 - (y1 - y0) / length * 1.2)
    axes.add_patch(FancyArrowPatch(
        start, (x1, y1), arrowstyle="-|>,head_length=5,head_width=2.7", shrinkA=0, shrinkB=0, linewidth=1,
        color=colour, zorder=2.5,
    ))  # fmt: skip


def note(axes, x, y, words, colour=SOFT, size=9.5, **look) -> None:
    """Small words beside a line."""
    axes.text(x, y, words, **{"ha": "center", "va": "center", "fontsize": size, "color": colour, "zorder": 5} | look)


def draw_stream(axes, name: str) -> None:
    """Everything that belongs to one stream, from its features to its logits."""
    colour, dashed, other, up, (outer, entry, inner) = STREAMS[name]
    other_inner, symbol = STREAMS[other][-1][2], SYMBOL[name]
    middle = HEIGHT / 2
    look = (colour, dashed)

    box(axes, 0.8, entry, 11.4, 7.4, [name, f"$[B,\\,T_{symbol},\\,D_{symbol}]$"], *look)
    arrow(axes, [(12.2, entry), (19.6, entry)], *look)
    box(axes, 19.6, entry, 7.4, 7.4, ["1×1", "conv."], *look, bold=(0, 1))

    # the stream goes out to its auxiliary network, and inwards to ask and to be asked
    stem, ask = 29.6, inner + up * 2.7
    arrow(axes, [(27, entry), (stem, entry), (stem, outer), (41, outer)], *look)
    arrow(axes, [(stem, entry), (stem, ask), (41, ask)], *look)
    arrow(axes, [(33, ask), (41, other_inner + up * 2.7)], *look)
    note(axes, 36.6, ask + up * 1.5, "asks", colour)
    note(axes, 30.2, outer + up * 1.5, f"$[B,\\,T_{symbol},\\,d]$", colour, ha="left")

    box(axes, 41, inner, 12.6, 9.6, ["cross-modal", "stack", f"{name} asks {other}"], *look, bold=(0, 1))
    arrow(axes, [(53.6, inner), (57.2, inner)], *look)
    box(axes, 57.2, inner, 14, 9.6, ["self-attention", "stack", "α·x + (1−α)·g(x)"], *look, bold=(0, 1))
    arrow(axes, [(71.2, inner), (78.4, inner), (78.4, middle + up * 2), (80.4, middle + up * 2)], *look)
    note(axes, 71.7, inner + up * 1.5, "last frame", ha="left")
    place = (80.4, middle if up > 0 else middle - 4)
    hatch = "" if up > 0 else "///"
    axes.add_patch(Rectangle(place, 2, 4, facecolor=colour, edgecolor="white", linewidth=0, hatch=hatch, zorder=3))

    box(axes, 41, outer, 20.6, 6.6, ["self-attention stack", "3 times, the same weights"], *look)
    arrow(axes, [(61.6, outer), (78, outer)], *look)
    note(axes, 69.4, outer + up * 1.5, f"last frame  $r_{symbol}\\;[B,\\,d]$")
    box(axes, 78, outer, 21, 6.6, ["$r$ + MLP($r$), linear", "$d$ → 512 → 256 → $d$ → $C$"], SHARED)
    arrow(axes, [(99, outer), (101.6, outer)], *look)
    box(axes, 101.6, outer, 5, 5, [f"$f_{symbol}$"], *look)
    arrow(axes, [(106.6, outer), (115, outer), (115, middle + up * 9.6)], *look)
    note(axes, 51.3, outer + up * 4.6, f"auxiliary network of the {name}", colour, 10.5, weight="bold")


def draw_fusion(axes) -> None:
    """What the streams have in common: dropout, concatenation, MLP, loss."""
    axes.add_patch(FancyBboxPatch(
        (31, 15.4), 65.8, 26.2, boxstyle="round,pad=0,rounding_size=1.5", facecolor="#F2F2F2", edgecolor="none", zorder=0,
    ))  # fmt: skip
    note(axes, 95.6, 39.6, "fusion transformer", BOTH, 10.5, weight="bold", ha="right")
    box(axes, 14, 28.5, 3.2, 42, [], BOTH)
    note(axes, 15.6, 28.5, "modality dropout, in training: never both", INK, 10, rotation=90)
    note(axes, 36, 28.5, "keys,\nvalues", linespacing=1.1, ha="right")
    note(axes, 81.4, 22.7, "$[B,\\,2d]$")
    arrow(axes, [(82.4, 28.5), (84.8, 28.5)])
    box(axes, 84.8, 28.5, 11.2, 9.6, ["residual", "MLP", "linear → $C$"], bold=(0, 1))
    line(axes, [(98, 46.2), (98, 29.6)], SHARED)
    line(axes, [(98, 27.4), (98, 10.8)], SHARED)  # in two parts: it passes under the arrow
    arrow(axes, [(96, 28.5), (101.6, 28.5)])
    note(axes, 99.4, 38.4, "the same weights", SHARED, 9.5, rotation=90)
    box(axes, 101.6, 28.5, 5, 5, ["$f_{av}$"])
    note(axes, 104.1, 24.6, "$[B,\\,C]$")
    arrow(axes, [(106.6, 28.5), (108.8, 28.5)])
    lines = ["shared loss", "$(L_{av}+L_a+L_v)/3$", "", "prediction", "mean of the", "three logits"]
    box(axes, 108.8, 28.5, 12.6, 19.2, lines, bold=(0, 3))


def draw():
    """The figure."""
    matplotlib.rcParams.update(
        {
            "font.family": "DejaVu Sans",
            "mathtext.fontset": "dejavusans",
            "svg.hashsalt": "framework",
            "svg.fonttype": "none",
        }
    )
    figure = plt.figure(figsize=(WIDTH / 10, HEIGHT / 10), facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, WIDTH), ylim=(0, HEIGHT))
    axes.axis("off")
    draw_fusion(axes)
    for name in STREAMS:
        draw_stream(axes, name)
    return figure


def save(figure) -> None:
    """Write both files."""
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None, "Title": TITLE})
    svg = text.getvalue().replace("'DejaVu Sans'", "'DejaVu Sans', Verdana, sans-serif")  # fonts of the same widths
    svg = re.sub(r' clip-path="[^"]*"', "", re.sub(r"(\d+\.\d{2})\d+", r"\1", svg))
    (HERE / "framework.svg").write_text(svg, encoding="utf-8")
    raw = io.BytesIO()
    figure.savefig(raw, dpi=130, format="png")
    picture = Image.open(raw).convert("RGB").quantize(64, dither=Image.Dither.NONE)
    picture.save(HERE / "framework.png", optimize=True)


if __name__ == "__main__":
    save(draw())
    for path in sorted(HERE.glob("framework.*g")):
        print(path.name, path.stat().st_size)
