"""Figures of a report: SVG on a white ground, with words for who cannot see them. Each is None where its data are not there."""

import io
from base64 import b64encode
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pandas as pd

from auxformer.corruption.storm import CAUSES, SEVERITIES
from auxformer.data.missing import LOSSES, PROTOCOL, SHARES, frame_conditions
from auxformer.evaluation.calibration import reliability
from auxformer.models.registry import list_references
from auxformer.plots import style
from auxformer.reports.results import ResultsFolder
from auxformer.reports.tables import share

COLOURS = ("#c44e00", "#0072b2", "#00805f", "#9b3f95", "#a87400", "#7a4a13", "#4b5fb6", "#607080")
"""After Okabe and Ito; the first is the system looked at most closely."""

MARKERS = "osD^vPX*"
INK, SOFT, LINE = "#1d232b", "#5b6673", "#d9dfe6"

REFERENCE_LINES = {
    "ideal-observer": {"color": "#6b7281", "linestyle": (0, (5, 2))},
    "human-rater-others": {"color": "#343c48", "linestyle": (0, (1, 1.5))},
    "human-rater": {"color": "#343c48", "linestyle": (0, (4, 1, 1, 1))},
}


@dataclass(frozen=True)
class Figure:
    """A drawing, with its caption and what there is to see in it."""

    name: str
    caption: str
    alt: str
    svg: str

    @property
    def source(self) -> str:
        """The drawing itself as the address of a picture, so that a page fetches nothing."""
        return f"data:image/svg+xml;base64,{b64encode(self.svg.encode()).decode()}"


@contextmanager
def _look():
    import matplotlib

    with matplotlib.rc_context({"svg.hashsalt": "auxformer"}):
        style()
        matplotlib.rcParams["font.size"] = 9
        yield


