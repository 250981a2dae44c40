"""A film of one's own through the whole pipeline: decode, features, normalise, network, posteriors.

`load("runs/mine").recognise(path)` is the short way. The parts are there for whoever wants to see what happens between: a
`Film` is what was decoded, `Features` is what reaches the network, and both can be changed by hand (darker, later, without a stream) before
the network sees them. Nothing is uploaded anywhere, and a file chosen in a notebook is gone when its kernel ends.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

from auxformer import media
from auxformer.data.batch import Batch, collate
from auxformer.data.normalise import Normalizer
from auxformer.errors import InputError, MediaError
from auxformer.features import create_extractor
from auxformer.features.base import SAMPLING_RATE, Extractor
from auxformer.features.by_speaker import FEWEST, by_speaker_digest
from auxformer.features.face import evenly
from auxformer.features.track import MARGIN, FaceTrack, faces_in, track_face

LONGEST = 30.0
"""Seconds of the longest film that is taken: the networks were trained on sentences, and frames fill the memory."""
SIDE = 240
"""Pixels to which the shorter side of a larger picture is scaled while decoding."""
HEADS = ("fusion", "audio", "video", "mean")
"""Rows of a table of posteriors: the three heads and the prediction, the softmax of their weighted mean logits."""
EXACT_ZEROS = 0.05
"""Seconds of exact zeros in a row, from which on they are said: a microphone in a room gives none."""


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
    """What reaches the network: normalised audio `[Ta, Da]` and video `[Tv, Dv]` float32 or None, their rates in Hz, the face's path."""

    audio: np.ndarray | None
    video: np.ndarray | None
    audio_rate: float
    video_rate: float
    face: FaceTrack | None

    def without(self, stream: str) -> "Features":
        """The same with the stream "audio" or "video" absent."""
        if stream not in ("audio", "video"):
            raise InputError(f'there is no stream "{stream}", expected "audio" or "video".')
        return self._replace(**{stream: None})


class Step(NamedTuple):
    """How voice and face run together, by a network with the setting `synchrony`.

    in_step: Probability that they are in step. lag: By how many seconds the face comes later than the voice, most likely.
    """

    in_step: float
    lag: float


class Recognition(NamedTuple):
    """What was decoded, what reached the network, and what it says: posteriors `[4 heads, classes]`, NaN where a head has no stream.

    `notes` are sentences about the film that make the answer doubtful: a stream that is not there, exact zeros in the sound, no
    face, a small one, several, voice and face out of step. `step` is what a network with the setting `synchrony` says of that.
    """

    film: Film
    features: Features
    posteriors: pd.DataFrame
    notes: tuple[str, ...] = ()
    step: Step | None = None

    @property
    def answer(self) -> str:
        """The class that the mean of the heads favours."""
        return self.posteriors.loc["mean"].idxmax()


