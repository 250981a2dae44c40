"""A film of one's own through the whole pipeline: decode, features, normalise, network, posteriors.

`recognise(path, run)` is the short way. The parts are there for whoever wants to see what happens between: a `Film` is what
was decoded, `Features` is what reaches the network, and both can be changed by hand (darker, later, without a stream) before
the network sees them. Nothing is uploaded anywhere, and a file chosen in a notebook is gone when its kernel ends.
"""

import json
import shutil
import tempfile
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

from auxformer import media
from auxformer.benchmark import run as benchmark
from auxformer.config import Config, override, preset
from auxformer.corpora.partitions import Partition
from auxformer.data.batch import Batch, ClipDataset, collate
from auxformer.data.normalise import Normalizer
from auxformer.errors import InputError, MediaError
from auxformer.features import create_extractor
from auxformer.features.base import Extractor
from auxformer.features.face import FaceBox, crop, evenly, find_face
from auxformer.features.base import SAMPLING_RATE
from auxformer.training.fit import Run, load_run

LONGEST = 30.0
"""Seconds of the longest film that is taken: the networks were trained on sentences, and frames fill the memory."""
SIDE = 240
"""Pixels to which the shorter side of a larger picture is scaled while decoding."""
HEADS = ("fusion", "audio", "video", "mean")
"""Rows of a table of posteriors: the three heads and the prediction, the softmax of their weighted mean logits."""
ACCEPTED = ".mp4,.mov,.webm,.mkv,.avi,.flv,.wav,.mp3,.flac,.ogg,.m4a"
"""Endings that a browser offers for upload; what a file really holds is found out by decoding it."""


class Film(NamedTuple):
    """What a file holds, decoded; a stream that it lacks is None.

    Shapes: waveform `[samples]` float32 in -1..1 at 16 kHz, mono; frames uint8 `[T, H, W, 3]`; grey uint8 `[T, H, W]`, the
    brightness of the same frames; times `[T]`, seconds. `problems` says why a stream is not there.
    """

    waveform: np.ndarray | None
    frames: np.ndarray | None
    grey: np.ndarray | None
    times: np.ndarray | None
    problems: tuple[str, ...] = ()


class Features(NamedTuple):
    """What reaches the network: normalised audio `[Ta, Da]` and video `[Tv, Dv]` float32 or None, their rates in Hz, the face."""

    audio: np.ndarray | None
    video: np.ndarray | None
    audio_rate: float
    video_rate: float
    face: FaceBox | None

    def without(self, stream: str) -> "Features":
        """The same with the stream "audio" or "video" absent."""
        if stream not in ("audio", "video"):
            raise InputError(f'there is no stream "{stream}", expected "audio" or "video".')
        return self._replace(**{stream: None})

    def until(self, seconds: float) -> "Features":
        """Only the first `seconds` of both streams; at least one frame of each that is there."""
        cut = {}
        for stream in ("audio", "video"):
            frames, rate = getattr(self, stream), getattr(self, f"{stream}_rate")
            cut[stream] = None if frames is None else frames[: max(1, round(seconds * rate))]
        return self._replace(**cut)


class Recognition(NamedTuple):
    """What was decoded, what reached the network, and what it says: posteriors `[4 heads, classes]`, NaN where a head has no stream."""

    film: Film
    features: Features
    posteriors: pd.DataFrame

    @property
    def answer(self) -> str:
        """The class that the mean of the heads favours."""
        return self.posteriors.loc["mean"].idxmax()


def describe(path: str | Path) -> dict[str, str]:
    """What the file itself says of its streams: {"audio": "aac, 48000 Hz, 2 channels", "video": "h264, 1280 x 720, 30 fps"}."""
    found = {}
    with media.opened(path) as container:  # the one place that opens media
        for kind in ("audio", "video"):
            for stream in getattr(container.streams, kind)[:1]:
                if stream.codec_context is None:
                    continue
                name = stream.codec_context.name
                if kind == "audio":
                    found[kind] = f"{name}, {stream.rate} Hz, {stream.channels} channel{'s' * (stream.channels > 1)}"
                else:
                    rate = f"{float(stream.average_rate):.3g} fps" if stream.average_rate else "rate not given"
                    found[kind] = f"{name}, {stream.width} x {stream.height}, {rate}"
    return found


def decode(path: str | Path) -> Film:
    """The sound and the pictures of a film, a sound file or a silent film.

    Args:
        path: Any container that `media` reads (mp4, mov, webm, mkv, avi, flv, wav, mp3, flac, ogg, m4a).

    Raises:
        MediaError: neither sound nor pictures can be read; the sentence says why.
        InputError: it is longer than `LONGEST`.
    """
    seconds = media.duration(path)
    if seconds > LONGEST:
        raise InputError(f"{path}: lasts {seconds:.0f} s, expected at most {LONGEST:.0f}; cut a sentence out of it.")
    problems, waveform, frames, grey, times = [], None, None, None, None
    try:
        waveform = media.read_audio(path, SAMPLING_RATE)
    except MediaError as error:
        problems.append(str(error))
    try:
        size = _decoded_size(path)
        frames, times = media.read_frames(path, size)
        grey, _ = media.read_frames(path, size, grey=True)
    except MediaError as error:
        problems.append(str(error))
    if waveform is None and frames is None:
        raise MediaError(problems[0])
    return Film(waveform, frames, grey, times, tuple(problems))


