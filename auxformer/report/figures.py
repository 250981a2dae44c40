"""Figures of the report of a benchmark: small SVG panels in the page's colours, with words for who cannot see them.

matplotlib draws with the colours of `LIGHT`; in the SVG they become the CSS variables of the same place, so that one
drawing serves a light and a dark page. Text stays text.
"""

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from auxformer.data.missing import PROTOCOL, SHARES
from auxformer.evaluation.calibration import reliability
from auxformer.report.tables import WATCHED, ResultsFolder, share

LIGHT = {
    "ink": "#1d232b", "soft": "#5b6673", "line": "#d9dfe6", "c0": "#c44e00", "c1": "#0072b2", "c2": "#00805f", "c3": "#9b3f95",
    "c4": "#a87400", "c5": "#7a4a13", "c6": "#4b5fb6", "c7": "#607080", "people": "#343c48", "ideal": "#6b7281",
}  # fmt: skip
DARK = {
    "ink": "#e7ebf0", "soft": "#a3adb8", "line": "#353d47", "c0": "#ff8a4d", "c1": "#56b4e9", "c2": "#3fcf9f", "c3": "#e291da",
    "c4": "#efbf45", "c5": "#c99b67", "c6": "#9dabf7", "c7": "#a9b5c1", "people": "#d4dae2", "ideal": "#98a2ae",
}  # fmt: skip
"""The colours of the page and its figures, after Okabe and Ito: c0 is the system looked at most closely."""

MARKERS = "osD^vPX*"
GLYPHS = {
    "o": "M13 8a4 4 0 1 0 8 0a4 4 0 1 0-8 0z", "s": "M13.4 4.4h7.2v7.2h-7.2z", "D": "M17 3l5 5-5 5-5-5z",
    "^": "M17 3.4l4.6 8.4h-9.2z", "v": "M17 12.6l4.6-8.4h-9.2z", "P": "M15.2 3.6h3.6v2.6h2.6v3.6h-2.6v2.6h-3.6v-2.6h-2.6v-3.6h2.6z",
    "X": "M14.6 3.2L17 5.6l2.4-2.4 2.4 2.4L19.4 8l2.4 2.4-2.4 2.4L17 10.4l-2.4 2.4-2.4-2.4L14.6 8l-2.4-2.4z",
    "*": "M17 2.6l1.4 3.7 4 .2-3.1 2.5 1 3.8-3.3-2.1-3.3 2.1 1-3.8-3.1-2.5 4-.2z",
}  # fmt: skip


@dataclass(frozen=True)
class Panel:
    """One drawing: its title, the SVG, and what there is to see in it."""

    title: str
    svg: str
    alt: str


@dataclass(frozen=True)
class Figure:
    """Panels that belong together, with a caption and a legend of (glyph as SVG, label)."""

    name: str
    caption: str
    panels: Sequence[Panel]
    legend: Sequence[tuple[str, str]] = ()


def curves(folder: ResultsFolder) -> Figure | None:
    """The score against the share of frames lost, per stream, single and in one gap; None without such conditions."""
    scores, systems = folder.scores(), folder.shown()
    panels = []
    for ending, how in (("", "single frames"), ("-burst", "one gap")):
        for stream in ("audio", "video", "both"):
            names = {p: f"{stream}-frames-{p}{ending}" for p in SHARES}
            there = {0.0: "complete"} | {p: name for p, name in names.items() if name in folder.conditions()}
            if len(there) > 1:
                title = f"{'both streams' if stream == 'both' else stream}, {how}"
                panels.append(_curve_panel(folder, scores, systems, there, stream, title, f"{stream}{ending}"))
    if not panels:
        return None
    left = len(folder.systems()) - len(systems)
    caption = "Score against the share of frames lost; the band is the 95 % interval over speakers"
    caption += " of the first system." if len(systems) > 3 else "."
    if any((name, "complete") in scores.index for name, *_ in _REFERENCE_LINES):
        caption += (
            " Level lines are references with both streams; short ones on the right, without the stream that is lost."
        )
    if left > 0:
        lead = "" if len(systems) < 7 else f" and {folder.lead()}"
        caption += f" Drawn are the best six{lead}; the other {left} stand in the table of all conditions."
    return Figure("curves", caption, panels, [*_legend(systems), *_reference_legend(scores)])


