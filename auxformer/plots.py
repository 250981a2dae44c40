"""Figures in one hand: opaque background, a palette that survives colour blindness, and a second cue for every colour."""

import io
from collections.abc import Sequence

import numpy as np

from auxformer.data.missing import LOSSES, frame_conditions
from auxformer.errors import InputError

EMOTION_STYLE: dict[str, tuple[str, str, str]] = {
    "angry": ("#D55E00", "^", "//"),
    "disgust": ("#009E73", "s", "\\\\"),
    "fear": ("#AA4499", "D", "xx"),
    "happy": ("#E69F00", "o", ".."),
    "neutral": ("#666666", "P", ""),
    "sad": ("#0072B2", "v", "--"),
    "calm": ("#56B4E9", "*", "oo"),
    "surprised": ("#8C510A", "X", "++"),
}
"""Emotion -> (colour, marker, hatch). Colours after Okabe and Ito; marker and hatch are the second cue."""

WAY_STYLE: dict[str, tuple[str, str, str]] = {
    "voice": ("#0072B2", "v", "//"),
    "face": ("#E69F00", "s", ".."),
    "audiovisual": ("#333333", "o", ""),
}
"""Way of watching -> (colour, marker, hatch); the audio stream is drawn as "voice", the video stream as "face"."""

FIGURE_LIMIT = 60_000
"""Largest PNG, in bytes, that a lesson may show."""


def style() -> None:
    """Set matplotlib up for lessons: white opaque background, readable sizes, no top and right spines."""
    import matplotlib

    matplotlib.rcParams.update({
        "figure.facecolor": "white", "axes.facecolor": "white", "savefig.facecolor": "white", "savefig.transparent": False,
        "figure.dpi": 90, "savefig.dpi": 90, "figure.constrained_layout.use": True,
        "font.size": 10, "axes.titlesize": 10.5, "axes.titlelocation": "left", "axes.labelsize": 10,
        "axes.spines.top": False, "axes.spines.right": False, "axes.grid": False,
        "legend.frameon": False, "image.cmap": "cividis", "hatch.linewidth": 0.6,
    })  # fmt: skip


def figure_png(figure, dpi: int = 90) -> bytes:
    """The figure as PNG bytes on a white ground, with few enough colours to stay under `FIGURE_LIMIT`.

    Raises:
        InputError: dpi above 100, or a picture that stays too large: draw it smaller or with fewer frames.
    """
    from PIL import Image

    if dpi > 100:
        raise InputError(
            f"dpi is {dpi}, expected at most 100 for a figure in a lesson; draw the figure larger instead."
        )
    raw = io.BytesIO()
    figure.savefig(raw, format="png", dpi=dpi, facecolor="white", metadata={"Software": None})
    picture = Image.open(raw).convert("RGB")
    for colours in (256, 96, 32):
        small = io.BytesIO()
        picture.quantize(colours, dither=Image.Dither.NONE).save(small, format="png", optimize=True)
        if small.tell() <= FIGURE_LIMIT:
            return small.getvalue()
    raise InputError(f"the figure takes {small.tell()} bytes, expected at most {FIGURE_LIMIT}; draw it smaller.")


def closed(figure):
    """The same figure, closed for pyplot, so that no front end draws it a second time."""
    import matplotlib.pyplot as plt

    plt.close(figure)
    return figure