def _decoded_size(path) -> tuple[int, int] | None:
    """(height, width) with the shorter side at `SIDE`; None for a picture that is not larger."""
    with media.opened(path) as container:
        stream = media.first_stream(container, "video", path)
        height, width = stream.height, stream.width
    scale = SIDE / max(1, min(height, width))
    return (round(height * scale), round(width * scale)) if scale < 1 else None


@dataclass(frozen=True)
class Recogniser:
    """A trained network with everything it takes to show it a film.

    Attributes:
        model: Maps a `Batch` to `Logits`.
        classes: Their names.
        audio, video: Extractors of sound ("lld", "logmel") and of pictures ("hog").
        audio_normalizer, video_normalizer: Fitted on the clips that the network was trained on.
    """

    model: torch.nn.Module
    classes: tuple[str, ...]
    audio: Extractor
    video: Extractor
    audio_normalizer: Normalizer
    video_normalizer: Normalizer

    @classmethod
    def of(cls, model: torch.nn.Module, dataset: ClipDataset, audio: str = "lld", video: str = "hog") -> "Recogniser":
        """A network with the normalisers and the classes of the dataset it was trained on.

        Raises:
            InputError: features that cannot be taken from a film in memory, or of other settings than the dataset's.
        """
        extractors = []
        for spec, store, way in ((audio, dataset.audio, "of_waveform"), (video, dataset.video, "of_crops")):
            extractor = create_extractor(spec)
            if not hasattr(extractor, way):
                raise InputError(f"{spec}: own clips are shown to networks trained on lld or logmel, and on hog.")
            if getattr(store, "digest", extractor.digest()) != extractor.digest():
                raise InputError(
                    f"{spec}: the network was trained on features of other settings; extract and train again."
                )
            extractors.append(extractor)
        return cls(model.eval(), dataset.classes, *extractors, dataset.audio_normalizer, dataset.video_normalizer)

    @classmethod
    def load(cls, folder: str | Path) -> "Recogniser":
        """The network of a run folder that `auxformer train` or `benchmark.train` made; its corpus must still be there.

        Raises:
            InputError: no such run, or its corpus or features are gone.
        """
        folder = Path(folder)
        if not (folder / "task.json").is_file():
            raise InputError(f'{folder}: holds no trained run; make one with "auxformer train".')
        origin = json.loads((folder / "task.json").read_text())
        parts = {
            key: tuple(value) if isinstance(value, list) else value for key, value in origin.pop("partition").items()
        }
        origin.pop("published", None)  # names other labels of the same clips; the normalisers do not read labels
        config = Config.load(folder / "config.toml")
        splits = benchmark.prepare(**origin, config=config).splits(Partition(**parts), config.training.video_order)
        return cls.of(load_run(folder, splits.train).model, splits.train, origin["audio"], origin["video"])

    def features(self, film: Film) -> Features:
        """The film as the network is given it, normalised by what the network was trained on."""
        audio = video = face = None
        if film.waveform is not None:
            audio = self.audio_normalizer(self.audio.of_waveform(film.waveform))
        rate = 25.0
        if film.grey is not None:
            face = find_face(film.grey, self.video.looks, self.video.margin)
            order = evenly(film.times)
            video = self.video_normalizer(self.video.of_crops(crop(film.grey[order], face, self.video.size)))
            if len(film.times) > 1:
                rate = (len(film.times) - 1) / max(film.times[-1] - film.times[0], 1e-6)
        return Features(audio, video, self.audio.frames_per_second, rate, face)

    def batch(self, features: Features) -> Batch:
        """A batch of this one clip."""
        return self.batch_of([features])

    def batch_of(self, many: list[Features]) -> Batch:
        """A batch of several clips, padded to the longest; the targets are zero, for nobody knows them.

        Raises:
            InputError: a clip without either stream.
        """
        items = []
        for number, features in enumerate(many):
            if features.audio is None and features.video is None:
                raise InputError("both streams are absent: nothing is left to recognise.")
            streams = []
            for frames, dims in ((features.audio, self.audio.dims), (features.video, self.video.dims)):
                streams.append(np.zeros((1, dims), np.float32) if frames is None else frames)
            there = features.audio is not None, features.video is not None
            items.append((f"own-{number}", *streams, *there, np.zeros(len(self.classes), np.float32)))
        return collate(items)

    @torch.no_grad()
    def posteriors(self, given: Features | Batch) -> pd.DataFrame:
        """Probabilities `[4 heads, classes]` of the first clip; NaN where a head's stream is absent."""
        batch = given if isinstance(given, Batch) else self.batch(given)
        logits = self.model(batch)
        heads = torch.stack([logits.av, logits.a, logits.v, logits.mean()], 1)[0].softmax(-1).numpy()  # [4, C]
        table = pd.DataFrame(heads, index=list(HEADS), columns=list(self.classes))
        counts = logits.weights[0].tolist()
        table.loc[[head for head, count in zip(HEADS, counts) if count == 0]] = np.nan
        return table

    @torch.no_grad()
    def means(self, many: list[Features]) -> np.ndarray:
        """Probabilities `[clips, classes]` of the mean of the heads."""
        return self.model(self.batch_of(many)).mean().softmax(-1).numpy()

    def watcher(self, features: Features, stream: str, emotion: str) -> Callable[[np.ndarray], float]:
        """A function from a mask `[T]` of what may be used of a stream (True = used) to the probability of an emotion."""
        column = self.classes.index(emotion)
        whole = self.batch(features)

        def probability(mask: np.ndarray) -> float:
            kept = torch.from_numpy(np.asarray(mask, bool))[None]  # [1, T]
            values = getattr(whole, stream).masked_fill(~kept.unsqueeze(-1), 0.0)
            present = getattr(whole, f"{stream}_present") & kept.any(1)
            batch = whole._replace(**{stream: values, f"{stream}_mask": kept, f"{stream}_present": present})
            return float(self.posteriors(batch).loc["mean"].iloc[column])

        return probability

    @torch.no_grad()
    def attention(self, features: Features) -> dict[str, np.ndarray]:
        """Stream -> what the other stream asked of its frames: weights over time as a multiple of an even share, mean 1.

        Averaged over heads, layers and asking frames of the cross-modal stacks; `[T]` pooled frames. Empty where a stream is
        absent or the network has no such stacks.
        """
        if not hasattr(self.model, "fusion") or features.audio is None or features.video is None:
            return {}
        batch, record = self.batch(features), {}
        self.model.fusion(*self.model.inputs(batch), batch, record)
        found = {}
        for stream, asked in (("audio", "v<-a"), ("video", "a<-v")):
            weights = torch.stack(record[asked])[:, 0].mean((0, 1, 2))  # [layers, h, Tq, Tk] -> [Tk]
            found[stream] = (weights / weights.mean()).numpy()
        return found