def _curve_panel(folder, scores, systems, there: Mapping[float, str], stream: str, title: str, key: str) -> Panel:
    def draw(axes):
        for i, system in enumerate(systems):
            known = {p: name for p, name in there.items() if (system, name) in scores.index}
            if not known:
                continue
            x = list(known)
            value, low, high = (
                scores.loc[[(system, name) for name in known.values()], ["value", "low", "high"]].to_numpy().T
            )
            if i == 0 or len(systems) <= 3:
                axes.fill_between(x, low, high, color=LIGHT[f"c{i}"], alpha=0.16, linewidth=0)
            axes.plot(
                x,
                value,
                color=LIGHT[f"c{i}"],
                marker=MARKERS[i],
                markersize=4,
                linewidth=2.2 if i == 0 else 1.1,
                zorder=9 - i,
            )
        for name, colour, dash in _REFERENCE_LINES:
            if (name, "complete") in scores.index:
                axes.axhline(scores.value[name, "complete"], color=LIGHT[colour], linestyle=dash, linewidth=1)
            absent = {"audio": "no-audio", "video": "no-video"}.get(stream)
            if (name, absent) in scores.index:
                axes.plot(
                    [0.93, 1.0], [scores.value[name, absent]] * 2, color=LIGHT[colour], linestyle=dash, linewidth=1.6
                )
        axes.set(xlim=(-0.03, 1.0), xticks=[0, *SHARES], xlabel="share of frames lost", ylim=_limits(folder))

    first, *_, last = there.values()
    told = [
        f"{name} from {share(scores.value[name, first])} to {share(scores.value[name, last])}"
        for name in systems
        if (name, first) in scores.index and (name, last) in scores.index
    ]
    alt = f"Score against frames lost, {title}: from 0 to {max(there):.0%} lost, {'; '.join(told)}."
    return Panel(title, svg(draw, f"curve-{key}", alt), alt)


def media(folder: ResultsFolder) -> Figure | None:
    """Media-level conditions as a dot plot; None without them."""
    scores, systems = folder.scores(), folder.shown()
    names = [name for name in folder.conditions() if name not in PROTOCOL]
    if not names:
        return None
    rows = ["complete", *names]

    def draw(axes):
        for i, system in enumerate(systems):
            places = [
                (scores.value[system, name], row) for row, name in enumerate(rows) if (system, name) in scores.index
            ]
            x, y = np.array(places, float).reshape(-1, 2).T
            offset = (i - (len(systems) - 1) / 2) * 0.6 / len(systems)
            axes.plot(x, y + offset, MARKERS[i], color=LIGHT[f"c{i}"], markersize=6 if i == 0 else 4.5, zorder=9 - i)
        for row in range(len(rows) + 1):
            axes.axhline(row - 0.5, color=LIGHT["line"], linewidth=0.6)
        axes.set(yticks=range(len(rows)), ylim=(len(rows) - 0.5, -0.5), xlabel="score")
        axes.set_yticklabels(rows)
        axes.tick_params(axis="y", length=0)

    worst = {name: min(rows, key=lambda row: scores.value.get((name, row), np.inf)) for name in systems[:1]}
    alt = (
        f"Scores under conditions on the media themselves, a row per condition; {systems[0]} scores lowest under "
        f"{worst[systems[0]]}."
    )
    panel = Panel("", svg(draw, "media", alt, size=(5.6, 0.9 + 0.36 * len(rows))), alt)
    return Figure(
        "media",
        "Conditions on the recordings themselves, before features are extracted.",
        [panel],
        _legend(systems, line=False),
    )