def describe(path: str | Path) -> dict[str, str]:
    """What the file itself says of its streams: {"audio": "aac, 48000 Hz, 2 channels", "video": "h264, 1280 x 720, 30 fps"}."""
    found = {}
    with media.opened(path) as container:  # the one place that opens media
        streams = container.streams
        for stream in (*streams.audio[:1], *streams.video[:1]):
            if stream.codec_context is None:
                continue
            name = stream.codec_context.name
            if stream.type == "audio":
                found["audio"] = f"{name}, {stream.rate} Hz, {stream.channels} channel{'s' * (stream.channels > 1)}"
            else:
                rate = f"{float(stream.average_rate):.3g} fps" if stream.average_rate else "rate not given"
                found["video"] = f"{name}, {stream.width} x {stream.height}, {rate}"
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
        audio, video: Extractors of sound and of pictures, one or several side by side.
        audio_normalizer, video_normalizer: Fitted on the clips that the network was trained on.
        by_speaker: Whether these stood on each speaker's own scale before (`normalise = "speaker"`).
        scales: Stream -> the scale of the person in the film, see `of_speaker`; None where nobody knows it.
    """

    model: torch.nn.Module
    classes: tuple[str, ...]
    audio: Extractor
    video: Extractor
    audio_normalizer: Normalizer
    video_normalizer: Normalizer
    by_speaker: bool = False
    scales: Mapping[str, Normalizer] | None = None

    @classmethod
    def of(
        cls, model: torch.nn.Module, classes: Sequence[str], features: dict, normalizers: dict[str, Normalizer],
        by_speaker: bool = False,
    ) -> "Recogniser":  # fmt: skip
        """A network with the classes, the extractors and the normalisers that it was trained with.

        Args:
            model: The network.
            classes: Their names.
            features: "audio" and "video" -> {"spec": name of the extractor, "digest": of its settings}.
            normalizers: "audio" and "video" -> how features are standardised.
            by_speaker: As of the class.

        Raises:
            InputError: features that cannot be taken from a film in memory, or of other settings than today's.
        """
        extractors = []
        for stream, way in (("audio", "of_waveform"), ("video", "of_film")):
            spec = features[stream]["spec"]
            extractor = create_extractor(spec)
            if not all(hasattr(part, way) for part in getattr(extractor, "parts", (extractor,))):
                raise InputError(f"{spec}: is read from files; own clips take a network trained on features of media.")
            digest = by_speaker_digest(extractor.digest()) if by_speaker else extractor.digest()
            if features[stream]["digest"] != digest:
                raise InputError(
                    f"{spec}: the network was trained on features of other settings; extract and train again."
                )
            extractors.append(extractor)
        both = normalizers["audio"], normalizers["video"]
        return cls(model.eval(), tuple(classes), *extractors, *both, by_speaker)

    def of_speaker(self, paths: Sequence[str | Path]) -> "Recogniser":
        """The same for films of one person, whose own clips set the scale; their labels are not asked for.

        Raises:
            InputError: fewer than `by_speaker.FEWEST` clips with a stream; MediaError: one cannot be read.
        """
        raw, scales = [self._raw(decode(path)) for path in paths], {}
        for stream, dims in (("audio", self.audio.dims), ("video", self.video.dims)):
            clips = {str(i): getattr(one, stream) for i, one in enumerate(raw) if getattr(one, stream) is not None}
            if clips and len(clips) < FEWEST:
                words = f"{len(clips)} clips of the person with {stream} are too few to know their own scale"
                raise InputError(f"{words}; give {FEWEST} or more.")
            scales[stream] = Normalizer.fit(_Held(clips, dims), list(clips))
        return replace(self, scales=scales)

    def features(self, film: Film) -> Features:
        """The film as the network is given it, normalised by what the network was trained on.

        Raises:
            InputError: that was each speaker's own scale, and the scale of this person is not known.
        """
        if self.by_speaker and self.scales is None:
            raise InputError(
                'this network was trained with normalise = "speaker", on each speaker\'s own scale, which a single film does '
                f"not show; give {FEWEST} or more clips of the person: recognise(path, of_speaker=[...])."
            )
        raw, found = self._raw(film), {}
        for stream, normalizer in (("audio", self.audio_normalizer), ("video", self.video_normalizer)):
            frames = getattr(raw, stream)
            if frames is not None:
                found[stream] = normalizer(self.scales[stream](frames) if self.by_speaker else frames)
        return raw._replace(**found)

    def _raw(self, film: Film) -> Features:
        """Features as they are extracted."""
        audio = video = face = None
        if film.waveform is not None:
            audio = self.audio.of_waveform(film.waveform)
        rate = 25.0
        if film.grey is not None:
            order = evenly(film.times)
            face = track_face(film.grey[order], getattr(self.video, "boxes", "track"))
            video = self.video.of_film(film.frames[order], film.grey[order], face)
            if len(film.times) > 1:
                rate = (len(film.times) - 1) / max(film.times[-1] - film.times[0], 1e-6)
        return Features(audio, video, self.audio.frames_per_second, rate, face)

    def batch(self, *clips: Features) -> Batch:
        """A batch of clips, padded to the longest; the targets are zero, for nobody knows them.

        Raises:
            InputError: a clip without either stream.
        """
        items = []
        for number, features in enumerate(clips):
            streams = (features.audio, self.audio.dims), (features.video, self.video.dims)
            frames = [np.zeros((1, dims), np.float32) if stream is None else stream for stream, dims in streams]
            present = [stream is not None for stream, _ in streams]
            if not any(present):
                raise InputError("both streams are absent: nothing is left to recognise.")
            items.append((f"own-{number}", *frames, *present, np.zeros(len(self.classes), np.float32)))
        return collate(items)

    @torch.no_grad()
    def posteriors(self, given: Features | Batch) -> pd.DataFrame:
        """Probabilities `[4 heads, classes]` of the first clip; NaN where a head's stream is absent."""
        batch = given if isinstance(given, Batch) else self.batch(given)
        logits = self.model(batch)
        heads = torch.stack([logits.av, logits.a, logits.v, logits.mean()], 1)[0].softmax(-1).numpy()  # [4, C]
        table = pd.DataFrame(heads, index=list(HEADS), columns=list(self.classes))
        table.loc[[head for head, count in zip(HEADS, logits.weights[0].tolist()) if count == 0]] = np.nan
        return table

    @torch.no_grad()
    def step(self, features: Features) -> Step | None:
        """Whether voice and face are in step; None where a stream is absent or the network was not taught to say so."""
        task = getattr(self.model, "synchrony", None)
        if task is None or features.audio is None or features.video is None:
            return None
        found = task(self.batch(features))  # the task alone, not the whole network once more
        if not found.known[0]:
            return None
        return Step(float(found.probability()[0]), float(found.lag()[0]) * task.pools[0] / features.audio_rate)

    @torch.no_grad()
    def means(self, many: list[Features]) -> np.ndarray:
        """Probabilities `[clips, classes]` of the mean of the heads."""
        return self.model(self.batch(*many)).mean().softmax(-1).numpy()

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


