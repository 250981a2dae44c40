"""Draw the core of the package from its real imports: `python figures/rooms.py` writes core.png, under 60 KB.

Every box is a file, every arrow an import (what follows from others is left out, so that the picture can be read). Colours
and rows are the rooms. A file that is added to the core, or an import that goes, is in the picture the next time it is drawn.
"""

import ast
import io
from pathlib import Path

import matplotlib
from matplotlib import pyplot as plt
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from PIL import Image

HERE = Path(__file__).parent
PACKAGE = HERE.parent / "auxformer"
ROOMS = {  # room -> colour of its boxes, its files from left to right
    "config": ("#EFEFEF", ["config"]),
    "data": ("#E3F0F8", ["data.normalise", "data.batch", "data.split", "data.task", "data.missing"]),
    "models": ("#FCEBDD", ["models.layers", "models.registry", "models.auxformer"]),
    "evaluation": ("#E1F2EB", ["evaluation.scores", "evaluation.predictions", "evaluation.intervals"]),
    "training": ("#F3E6F3", ["training.state", "training.run", "training.fit"]),
}
WIDTH, HEIGHT = 2.15, 0.62


def file_of(name: str) -> Path:
    """Path of a module of the package."""
    return PACKAGE / f"{name.replace('.', '/')}.py"


def core_imports() -> dict[str, set[str]]:
    """Core file -> core files that it imports, read from the source; packages stand for the file a name comes from."""
    known = {name for _, names in ROOMS.values() for name in names}
    exported = {
        alias.name: node.module.removeprefix("auxformer.")
        for node in ast.parse((PACKAGE / "models" / "__init__.py").read_text("utf-8")).body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    found = {}
    for name in known:
        targets = set()
        for node in ast.walk(ast.parse(file_of(name).read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("auxformer."):
                module = node.module.removeprefix("auxformer.")
                targets |= {exported.get(alias.name, module) if module == "models" else module for alias in node.names}
        found[name] = (targets & known) - {name}
    return found


def reduced(imports: dict[str, set[str]]) -> dict[str, set[str]]:
    """The imports without those that others imply."""

    def reach(name: str) -> set[str]:
        return set().union(*({other} | reach(other) for other in imports[name]))

    return {
        name: {other for other in targets if not any(other in reach(third) for third in targets - {other})}
        for name, targets in imports.items()
    }


def lines_of(name: str) -> int:
    """Lines of a file."""
    return len(file_of(name).read_text("utf-8").splitlines())


def draw(out: Path = HERE / "core.png") -> Path:
    """Write the picture; returns its path."""
    matplotlib.rcParams["font.family"] = "DejaVu Sans"
    figure, axes = plt.subplots(figsize=(9.6, 5.6), layout="constrained")
    places = {}
    for row, (room, (colour, names)) in enumerate(ROOMS.items()):
        y = -1.35 * row
        axes.text(-0.35, y, room, ha="right", va="center", fontsize=10, weight="bold")
        for column, name in enumerate(names):
            x = 2.5 * column + (0 if len(names) > 3 else 1.25)
            places[name] = (x + WIDTH / 2, y)
            axes.add_patch(
                FancyBboxPatch(
                    (x, y - HEIGHT / 2), WIDTH, HEIGHT, boxstyle="round,pad=0,rounding_size=.08", facecolor=colour,
                    edgecolor="#333333", zorder=3,
                )  # fmt: skip
            )
            label = f"{name.rpartition('.')[2]}.py"
            axes.text(x + WIDTH / 2, y + 0.1, label, ha="center", va="center", fontsize=9.5, zorder=4)
            lines = f"{lines_of(name)} lines"
            axes.text(x + WIDTH / 2, y - 0.16, lines, ha="center", va="center", fontsize=7.5, color="#555555", zorder=4)
    for name, targets in reduced(core_imports()).items():
        for other in targets:
            (x0, y0), (x1, y1) = places[name], places[other]
            same = y0 == y1
            start = (x0 - WIDTH / 2 * (1 if x1 < x0 else -1), y0) if same else (x0 + 0.12 * (x1 > x0), y0 + HEIGHT / 2)
            end = (x1 + WIDTH / 2 * (1 if x1 < x0 else -1), y1) if same else (x1, y1 - HEIGHT / 2)
            far = same and abs(x0 - x1) > 3
            bend = 0.35 if far else 0
            if far:
                start, end = (x0 - 0.4, y0 - HEIGHT / 2), (x1 + 0.4, y1 - HEIGHT / 2)
                bend = -0.25
            axes.add_patch(
                FancyArrowPatch(
                    start, end, arrowstyle="-|>", mutation_scale=9, color="#666666", linewidth=0.9, zorder=2,
                    connectionstyle=f"arc3,rad={bend}",
                )  # fmt: skip
            )
    total = sum(map(lines_of, places))
    axes.set_title(f"The core: {len(places)} files, {total:,} lines. An arrow: imports from.", fontsize=11, loc="left")
    axes.set(xlim=(-1.6, 12.5), ylim=(-1.35 * (len(ROOMS) - 1) - 1.0, 0.7))
    axes.axis("off")
    held = io.BytesIO()
    figure.savefig(held, dpi=100, facecolor="white")
    plt.close(figure)
    picture = Image.open(held).convert("RGB")
    picture.quantize(64, Image.Quantize.MAXCOVERAGE).save(out, optimize=True)  # a third of the size, and nobody sees it
    return out


if __name__ == "__main__":
    written = draw()
    print(written.name, written.stat().st_size)
