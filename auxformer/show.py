"""One picture of a media file: its frames with the face box, its waveform, spectrogram, and the features drawn from both."""

from pathlib import Path

import numpy as np

from auxformer import media, plots
from auxformer.corpora.base import Corpus
from auxformer.errors import InputError, MediaError, suggest
from auxformer.features.base import SAMPLING_RATE, Clip
from auxformer.features.track import track_face

LIVELIEST = 6
"""Blendshapes that are drawn: those that vary most over the film."""
LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 3)))
"""Of the curves, beside their colours."""


def draw_media(path: str | Path):
    """A matplotlib figure of whatever the file holds; a stream that it lacks leaves its rows out.

    Raises:
        MediaError: when the file holds neither sound nor pictures that can be read; the sentence says why.
    """
    return _draw(path, path)


def draw_clip(corpus: Corpus, clip: str):
    """The same of a clip of a corpus, its film and its sound each from its own file, under its name and what it is.

    Raises:
        InputError: no such clip.
        MediaError: none of its files can be read.
    """
    if clip not in corpus.clips.index:
        raise InputError(f'{corpus.root}: has no clip "{clip}".{suggest(clip, corpus.clips.index)}')
    row = corpus.clips.loc[clip]
    if row[["audio", "video"]].isna().all():
        raise InputError(f"{corpus.root}: {clip} is in the tables, but none of its media files is there.")
    video, audio = (path if isinstance(path, str) else None for path in (row.video, row.audio))
    figure = _draw(video or audio, audio or video)
    title = f"{clip}: speaker {row.speaker}, {row.intended} intended"
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    return figure


def _draw(video: str | Path, audio: str | Path):
    from matplotlib.figure import Figure

    panels, problems = [], []
    for kind, read, path in (("frames", _film, video), ("audio", media.read_audio, audio)):
        try:
            panels.append((kind, path, read(path)))
        except MediaError as error:
            problems.append(str(error))
    if not panels:
        raise MediaError(problems[0])
    rows = [(name, draw, path, content) for kind, path, content in panels for name, draw in _ROWS[kind].items()]
    figure = Figure(figsize=(9, 1.6 * len(rows)), layout="constrained", facecolor="white")
    for axes, (name, draw, path, content) in zip(figure.subplots(len(rows), squeeze=False)[:, 0], rows):
        draw(axes, content, str(path))
        axes.set_title(name, loc="left", fontsize=9)
    return figure


def _film(path: str | Path) -> tuple:
    """Frames, their times, and the points of the face in them, see `face_points`."""
    frames, times = media.read_frames(path)
    return frames, times, face_points(frames)


def face_points(frames: np.ndarray) -> np.ndarray | None:
    """Points `[T, 478, 3]` of the face in RGB frames uint8 `[T, H, W, 3]`, NaN where there is none.

    None, and a sentence is printed, where the weights that find them are not installed.
    """
    from auxformer.features.pretrained.blendshapes import Blendshapes

    try:
        return Blendshapes().points(frames)
    except MediaError:
        raise
    except InputError as error:  # its packages are not installed: everything else can be drawn
        print(error)
        return None


def _frames(axes, content, path):
    frames, times, points = content
    try:
        face = track_face(frames)
    except InputError as error:
        print(error)
        face = None
    plots.draw_frames(axes, frames, times=times, face=face)
    if points is not None:
        chosen = np.linspace(0, len(frames) - 1, 8).round().astype(int)  # as `draw_frames` does
        places = points[chosen, :, :2] + frames.shape[2] * np.arange(8)[:, None, None] * (1, 0)
        axes.plot(*places.reshape(-1, 2).T, ",", color="#56B4E9", alpha=0.6, scalex=False, scaley=False)
    found = "" if face is None else f"; a face in {face.found:.0%} of them"
    axes.set_xlabel(f"{len(frames)} frames{found}")


def _hog(axes, content, path):
    from auxformer.features.hog import GradientHistograms

    times = content[1]
    try:
        features = GradientHistograms()(Clip(Path(path).stem, None, path))
    except MediaError:
        raise
    except InputError:  # said above
        _instead(axes, "the weights of the face detector are not installed")
        return
    rate = (len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 else 25.0
    plots.draw_features(axes, features, rate, "HOG", scale="all")


def _blendshapes(axes, content, path):
    _, times, points = content
    draw_blendshapes(axes, points, times)


def draw_blendshapes(axes, points: np.ndarray | None, times: np.ndarray) -> tuple[str, ...]:
    """Curves over time of the `LIVELIEST` blendshapes of a face, those that vary most; a gap where there is no face.

    Args:
        axes: Where to draw. Where there is nothing to draw, the reason is written there.
        points: `[T, 478, 3]`, as `face_points` finds them; None without the weights.
        times: `[T]`, s.

    Returns:
        Their names, the liveliest first; () where no frame has a face or the weights are not installed.
    """
    from auxformer.features.pretrained.blendshapes import POSE, Blendshapes

    seen = np.zeros(1, bool) if points is None else ~np.isnan(points[:, 0, 0])
    if not seen.any():
        _instead(axes, "their weights are not installed" if points is None else "no face in any frame")
        return ()
    extractor = Blendshapes()
    values = extractor.of_points(points)[:, : -len(POSE)]  # [T, 52]
    chosen = np.argsort(-np.nanstd(values, axis=0), kind="stable")[:LIVELIEST]
    for line, which in zip(LINES, chosen):
        axes.plot(times, values[:, which], linestyle=line, linewidth=1.2, label=extractor.names[which])
    axes.set(xlabel=f"s; a face in {seen.mean():.0%} of the frames", xlim=(0, max(times[-1], 0.1)), ylim=(-0.02, 1.02))
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=7, frameon=False, handlelength=3)
    return tuple(extractor.names[which] for which in chosen)


def _instead(axes, why: str) -> None:
    axes.text(0.5, 0.5, why, transform=axes.transAxes, ha="center", va="center")
    axes.set(xticks=[], yticks=[])


def _lld(axes, waveform, path):
    from auxformer.features.lld import LowLevelDescriptors

    extractor = LowLevelDescriptors()
    plots.draw_features(axes, extractor.of_waveform(waveform), extractor.frames_per_second, "LLD")


_ROWS = {
    "frames": {"frames": _frames, "the liveliest blendshapes": _blendshapes, "HOG": _hog},
    "audio": {
        "waveform": lambda axes, waveform, path: plots.draw_waveform(axes, waveform, SAMPLING_RATE),
        "spectrogram": lambda axes, waveform, path: plots.draw_spectrogram(axes, waveform, SAMPLING_RATE),
        "LLD": _lld,
    },
}
