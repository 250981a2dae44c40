"""One picture of a media file: its frames with the face box, its waveform, spectrogram, and the features drawn from both."""

from pathlib import Path

from auxformer import media, plots
from auxformer.corpora.base import Corpus
from auxformer.errors import InputError, MediaError, suggest
from auxformer.features.base import SAMPLING_RATE, Clip


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
    for kind, read, path in (("frames", media.read_frames, video), ("audio", media.read_audio, audio)):
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


def _frames(axes, content, path):
    from matplotlib.patches import Rectangle

    from auxformer.features.face import find_face

    frames, times = content
    plots.draw_frames(axes, frames, times=times)
    box = find_face(frames.mean(-1).astype("uint8"))
    line = "-" if box.found else ":"  # dotted: no face found, the centre is taken
    for index in range(8):
        corner = (index * frames.shape[2] + box.left, box.top)
        axes.add_patch(Rectangle(corner, box.side, box.side, fill=False, edgecolor="#D55E00", linestyle=line))
    axes.set_xlabel(f"{len(frames)} frames; a face found in {box.found:.0%} of the frames looked at")


def _hog(axes, content, path):
    from auxformer.features.hog import GradientHistograms

    times = content[1]
    features = GradientHistograms()(Clip(Path(path).stem, None, path))
    rate = (len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 else 25.0
    plots.draw_features(axes, features, rate, "HOG", scale="all")


def _lld(axes, waveform, path):
    from auxformer.features.lld import LowLevelDescriptors

    extractor = LowLevelDescriptors()
    plots.draw_features(axes, extractor.of_waveform(waveform), extractor.frames_per_second, "LLD")


_ROWS = {
    "frames": {"frames": _frames, "HOG": _hog},
    "audio": {
        "waveform": lambda axes, waveform, path: plots.draw_waveform(axes, waveform, SAMPLING_RATE),
        "spectrogram": lambda axes, waveform, path: plots.draw_spectrogram(axes, waveform, SAMPLING_RATE),
        "LLD": _lld,
    },
}