def recognise(path: str | Path, run: Recogniser | str | Path) -> Recognition:
    """What a trained network says about a film.

    It says something about every film. Whether that means anything for yours depends on what it was trained on.

    Args:
        path: A film of up to `LONGEST` seconds, a sound file or a silent film.
        run: A `Recogniser`, or the folder of a trained run.

    Raises:
        MediaError: the file cannot be read; InputError: it is too long, or there is no such run.
    """
    recogniser = run if isinstance(run, Recogniser) else Recogniser.load(run)
    film = decode(path)
    features = recogniser.features(film)
    return Recognition(film, features, recogniser.posteriors(features))


def small_run(
    task, partition: Partition, folder: str | Path, width: int = 32, epochs: int = 4, seed: int = 0, device: str = "cpu"
) -> Run:
    """A small AuxFormer, trained for a few epochs, or read back where it was trained before (a minute against a second).

    Args:
        task: Of the corpus.
        partition: Speakers.
        folder: Of runs; the run's own folder in it is named by everything that changes it.
        width, epochs, seed: Of the network and its training.
        device: Where it is trained; it is given back on the CPU.
    """
    small = {"width": width, "aux_hidden": (2 * width, width)}
    config = override(preset("quick"), {"model": small, "training": {"epochs": epochs, "seed": seed, "device": device}})
    name = benchmark.run_name(task, "auxformer", config, partition)
    run = benchmark.train(task, config, partition, Path(folder) / name, show=False)
    run.model.cpu()
    return run


class Upload:
    """A clip to look at: the one chosen in the browser, or the default until then. `path` is its file."""

    def __init__(self, widget, default: str):
        self._widget, self._default = widget, str(default)
        self._folder = Path(tempfile.mkdtemp(prefix="own-clip-"))
        weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)  # gone with the kernel

    @property
    def chosen(self) -> bool:
        """Whether somebody chose a file."""
        return bool(self._widget.value)

    @property
    def path(self) -> str:
        """The file to look at."""
        if not self.chosen:
            return self._default
        file = self._widget.value[-1]
        path = self._folder / f"clip{Path(file['name']).suffix.lower()}"
        path.write_bytes(bytes(file["content"]))
        return str(path)


def choose_clip(default: str) -> Upload:
    """A button to choose a film of one's own; headless, and until one is chosen, it stands for `default`."""
    import ipywidgets

    from auxformer.course.widgets import display_controls

    widget = ipywidgets.FileUpload(accept=ACCEPTED, multiple=False, description="a clip of mine")
    display_controls([widget], "[a button to choose a film; until then, the default clip]")
    return Upload(widget, default)