def reliability_diagram(folder: ResultsFolder, conditions: Sequence[str], bins: int = 10) -> Figure | None:
    """Accuracy against confidence, a panel per condition; None without predictions of classes."""
    if folder.predictions is None or not folder.labels:
        return None
    systems = folder.shown(6)
    panels = []
    for condition in conditions:
        tables = {}
        for system in systems:
            part = folder.predictions[
                (folder.predictions.system == system) & (folder.predictions.condition == condition)
            ]
            if len(part):
                table = reliability(part, folder.labels, bins)
                tables[system] = table[table.clips >= max(5, 0.005 * len(part))]
        if tables:
            panels.append(_reliability_panel(tables, systems, condition))
    caption = (
        f"Accuracy of the clips of a bin of confidence ({bins} bins; the size of a dot is its share of the clips, "
        "bins with hardly any clips are left out). "
    )
    caption += "On the diagonal a system is right as often as it says; below it, it is too sure of itself."
    return Figure("reliability", caption, panels, _legend(systems)) if panels else None


def _reliability_panel(tables: Mapping[str, pd.DataFrame], systems: Sequence[str], condition: str) -> Panel:
    def draw(axes):
        axes.plot([0, 1], [0, 1], color=LIGHT["soft"], linestyle=(0, (3, 3)), linewidth=1)
        for system, table in tables.items():
            i = systems.index(system)
            look = {"color": LIGHT[f"c{i}"], "zorder": 9 - i}
            axes.plot(table.confidence, table.accuracy, linewidth=2 if i == 0 else 1, **look)
            sizes = 8 + 90 * table.clips / table.clips.sum()
            axes.scatter(table.confidence, table.accuracy, s=sizes, marker=MARKERS[i], linewidths=0, **look)
        axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="confidence", ylabel="accuracy", aspect="equal")

    gaps = {
        name: float((table.clips * (table.confidence - table.accuracy)).sum() / table.clips.sum())
        for name, table in tables.items()
    }
    told = "; ".join(f"{name} is {share(abs(gap))} too {'sure' if gap > 0 else 'unsure'}" for name, gap in gaps.items())
    alt = f"Reliability diagram, {condition}. On average {told}."
    return Panel(condition, svg(draw, f"reliability-{condition}", alt, size=(3.3, 3.3)), alt)


def emotions(folder: ResultsFolder) -> Figure | None:
    """F1 per emotion of the closely watched system under the basic conditions; None without classes.csv."""
    if folder.classes is None:
        return None
    lead, basic = folder.lead(), {"complete": "c0", "no-audio": "c1", "no-video": "c2"}
    part = folder.classes[(folder.classes.system == lead) & (folder.classes.metric == "f1")]
    table = part.set_index(["condition", "class"])[["value", "low", "high"]]
    conditions = [name for name in basic if name in set(part.condition)]
    labels = [name for name in folder.labels or dict.fromkeys(part["class"])]
    if table.empty or not conditions:
        return None

    def draw(axes):
        for i, condition in enumerate(conditions):
            rows = table.loc[condition].reindex(labels)
            y = np.arange(len(labels)) + (i - (len(conditions) - 1) / 2) * 0.22
            ends = np.clip([rows.value - rows.low, rows.high - rows.value], 0, None)
            axes.errorbar(
                rows.value,
                y,
                xerr=ends,
                fmt=MARKERS[i],
                color=LIGHT[basic[condition]],
                markersize=5,
                elinewidth=1.2,
                clip_on=False,
            )
        for row in range(len(labels) + 1):
            axes.axhline(row - 0.5, color=LIGHT["line"], linewidth=0.6)
        axes.set(yticks=range(len(labels)), ylim=(len(labels) - 0.5, -0.5), xlim=(-0.01, 1), xlabel="F1")
        axes.set_yticklabels(labels)
        axes.tick_params(axis="y", length=0)

    complete = table.loc[conditions[0]].value
    alt = (
        f"F1 per emotion of {lead} with 95 % intervals; {conditions[0]}: best {complete.idxmax()} "
        f"({share(complete.max())}), "
    )
    alt += f"worst {complete.idxmin()} ({share(complete.min())})."
    panel = Panel("", svg(draw, "emotions", alt, size=(5.6, 0.9 + 0.4 * len(labels))), alt)
    legend = [(_glyph(basic[name], MARKERS[i], line=False), name) for i, name in enumerate(conditions)]
    return Figure("emotions", f"F1 per emotion of {lead}, with 95 % intervals over speakers.", [panel], legend)