def _panels(count: int, width: float, height: float, columns: int = 3, **shared):
    """A drawing and its `count` panels, each of `width` x `height` inches."""
    from matplotlib.figure import Figure as Drawing

    columns = min(count, columns)
    lines = -(-count // columns)
    drawing = Drawing(figsize=(width * columns, height * lines + 0.4))
    axes = drawing.subplots(lines, columns, squeeze=False, **shared).ravel()
    for axis in axes[count:]:
        axis.set_visible(False)
    return drawing, axes[:count]


def _finished(drawing, name: str, caption: str, alt: str) -> Figure:
    """With one legend for all panels, where something has a label."""
    handles = {
        text: handle for axis in drawing.axes for handle, text in zip(*axis.get_legend_handles_labels(), strict=True)
    }
    if handles:
        drawing.legend(handles.values(), handles, loc="outside upper left", ncols=int(drawing.get_figwidth() // 2))
    text = io.StringIO()
    drawing.savefig(text, format="svg", metadata={"Date": None})
    return Figure(name, caption, alt, text.getvalue())


def _line(place: int) -> dict:
    """How the system in this place is drawn; the first one stands out."""
    width, size = (2.2, 5) if place == 0 else (1.1, 4)
    look = {"color": COLOURS[place], "marker": MARKERS[place], "zorder": 9 - place}
    return look | {"linewidth": width, "markersize": size}


def _in_rows(axis, names: Sequence[str]) -> None:
    """Name the rows of a dot plot, the first one on top, with thin lines between them."""
    for row in range(len(names) + 1):
        axis.axhline(row - 0.5, color=LINE, linewidth=0.6)
    axis.set_yticks(range(len(names)), names)
    axis.set_ylim(len(names) - 0.5, -0.5)
    axis.tick_params(axis="y", length=0)


@_look()
def curves(folder: ResultsFolder) -> Figure | None:
    """The score against the share of frames lost, per stream and per way of losing them."""
    board, systems, known, panels = folder.board, folder.shown(), set(folder.conditions()), {}
    for kind, (_, how) in LOSSES.items():
        for stream in ("audio", "video", "both"):
            names = frame_conditions(stream, kind)
            there = {0.0: "complete"} | {lost: name for lost, name in names.items() if name in known}
            if len(there) > 1:
                panels[f"{'both streams' if stream == 'both' else stream}, {how}"] = stream, there
    if not panels:
        return None
    drawing, axes = _panels(len(panels), 3.3 if len(panels) > 1 else 6.5, 2.5, sharey=True)
    told = []
    for axis, (title, (stream, there)) in zip(axes, panels.items(), strict=True):
        _draw_curves(axis, board, systems, there)
        _draw_references(axis, board, {"audio": "no-audio", "video": "no-video"}.get(stream))
        axis.set(title=title, xlim=(-0.03, 1.0), xticks=[0, *SHARES], xlabel="share of frames lost")
        told.append(f"{title}: from 0 to {max(there):.0%} lost, {_ends(board, systems, there)}.")
    short = "; short ones, without the stream that is lost"
    return _finished(drawing, "curves", _about_curves(folder, short), f"Score against frames lost. {' '.join(told)}")


@_look()
def storm(folder: ResultsFolder) -> Figure | None:
    """The score against the severity of causes that strike both streams, a panel per cause."""
    board, systems, known = folder.board, folder.shown(), set(folder.conditions())
    panels = {}
    for cause in CAUSES:
        names = {severity: f"{cause}-{severity}" for severity in SEVERITIES[1:]}
        there = {severity: name for severity, name in names.items() if name in known}
        if there:
            panels[cause] = {0: "complete"} | there
    if not panels:
        return None
    drawing, axes = _panels(len(panels), 3.3 if len(panels) > 1 else 6.5, 2.5, sharey=True)
    told = []
    for axis, (cause, there) in zip(axes, panels.items(), strict=True):
        _draw_curves(axis, board, systems, there)
        _draw_references(axis, board, None)
        axis.set(title=cause, xlim=(-0.2, SEVERITIES[-1] + 0.2), xticks=SEVERITIES, xlabel="severity")
        told.append(f"{cause}: from severity 0 to {max(there)}, {_ends(board, systems, there)}.")
    return _finished(drawing, "storm", _about_curves(folder), f"Score against severity. {' '.join(told)}")


def _ends(board: pd.DataFrame, systems: Sequence[str], there: Mapping[float, str]) -> str:
    """In words, where the curves of the systems begin and end."""
    first, *_, last = there.values()
    ends = board.value.unstack("condition").loc[systems, [first, last]].dropna()
    return "; ".join(f"{name} from {share(start)} to {share(end)}" for name, start, end in ends.itertuples())


def _about_curves(folder: ResultsFolder, short: str = "") -> str:
    """What stands below curves; `short` says what short lines are."""
    systems = folder.shown()
    caption = f"Bands are 95 % intervals over speakers{' (first system only)' if len(systems) > 3 else ''}."
    if set(REFERENCE_LINES) & set(folder.references()):
        caption += f" Level lines are references with {folder.whole}{short}."
    if left := len(folder.systems()) - len(systems):
        caption += f" Drawn are the best and {folder.lead()}; the other {left} stand in the table of all conditions."
    return caption


def _draw_curves(axis, board: pd.DataFrame, systems: Sequence[str], there: Mapping[float, str]) -> None:
    for place, system in enumerate(systems):
        known = {lost: name for lost, name in there.items() if (system, name) in board.index}
        rows = board.loc[[(system, name) for name in known.values()]]
        if place == 0 or len(systems) <= 3:
            axis.fill_between(list(known), rows.low, rows.high, color=COLOURS[place], alpha=0.16, linewidth=0)
        axis.plot(list(known), rows.value, label=system, **_line(place))


def _draw_references(axis, board: pd.DataFrame, absent: str | None) -> None:
    for name, look in REFERENCE_LINES.items():
        if (name, "complete") in board.index:
            axis.axhline(board.value[name, "complete"], linewidth=1, label=name, **look)
        if (name, absent) in board.index:
            axis.plot([0.93, 1.0], [board.value[name, absent]] * 2, linewidth=1.6, **look)


@_look()
def missing_training(folder: ResultsFolder) -> Figure | None:
    """The score against the shares of training clips that lacked audio or video, a panel per condition."""
    table = folder.missing_in_training()
    if table.empty:
        return None
    rates = sorted(set(zip(table.audio, table.video)), key=lambda rate: (rate[0] != rate[1], sum(rate), rate))
    shared = [place for place, (audio, video) in enumerate(rates) if audio == video]
    models, conditions, scores = list(dict.fromkeys(table.model)), folder.streams(), folder.board.value
    drawing, axes = _panels(len(conditions), 3.3, 2.9, sharey=True)
    told = []
    for axis, condition in zip(axes, conditions, strict=True):
        for (model, dropout), part in table.groupby(["model", "dropout"], sort=False):
            values = np.full(len(rates), np.nan)
            for name, audio, video in zip(part.index, part.audio, part.video):
                values[rates.index((audio, video))] = scores.get((name, condition), np.nan)
            look = _line(models.index(model) % len(COLOURS)) | {"linewidth": 1.2, "markersize": 4}
            look |= {} if dropout else {"linestyle": (0, (3, 2)), "markerfacecolor": "white"}
            label = model if dropout else f"{model}, no dropout"
            axis.plot(shared, values[shared], label=label, **look)
            others = [place for place in range(len(rates)) if place not in shared]
            axis.plot(others, values[others], **look | {"linestyle": "none"})
            ends = [(rates[place], values[place]) for place in (0, -1) if np.isfinite(values[place])]
            said = ", ".join(f"{share(value)} at {_rate(rate)}" for rate, value in ends)
            told.append(f"{condition}, {label}: {said}")
        axis.set_xticks(range(len(rates)), [_rate(rate) for rate in rates], rotation=45)
        axis.set(title=condition, xlabel="training clips without audio / video")
    axes[0].set_ylabel("score")
    caption = "Joined are shares that are the same for both streams; the others stand alone. Broken lines are without modality dropout."
    caption += "".join(f" {model} knows none." for model in models if model in list_references())
    return _finished(drawing, "missing-training", caption, f"Score against streams missing in training. {'; '.join(told)}.")


def _rate(rate: tuple[float, float]) -> str:
    return " / ".join(f"{lost:.0%}" for lost in rate)


@_look()
def media(folder: ResultsFolder) -> Figure | None:
    """Media-level conditions of one stream as a dot plot."""
    scores, systems = folder.board.value, folder.shown()
    struck = {f"{cause}-{severity}" for cause in CAUSES for severity in SEVERITIES}
    names = [name for name in folder.conditions() if name not in PROTOCOL and name not in struck]
    if not names:
        return None
    rows = ["complete", *names]
    drawing, (axis,) = _panels(1, 6.5, 0.8 + 0.36 * len(rows))
    for place, system in enumerate(systems):
        offset = (place - (len(systems) - 1) / 2) * 0.6 / len(systems)
        values = [scores.get((system, name), np.nan) for name in rows]
        axis.plot(values, np.arange(len(rows)) + offset, label=system, **_line(place) | {"linewidth": 0})
    _in_rows(axis, rows)
    axis.set_xlabel("score")
    worst = min(rows, key=lambda row: scores.get((systems[0], row), np.inf))
    alt = f"Scores under conditions on the media themselves, a row per condition; {systems[0]} scores lowest under {worst}."
    caption = "Conditions on the recordings themselves, before features are extracted."
    return _finished(drawing, "media", caption, alt)


@_look()
def contributions(folder: ResultsFolder) -> Figure | None:
    """The shares of both streams in the score, a stacked bar per system; what harms goes to the left of 0."""
    shares = folder.scores("share")
    if shares.value.isna().all():
        return None
    values = shares.value.unstack("condition")[["audio", "video"]].dropna()
    values = values.loc[[name for name in folder.rows() if name in values.index]]
    drawing, (axis,) = _panels(1, 6.5, 0.7 + 0.2 * len(values))
    rows, right = np.arange(len(values)), values.clip(lower=0)
    for place, stream in enumerate(values):
        start = np.where(values[stream] > 0, right.audio * place, 0)
        axis.barh(rows, values[stream], left=start, height=0.62, color=COLOURS[place], label=stream)
    ends = shares.xs("audio", level="condition").loc[values.index]
    inside = values.gt(0).all(axis=1) & ends.low.notna()  # where the audio ends, the video begins
    about = ends[inside]
    error = np.clip([about.value - about.low, about.high - about.value], 0, None)
    axis.errorbar(about.value, rows[inside], xerr=error, fmt="none", ecolor=INK, elinewidth=1.1)
    axis.axvline(0.5, color=SOFT, linewidth=0.8, linestyle=(0, (3, 3)))
    _in_rows(axis, list(values.index))
    axis.set_xlabel("share of what both streams add")
    told = [f"{name} {share(audio)} audio and {share(video)} video" for name, audio, video in values.itertuples()]
    caption = "Shares of the streams in the score, with the 95 % interval of where they meet; at the broken line they are equal."
    return _finished(drawing, "contributions", caption, f"Shares of the streams: {', '.join(told)}.")


@_look()
def reliability_diagram(folder: ResultsFolder, bins: int = 10) -> Figure | None:
    """Accuracy against confidence, a panel per stream that may be missing."""
    if folder.predictions is None or not folder.labels:
        return None
    tables = {}
    parts = folder.predictions.groupby(["condition", "system"])
    for condition in folder.streams():
        for system in folder.shown(6):
            if (condition, system) in parts.groups:
                part = parts.get_group((condition, system))
                table = reliability(part, folder.labels, bins)
                tables.setdefault(condition, {})[system] = table[table.clips >= max(5, 0.005 * len(part))]
    if not tables:
        return None
    drawing, axes = _panels(len(tables), 3.2, 3.3, sharey=True)
    told = []
    for axis, (condition, of_system) in zip(axes, tables.items(), strict=True):
        axis.plot([0, 1], [0, 1], color=SOFT, linestyle=(0, (3, 3)), linewidth=1)
        for system, table in of_system.items():
            look, weight = _line(folder.shown(6).index(system)), table.clips / table.clips.sum()
            axis.plot(table.confidence, table.accuracy, label=system, **look | {"markersize": 3})
            dots = {"color": look["color"], "marker": look["marker"], "zorder": look["zorder"], "linewidths": 0}
            axis.scatter(table.confidence, table.accuracy, 8 + 90 * weight, **dots)
            gap = (weight * (table.confidence - table.accuracy)).sum()
            told.append(f"{condition}: {system} is {share(abs(gap))} too {'sure' if gap > 0 else 'unsure'}")
        axis.set(title=condition, xlim=(0, 1), ylim=(0, 1), xlabel="confidence")
    axes[0].set_ylabel("accuracy")
    caption = f"Accuracy in {bins} bins of confidence, dots as large as their share of the clips; below the diagonal a system is too sure."
    return _finished(drawing, "reliability", caption, f"Reliability diagram. On average, {'; '.join(told)}.")


@_look()
def emotions(folder: ResultsFolder) -> Figure | None:
    """F1 per emotion of the closely watched system under the basic conditions."""
    if folder.classes is None:
        return None
    lead = folder.lead()
    part = folder.classes[(folder.classes.system == lead) & (folder.classes.metric == "f1")]
    table = part.set_index(["condition", "class"])[["value", "low", "high"]]
    conditions = folder.streams(table)
    labels = folder.labels or list(dict.fromkeys(part["class"]))
    if not conditions:
        return None
    drawing, (axis,) = _panels(1, 6.5, 0.7 + 0.4 * len(labels))
    for place, condition in enumerate(conditions):
        rows = table.loc[condition].reindex(labels)
        offset = (place - (len(conditions) - 1) / 2) * 0.22
        ends = np.clip([rows.value - rows.low, rows.high - rows.value], 0, None)  # [2, C]
        look = {"fmt": MARKERS[place], "color": COLOURS[place], "markersize": 5, "elinewidth": 1.2, "clip_on": False}
        axis.errorbar(rows.value, np.arange(len(labels)) + offset, xerr=ends, label=condition, **look)
    _in_rows(axis, labels)
    axis.set(xlim=(-0.01, 1), xlabel="F1")
    first = table.loc[conditions[0]].value
    ends = f"best {first.idxmax()} ({share(first.max())}), worst {first.idxmin()} ({share(first.min())})"
    alt = f"F1 per emotion of {lead} with 95 % intervals; {conditions[0]}: {ends}."
    return _finished(drawing, "emotions", f"F1 per emotion of {lead}, with 95 % intervals over speakers.", alt)


@_look()
def cost(folder: ResultsFolder) -> Figure | None:
    """Score under "complete" against parameters and against seconds of training."""
    if folder.cost is None:
        return None
    table = folder.cost.set_index("system").assign(score=folder.board.value.xs("complete", level="condition"))
    table = table[table.score.notna()]
    labels = {"parameters": "parameters", "training_seconds": "seconds of training, first seed and partition"}
    labels = {column: label for column, label in labels.items() if (table[column] > 0).any()}
    if not labels:
        return None
    drawing, axes = _panels(len(labels), 4.9, 3.6, sharey=True)
    told = []
    for axis, (column, label) in zip(axes, labels.items(), strict=True):
        part = table[table[column] > 0]
        costs, best, cheap = part[column], part.score.idxmax(), part[column].idxmin()
        _draw_cost(axis, costs, part.score, folder.lead())
        axis.set_xlabel(label)
        most, least = (f"{share(part.score[name])} at {costs[name]:,.0f}" for name in (best, cheap))
        told.append(f"Score against {label}: {best} scores most ({most}), {cheap} costs least ({least}).")
    axes[0].set_ylabel("score")
    caption = f"Score with {folder.whole} against cost: up and to the left is better. Seconds are those of one run on the machine at hand."
    return _finished(drawing, "cost", caption, " ".join(told))


def _draw_cost(axis, costs: pd.Series, scores: pd.Series, lead: str) -> None:
    """A point per system, its name to the right, moved up or down as far as the names of the others need."""
    from matplotlib.ticker import EngFormatter, LogLocator, NullLocator

    spread = costs.max() / costs.min()
    axis.set(xscale="log", xlim=(costs.min() / 1.6, costs.max() * max(2.5, spread**0.45)))
    axis.scatter(costs, scores, c=[COLOURS[0] if name == lead else COLOURS[1] for name in costs.index], s=30)
    axis.margins(y=0.12)
    axis.xaxis.set_major_locator(LogLocator(subs=(1, 3) if spread < 300 else (1,)))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter(EngFormatter(sep=""))
    axis.figure.draw_without_rendering()  # now the places of the points on the paper are known
    points = axis.transData.transform(np.column_stack([costs, scores]))[:, 1] * 72 / axis.figure.dpi
    order = np.argsort(points, kind="stable")
    steps = 9.5 * np.arange(len(order))
    level = points[order] - steps
    # No two names closer than a step: between lifting each over the one below and lowering each under the one above.
    heights = (np.maximum.accumulate(level) + np.minimum.accumulate(level[::-1])[::-1]) / 2 + steps
    for place, height in zip(order, heights, strict=True):
        name = costs.index[place]
        axis.annotate(
            name, (costs[name], scores[name]), xytext=(9, height - points[place]), textcoords="offset points",
            va="center", fontsize=8, fontweight="bold" if name == lead else "normal", color=INK,
            arrowprops={"arrowstyle": "-", "color": SOFT, "linewidth": 0.5, "shrinkA": 0, "shrinkB": 2},
        )  # fmt: skip