class _Held(dict):
    """Features by clip, as `Normalizer.fit` reads them from a store."""

    def __init__(self, clips: dict[str, np.ndarray], dims: int):
        super().__init__(clips)
        self.dims = dims


def recognise(path: str | Path, recogniser: Recogniser, of_speaker: Sequence[str | Path] = ()) -> Recognition:
    """What a trained network says about a film.

    It says something about every film. Whether that means anything for yours depends on what it was trained on.

    Args:
        path: A film of up to `LONGEST` seconds, a sound file or a silent film.
        recogniser: Of a network; `run.recognise(path)` makes it from a run.
        of_speaker: Ten or more clips of the same person, for networks trained with `normalise = "speaker"`.

    Raises:
        MediaError: the file cannot be read; InputError: it is too long, or too little is known of the person.
    """
    if of_speaker:
        recogniser = recogniser.of_speaker(of_speaker)
    film = decode(path)
    features = recogniser.features(film)
    step = recogniser.step(features)
    notes = (
        *film.problems, *sound_notes(film),
        *face_notes(film, features.face, getattr(recogniser.video, "size", 0)), *step_notes(step),
    )  # fmt: skip
    return Recognition(film, features, recogniser.posteriors(features), notes, step)


def step_notes(step: Step | None) -> tuple[str, ...]:
    """A sentence where voice and face are more likely out of step than in step. Empty where they are not, or nobody says."""
    if step is None or step.in_step >= 0.5:
        return ()
    later = "face" if step.lag > 0 else "voice"
    words = f"Voice and face look out of step: the {later} comes {abs(step.lag):.2f} s later, most likely"
    return (f"{words} (in step with a probability of {step.in_step:.0%}).",)


def exact_zeros(waveform: np.ndarray, shortest: float = EXACT_ZEROS) -> list[tuple[float, float]]:
    """Where a waveform `[samples]` at 16 kHz is exactly zero for `shortest` seconds or more: from and to, seconds."""
    edges = np.diff(np.concatenate([[0], waveform == 0, [0]]).astype(int))  # [samples + 1]
    starts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    long = ends - starts >= max(1, round(shortest * SAMPLING_RATE))
    return [(float(a), float(b)) for a, b in np.stack([starts, ends], 1)[long] / SAMPLING_RATE]


def sound_notes(film: Film, most: int = 3) -> tuple[str, ...]:
    """A sentence about exact zeros in the sound: the first `most` places of them, and how much they are. Empty where there are none."""
    found = [] if film.waveform is None else exact_zeros(film.waveform)
    if not found:
        return ()
    length = len(film.waveform) / SAMPLING_RATE
    share = sum(end - start for start, end in found) / length
    if share == 1:
        return ("The sound is exactly zero throughout: nothing was recorded, yet the network answers.",)
    places = [_place(start, end, length) for start, end in found[:most]]
    places += [f"at {len(found) - most} more places"] if len(found) > most else []
    words = f"The sound is exactly zero {', '.join(places)}: {share:.0%} of it. No room sounds like that"
    return (f"{words}, so the answer is one to that silence too; cut it off, or record without noise suppression.",)