def cost(folder: ResultsFolder) -> Figure | None:
    """Score with both streams against parameters and against seconds of training; None without cost.csv."""
    if folder.cost is None or folder.cost.empty:
        return None
    complete = folder.scores().value.xs("complete", level="condition")
    table = folder.cost.set_index("system").assign(score=complete)
    panels = []
    for column, label in (
        ("parameters", "parameters"),
        ("training_seconds", "seconds of training, first seed and partition"),
    ):
        part = table[table[column].gt(0) & table.score.notna()]
        if len(part):
            panels.append(_cost_panel(part[column], part.score, label, folder.lead()))
    caption = (
        "Score with both streams against cost: up and to the left is better. Seconds are those of one run on the "
        "machine at hand."
    )
    return Figure("cost", caption, panels) if panels else None


def _cost_panel(costs: pd.Series, scores: pd.Series, label: str, lead: str) -> Panel:
    def draw(axes):
        for name in costs.index:
            first = name == lead
            axes.plot(
                costs[name],
                scores[name],
                MARKERS[0],
                color=LIGHT["c0" if first else "c1"],
                markersize=7 if first else 5,
            )
        low, high = costs.min(), costs.max()
        axes.set(xscale="log", xlim=(low / 1.6, high * max(2.5, (high / low) ** 0.45)), xlabel=label, ylabel="score")
        axes.margins(y=0.12)
        axes.minorticks_off()
        ticks = [n * 10.0**power for power in range(-1, 12) for n in ((1, 3) if high / low < 300 else (1,))]
        ticks = [tick for tick in ticks if low / 1.6 <= tick <= high * 1.6]
        axes.set_xticks(ticks, [_short(tick) for tick in ticks])
        _label_apart(axes, costs, scores, lead)

    best, cheap = scores.idxmax(), costs.idxmin()
    alt = (
        f"Score against {label}: {best} scores most ({share(scores[best])} at {costs[best]:,.0f}), {cheap} costs "
        f"least ({costs[cheap]:,.0f}, {share(scores[cheap])})."
    )
    return Panel("", svg(draw, f"cost-{label.split()[0]}", alt, size=(4.6, 3.4)), alt)