def draw_confusion(axes, shares, classes: Sequence[str], title: str = "") -> None:
    """Confusion matrix on `axes`: rows = what was shown, columns = what was answered.

    Args:
        axes: Where to draw.
        shares: `[C, C]`, rows sum to 1.
        classes: C class names.
        title: Above the matrix.
    """
    shares = np.asarray(shares, dtype=float)
    axes.imshow(shares, vmin=0, vmax=1, cmap="Blues", aspect="equal")
    for row, column in np.ndindex(shares.shape):
        value = shares[row, column]
        axes.text(
            column, row, f"{value:.2f}"[1:] if value < 0.995 else "1", ha="center", va="center", fontsize=8,
            color="white" if value > 0.6 else "#222222", fontweight="bold" if row == column else "normal",
        )  # fmt: skip
    axes.set_xticks(range(len(classes)), [name[:3] for name in classes])
    axes.set_yticks(range(len(classes)), classes)
    axes.set(title=title, xlabel="answered")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def draw_waveform(axes, waveform, sampling_rate: int) -> None:
    """Waveform `[samples]` in -1..1 against seconds, as the envelope that fits the width of the figure."""
    waveform = np.asarray(waveform)
    step = max(1, len(waveform) // 800)
    blocks = waveform[: len(waveform) // step * step].reshape(-1, step)  # [800, step]
    seconds = np.arange(len(blocks)) * step / sampling_rate
    axes.fill_between(seconds, blocks.min(1), blocks.max(1), color=WAY_STYLE["voice"][0], linewidth=0)
    axes.set(xlim=(0, len(waveform) / sampling_rate), xlabel="s", ylabel="amplitude")


def draw_spectrogram(axes, waveform, sampling_rate: int, highest: float = 5000) -> None:
    """Spectrogram in dB of a waveform `[samples]`, 25 ms windows every 10 ms, up to `highest` Hz; 60 dB are shown."""
    from scipy.signal import spectrogram

    window, hop = int(0.025 * sampling_rate), int(0.010 * sampling_rate)
    frequencies, _, power = spectrogram(np.asarray(waveform), sampling_rate, nperseg=window, noverlap=window - hop)
    level = 10 * np.log10(power[frequencies <= highest] + 1e-12)  # [F, T]
    axes.imshow(
        level, origin="lower", aspect="auto", cmap="magma", vmin=level.max() - 60, vmax=level.max(),
        extent=(0, len(waveform) / sampling_rate, 0, highest / 1000),
    )  # fmt: skip
    axes.set(xlabel="s", ylabel="kHz")


def draw_features(axes, features, frames_per_second: float, label: str = "feature", scale: str = "each") -> None:
    """Feature sequence `[T, D]` as a picture, time to the right.

    Args:
        axes: Where to draw.
        features: `[T, D]`.
        frames_per_second: Their rate, Hz.
        label: What a row is.
        scale: "each" feature by its own 1st..99th percentile (features of different units), or "all" by one scale, each as
            its distance from its median (features of one unit, where the ones that hardly move should look still).
    """
    features = np.asarray(features, dtype=float)
    if scale == "all":
        moved = features - np.median(features, axis=0)
        reach = max(float(np.percentile(np.abs(moved), 99.5)), 1e-9)
        scaled = np.clip(moved / (2 * reach) + 0.5, 0, 1)  # [T, D]
    else:
        low, high = np.percentile(features, [1, 99], axis=0)  # [D]
        scaled = np.clip((features - low) / np.where(high > low, high - low, 1), 0, 1)  # [T, D]
    extent = (0, len(features) / frames_per_second, 0, features.shape[1])
    axes.imshow(scaled.T, origin="lower", aspect="auto", extent=extent, vmin=0, vmax=1)
    axes.set(xlabel="s", ylabel=label)


def draw_frames(axes, frames, count: int = 8, times=None, face=None) -> None:
    """`count` evenly spaced frames of `[T, H, W, 3]` side by side.

    Args:
        axes: Where to draw.
        frames: Of a film.
        count: How many of them.
        times: `[T]`, s: the time is written under each frame.
        face: A `FaceTrack` of these frames: the square that features are taken from, dotted where no face was found.
    """
    frames = np.asarray(frames)
    chosen = np.linspace(0, len(frames) - 1, count).round().astype(int)
    axes.imshow(np.concatenate(list(frames[chosen]), axis=1))
    axes.spines[:].set_visible(False)
    axes.set(xticks=[], yticks=[])
    if times is not None:
        places = frames.shape[2] * (np.arange(count) + 0.5)
        axes.set_xticks(places, [f"{times[index]:.1f} s" for index in chosen])
        axes.tick_params(length=0)
    if face is not None:
        from matplotlib.patches import Polygon

        from auxformer.features.track import corners_of

        for place, index in enumerate(chosen):
            corners = corners_of(face.at(index)) + (place * frames.shape[2], 0)
            axes.add_patch(Polygon(corners, fill=False, edgecolor="#D55E00", linestyle="-" if face.found else ":", linewidth=1.5))


def draw_bars(
    axes, values: dict[str, Sequence[float]], names: Sequence[str], styles: dict | None = None, top: float = 1.0
) -> None:
    """Grouped bars with a legend: one group per name, one bar per key of `values`, each with its colour and hatch.

    Args:
        axes: Where to draw.
        values: Series name -> one number per group, 0..top; NaN leaves a gap.
        names: Group names.
        styles: Series name -> (colour, marker, hatch); `WAY_STYLE` when left out.
        top: Largest number; above it there is room for the legend.
    """
    from matplotlib.ticker import MaxNLocator

    styles = WAY_STYLE if styles is None else styles
    width = 0.8 / len(values)
    for index, (name, numbers) in enumerate(values.items()):
        colour, _, hatch = styles.get(name, ("#999999", "o", ""))
        places = np.arange(len(names)) + (index - (len(values) - 1) / 2) * width
        look = {"facecolor": colour, "hatch": hatch, "edgecolor": "white", "linewidth": 0.4}
        axes.bar(places, numbers, width * 0.92, label=name, **look)
    axes.set_xticks(range(len(names)), names)
    axes.tick_params(axis="x", length=0)
    axes.set(ylim=(0, 1.22 * top), yticks=MaxNLocator(5).tick_values(0, top))
    axes.legend(ncols=len(values), loc="upper left", borderaxespad=0.1)


HEAD_STYLE: dict[str, tuple[str, str, str]] = {
    "fusion": ("#009E73", "D", "xx"),
    "audio": WAY_STYLE["voice"],
    "video": WAY_STYLE["face"],
    "mean": WAY_STYLE["audiovisual"],
}
"""Head of an AuxFormer, or the mean of all -> (colour, marker, hatch)."""


def heads_figure(scores, title: str):
    """Macro-F1 of the heads under each condition, with the chance level of six classes.

    Args:
        scores: Table of heads by conditions; NaN leaves a gap.
        title: Above the bars.
    """
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7.2, 2.8))
    draw_bars(axes, {name: scores.loc[name].to_numpy() for name in scores.index}, list(scores.columns), HEAD_STYLE)
    axes.axhline(1 / 6, color="#333333", linestyle=":", linewidth=1)
    axes.set(ylabel="macro-F1", ylim=(0, 1.15), title=title)
    return figure