def _place(start: float, end: float, length: float) -> str:
    where = "at the beginning" if start == 0 else "at the end" if end == length else f"from {start:.2f} s"
    return f"for {end - start:.2f} s {where}"


def feature_names(extractor: Extractor) -> list[str]:
    """A name for each number `[D]` of an extractor: its own; for hog the cell of the face and the direction; else a number.

    The cells of hog are counted in the crop, rows from above and columns from the left as one looks at the picture. A cell is in
    several blocks, and is brought to unit length in each with other neighbours; blocks are counted row by row, from 1.
    """
    if hasattr(extractor, "parts"):
        return [name for part in extractor.parts for name in feature_names(part)]
    if hasattr(extractor, "names"):
        return list(extractor.names)
    if extractor.name != "hog":
        return [f"{extractor.name} {i}" for i in range(extractor.dims)]
    cells, inside, turns = extractor.size // extractor.cell, extractor.block, extractor.orientations
    blocks = cells - inside + 1
    return [
        f"hog: row {down + i + 1} and column {right + j + 1} of {cells}, gradients at {(turn + 0.5) * 180 / turns:.0f} degrees "
        f"(block {down * blocks + right + 1})"
        for down in range(blocks) for right in range(blocks)
        for i in range(inside) for j in range(inside) for turn in range(turns)
    ]  # fmt: skip


def mean_over_time(frames: np.ndarray) -> np.ndarray:
    """Mean `[D]` of the valid frames of `[T, D]`; NaN where there is none."""
    valid = ~np.isnan(frames[:, 0])
    return frames[valid].mean(0) if valid.any() else np.full(frames.shape[1], np.nan, np.float32)


def far_out(clip: np.ndarray, known: np.ndarray, names: Sequence[str], count: int = 5) -> tuple[float, pd.DataFrame]:
    """How far a clip is from known ones, and in which features most.

    Args:
        clip: `[D]`, the mean over time of its features.
        known: `[N, D]`, those of the clips that the network was trained on.
        names: Of the features, D.
        count: Rows of the table.

    Returns:
        d, the root of the mean of z² over the features, z being how many deviations of the known clips it is from their mean;
        and the features with the largest |z|: columns feature and z, the farthest first.
    """
    deviation = known.std(0)
    z = (clip - known.mean(0)) / np.where(deviation > 1e-6, deviation, 1.0)  # [D]; a constant feature stays as it is
    farthest = np.argsort(-np.abs(z), kind="stable")[:count]
    table = pd.DataFrame({"feature": [names[i] for i in farthest], "z": z[farthest]})
    return float(np.sqrt(np.mean(z**2))), table


def face_notes(film: Film, face: FaceTrack | None, wanted: int = 0, looks: int = 5) -> tuple[str, ...]:
    """Sentences about the face that was taken: none found, several to choose from, a small one. Empty where all is well.

    Args:
        film: As it was decoded.
        face: Its path; None where there are no pictures.
        wanted: Pixels of the crop that the features are computed from.
        looks: In how many frames other faces are looked for.
    """
    if face is None or film.grey is None:
        return ()
    if face.found == 0:
        return ("No face was found, so the middle of the picture was taken: come closer, look ahead.",)
    notes = []
    chosen = np.unique(np.linspace(0, len(film.grey) - 1, looks).round().astype(int))
    counts = sorted(len(faces_in(film.grey[i])) for i in chosen)
    if (several := counts[(len(counts) - 1) // 2]) > 1:  # of the detector's mistakes most are in one frame
        notes.append(f"{several} faces were found and the largest was taken: film one person alone.")
    if face.found < 0.9:
        notes.append(f"A face is in {face.found:.0%} of the frames only; between them its place is guessed: stay in the picture.")
    if (pixels := round(MARGIN * np.median(face.height))) < wanted:
        notes.append(f"The face is {pixels} pixels high and was enlarged to {wanted}: come closer, or film in more detail.")
    return tuple(notes)