def _short(number: float) -> str:
    """ "300", "10k", "3M"."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:g}{letter}"
    return f"{number:g}"


def _label_apart(axes, costs: pd.Series, scores: pd.Series, lead: str, gap: float = 9) -> None:
    """A name to the right of every point, moved up or down as far as the others need, with a thin line to its point."""
    axes.figure.canvas.draw()
    points = axes.transData.transform(np.column_stack([costs, scores]))  # pixels
    order = np.argsort(points[:, 1])
    scale = axes.figure.dpi / 72
    heights = points[order, 1].copy()
    for _ in range(200):
        for a in range(len(heights) - 1):
            lack = gap * scale - (heights[a + 1] - heights[a])
            if lack > 0:
                heights[a] -= lack / 2
                heights[a + 1] += lack / 2
    for place, height in zip(order, heights):
        name, y = costs.index[place], points[place, 1]
        axes.annotate(
            name, (costs.iloc[place], scores.iloc[place]), xytext=(9, (height - y) / scale), textcoords="offset points",
            va="center", fontsize=7.5, fontweight="bold" if name == lead else "normal", color=LIGHT["ink"],
            arrowprops={"arrowstyle": "-", "color": LIGHT["soft"], "linewidth": 0.5, "shrinkA": 0, "shrinkB": 2},
        )  # fmt: skip


def svg(draw, key: str, alt: str, size: tuple[float, float] = (3.5, 2.7)) -> str:
    """What `draw(axes)` draws, as an SVG that takes the colours of the page and is named by `alt`.

    Args:
        draw: Draws on the axes it is given.
        key: Different for every drawing of a page: part of the ids in it.
        alt: What there is to see.
        size: Width and height in inches.
    """
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure as Canvas

    look = {
        "svg.fonttype": "none", "svg.hashsalt": key, "font.size": 8.5, "font.family": "DejaVu Sans", "text.color": LIGHT["ink"],
        "axes.labelcolor": LIGHT["ink"], "axes.edgecolor": LIGHT["soft"], "xtick.color": LIGHT["soft"], "ytick.color": LIGHT["soft"],
        "xtick.labelcolor": LIGHT["ink"], "ytick.labelcolor": LIGHT["ink"], "axes.spines.top": False, "axes.spines.right": False,
        "figure.facecolor": "none", "axes.facecolor": "none", "savefig.facecolor": "none", "axes.linewidth": 0.8,
    }  # fmt: skip
    with matplotlib.rc_context(look):
        canvas = Canvas(figsize=size, layout="constrained")
        FigureCanvasSVG(canvas)
        draw(canvas.add_subplot())
        text = io.StringIO()
        canvas.savefig(text, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    return _for_page(text.getvalue(), key, alt)


def _for_page(text: str, key: str, alt: str) -> str:
    from html import escape

    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    box = re.search(r'viewBox="([^"]+)"', text)[1]
    named = escape(alt, quote=True)
    width = float(box.split()[2])
    text = re.sub(
        r"<svg[^>]*>",
        f'<svg viewBox="{box}" style="max-width: {width * 1.5:.0f}px" role="img" aria-label="{named}">',
        text,
        count=1,
    )
    used = set(re.findall(r"(?:href=\"|url\()#([\w-]+)", text))

    def own_id(found: re.Match) -> str:
        if found[1] not in used:
            return ""
        used.discard(found[1])  # matplotlib writes a marker again for every line; the copies need no name
        return f' id="{key}-{found[1]}"'

    text = re.sub(r' id="([\w.-]+)"', own_id, text)
    text = re.sub(r'(href="|url\()#', rf"\1#{key}-", text).replace("xlink:href", "href")
    text = re.sub(r"(font: [^;\"]*?px) [^;\"]*", r"\1 system-ui, sans-serif", text)
    text = re.sub(r"(\d+\.\d\d)\d+", r"\1", text)  # a hundredth of a point is enough
    for name, colour in LIGHT.items():
        text = text.replace(colour, f"var(--{name})")
    return re.sub(r">\s+<", "><", re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL))


_REFERENCE_LINES = (
    ("ideal-observer", "ideal", (0, (5, 2))),
    ("human-rater-others", "people", (0, (1, 1.5))),
    ("human-rater", "people", (0, (4, 1, 1, 1))),
)


def _limits(folder: ResultsFolder) -> tuple[float, float]:
    """The same for every panel: from what is seen under any condition on frames to the highest reference."""
    scores = folder.scores()
    frames = scores[scores.index.get_level_values("condition").isin([*PROTOCOL])]
    frames = frames[
        frames.index.get_level_values("system").isin([*folder.shown(), *(line[0] for line in _REFERENCE_LINES)])
    ]
    return float(np.floor(frames.value.min() * 20 - 0.5) / 20), float(
        min(np.ceil(frames.value.max() * 20 + 0.5) / 20, 1.02)
    )


def _legend(systems: Sequence[str], line: bool = True) -> list[tuple[str, str]]:
    return [(_glyph(f"c{i}", MARKERS[i], line), name) for i, name in enumerate(systems)]


def _reference_legend(scores: pd.DataFrame) -> list[tuple[str, str]]:
    dashes = {"ideal-observer": "6 2", "human-rater-others": "1.5 2", "human-rater": "5 1.5 1.5 1.5"}
    said = f"({WATCHED['complete']}: judged by the others)"
    names = {"human-rater-others": f"human-rater-others {said}"}
    return [
        (_glyph(colour, dash=dashes[name]), names.get(name, name))
        for name, colour, _ in _REFERENCE_LINES
        if (name, "complete") in scores.index
    ]


def _glyph(colour: str, marker: str = "", line: bool = True, dash: str = "") -> str:
    stroke = f'<path d="M1 8h32" stroke="var(--{colour})" stroke-width="2" stroke-dasharray="{dash}"/>' if line else ""
    shape = f'<path d="{GLYPHS[marker]}" fill="var(--{colour})"/>' if marker else ""
    return f'<svg class="key" viewBox="0 0 34 16" width="34" height="16" aria-hidden="true">{stroke}{shape}</svg>'