def dropout_figure(shares, title: str):
    """What modality dropout leaves of the clips, step by step: shares `[steps, 3]` complete, no audio, no video."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7.2, 2.6))
    steps, bottom = np.arange(1, len(shares) + 1), np.zeros(len(shares))
    ways = {"complete": "audiovisual", "no audio": "face", "no video": "voice"}
    for (label, way), share in zip(ways.items(), np.asarray(shares).T):
        colour, _, hatch = WAY_STYLE[way]
        look = {"color": colour, "hatch": hatch, "edgecolor": "white", "linewidth": 0.4}
        axes.bar(steps, share, bottom=bottom, label=label, **look)
        bottom += share
    axes.set(xlabel="training step", ylabel="share of clips", xticks=steps, ylim=(0, 1), title=title)
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def training_figure(metrics):
    """A training from epoch to epoch: losses, dev scores by condition and, where streams have heads, whose gradient is longer.

    Args:
        metrics: A row per epoch, as `Run.metrics` has them.
    """
    import matplotlib.pyplot as plt

    metric = "dev_ccc_" if "dev_ccc_complete" in metrics else "dev_macro_f1_"
    scores = {name.removeprefix(metric): name for name in metrics if name.startswith(metric)}
    panels = {"loss": {"train": "train_loss", "dev": "dev_loss"}, "score on dev": scores}
    if "gradient_audio" in metrics:
        panels["gradient length"] = {"audio": "gradient_audio", "video": "gradient_video"}
    figure, row = plt.subplots(1, len(panels), figsize=(7.6, 2.5))
    for axes, (title, lines) in zip(row, panels.items()):
        for name, column in lines.items():
            axes.plot(metrics.epoch, metrics[column], marker="o", markersize=3, label=name)
        axes.set(title=title, xlabel="epoch")
        if title != "loss":
            axes.set_ylim(0)
        axes.legend(fontsize=8)
    return figure


def changes_figure(scores, p_values, changes: Sequence[str], system: str = "auxformer"):
    """Systems that each change one thing, beside the system itself as a band; filled squares differ significantly.

    Args:
        scores: Columns value, low, high, indexed by (system, condition).
        p_values: p of the test against `system`, indexed by (changed system, condition).
        changes: The changed systems, from top to bottom.
        system: The one they are held against.
    """
    import matplotlib.pyplot as plt

    conditions = ("complete", "no-audio", "no-video")
    figure, panels = plt.subplots(1, len(conditions), figsize=(7.6, 2.9), sharey=True)
    for axes, condition in zip(panels, conditions):
        base = scores.loc[(system, condition)]
        axes.axvspan(base.low, base.high, color="#dddddd")
        axes.axvline(base.value, color="#333333", linewidth=1)
        for place, name in enumerate(reversed(changes)):
            row, differs = scores.loc[(name, condition)], p_values[(name, condition)] < 0.05
            colour, marker = ("#D55E00", "s") if differs else ("#0072B2", "o")
            axes.plot([row.low, row.high], [place] * 2, color=colour, linewidth=1.4)
            axes.plot(row.value, place, color=colour, marker=marker, fillstyle="full" if differs else "none")
        axes.set(title=condition, xlabel="macro-F1")
    panels[0].set_yticks(range(len(changes)), reversed(changes))
    return figure


def board_figure(results):
    """A leaderboard with intervals over speakers, complete and from the voice alone; people and the ceiling stand out.

    Args:
        results: The long result table of a suite with several folds.
    """
    import matplotlib.pyplot as plt

    rows = results[(results.metric == "macro-f1") & (results.partition == "all")]
    of_mean, keys, ends = rows.seed.astype(str) == "all", ["system", "condition"], ["value", "low", "high"]
    means = rows[~of_mean].groupby(keys)[ends].mean()
    means.update(rows[of_mean].set_index(keys)[ends])  # of several seeds the interval of their mean
    known = means.value.unstack()
    order = known.complete.fillna(known["no-video"]).sort_values().index
    figure, panels = plt.subplots(1, 2, figsize=(7.6, 3.2), sharey=True)
    for axes, condition in zip(panels, ("complete", "no-video")):
        for place, system in enumerate(order):
            if (system, condition) not in means.index:
                continue
            row = means.loc[(system, condition)]
            kind = ("#E69F00", "s") if system.startswith("human-") else ("#0072B2", "o")
            colour, marker = ("#333333", "D") if system == "ideal-observer" else kind
            axes.plot([row.low, row.high], [place] * 2, color=colour, linewidth=1.6)
            axes.plot(row.value, place, marker=marker, color=colour, markersize=6)
        axes.set(xlim=(0, 1.02), xlabel="macro-F1", title=condition)
        axes.grid(axis="x", color="#dddddd", linewidth=0.6)
    panels[0].set_yticks(range(len(order)), order)
    return figure


def draw_heads(axes, posteriors, title: str = "") -> None:
    """Bars of what each head answers: table `[heads, classes]` of probabilities; a head without its stream leaves a gap."""
    draw_bars(axes, {head: posteriors.loc[head] for head in posteriors.index}, list(posteriors.columns), HEAD_STYLE)
    axes.set(ylabel="probability", title=title)


CURVE_STYLE: dict[str, tuple[str, str, str]] = {
    "flags": ("#0072B2", "o", "-"),
    "zeros": ("#D55E00", "s", "--"),
    "functionals": ("#009E73", "^", ":"),
}
"""System on a degradation curve -> (colour, marker, line)."""


def draw_degradation(axes, scores: dict, stream: str, kind: str = "single", people: dict | None = None) -> None:
    """Degradation curves: macro-F1 of six classes against the share of frames lost; at 1 the stream is absent.

    Args:
        axes: Where to draw.
        scores: System of `CURVE_STYLE` -> its table of columns value, low, high by condition (`lab.scores`). "ideal" is the
            ideal observer, whose score is level for as long as there is a frame.
        stream: "audio", "video", or "both", which are never absent together.
        kind: How frames are lost, one of `data.missing.LOSSES`.
        people: Condition -> score of people with as little to go by: "complete", "no-audio", "no-video".
    """
    ideal, gone = scores["ideal"].value, {"audio": "no-audio", "video": "no-video"}.get(stream)
    for system, table in scores.items():
        if system == "ideal":
            continue
        places = {0: "complete", **frame_conditions(stream, kind), **({1: gone} if gone else {})}
        places = {share: name for share, name in places.items() if name in table.index}
        rows = table.loc[list(places.values())]
        colour, marker, line = CURVE_STYLE[system]
        axes.plot(list(places), rows.value, color=colour, marker=marker, ls=line, ms=4, label=system)
        axes.fill_between(list(places), rows.low, rows.high, color=colour, alpha=0.15, linewidth=0)
    axes.plot([0, 0.9], [ideal["complete"]] * 2, color="#333333", linewidth=1, label="ideal observer")
    axes.axhline(1 / 6, color="#999999", linestyle=":", linewidth=1)
    if people:
        axes.plot(0, people["complete"], "P", color="#AA4499", ms=7, label="one rater (others)")
    if gone:
        axes.plot([0.9, 1], [ideal["complete"], ideal[gone]], color="#333333", linewidth=1)
    if gone and people:
        axes.axhline(people[gone], color="#AA4499", linewidth=1, ls="-.", label="crowd, other stream only")
    axes.set(xlabel="share of frames lost", ylim=(0, 1.03), xlim=(-0.04, 1.04))
    axes.set_title(f"{stream}, {LOSSES[kind][1]}")
