"""How fast features are extracted, in multiples of real time, each against a plain reference in the same run.

    python benchmarks/extraction.py [--root CORPUS] [--clips 40] [--jobs 2] [--wav2vec2 MODEL] [--out extraction.json]

Without --root, clips are generated: pulse trains of gliding pitch, and a photograph of a face that moves. One process
gives the ratios (`times_real_time`); `extract` is the whole way from files to a feature store with several processes,
start-up of the workers not counted. Without --wav2vec2, a network of random weights and the size of the published one
is timed. `logmel`, `voice` and `blendshapes` stand beside the default extractor of their stream.
"""

import argparse
import contextlib
import io
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd

from auxformer import media
from auxformer.corpora import read_corpus
from auxformer.corpora.base import EMOTIONS, Corpus
from auxformer.features import Clip, create_extractor, track
from auxformer.features.base import SAMPLING_RATE
from auxformer.features.extract import extract, list_clips
from auxformer.features.track import level_crops, track_face
from auxformer.files import whole_file

ROUNDS = 3
"""Every measurement is repeated and the best kept: the others were disturbed."""


def main() -> None:
    """Read the options, measure, print and save."""
    arguments = _options()
    with tempfile.TemporaryDirectory() as scratch:
        if arguments.root:
            corpus = read_corpus(arguments.root, arguments.corpus)
        else:
            corpus = generate(Path(scratch) / "corpus", arguments.clips)
        clips = [clip for clip in list_clips(corpus) if clip.audio][: arguments.clips]
        result = {"machine": {"processor": platform.machine(), "cores": os.cpu_count()}, "clips": len(clips)}
        result |= measure_lld(clips)
        result |= measure_against("lld", ("logmel", "voice"), clips)
        films = [clip for clip in clips if clip.video]
        if films:
            result |= measure_hog(films)
            result |= measure_faces(films)
            result |= measure_histograms(films)
            result |= measure_against("hog", ("blendshapes",), films)
        result |= measure_wav2vec2(clips[:4], arguments.wav2vec2 or random_wav2vec2(Path(scratch)))
        result |= measure_extract(corpus, clips, arguments.jobs, Path(scratch))
    text = json.dumps(result, indent=2)
    print(text)
    if arguments.out:
        with whole_file(arguments.out) as part:
            part.write_text(text + "\n", encoding="utf-8")


def measure_lld(clips: Sequence[Clip]) -> dict:
    """Our one pass against the opensmile package called once for the descriptors and once for the deltas."""
    import opensmile

    levels = ("LowLevelDescriptors", "LowLevelDescriptors_Deltas")
    halves = [opensmile.Smile(opensmile.FeatureSet.ComParE_2016, opensmile.FeatureLevel[level]) for level in levels]
    lld = create_extractor("lld")
    waveforms = [media.read_audio(clip.audio, SAMPLING_RATE) for clip in clips]
    seconds = sum(map(len, waveforms)) / SAMPLING_RATE

    def twice(waveform):
        return [half(waveform, SAMPLING_RATE) for half in halves]

    ours, theirs = compare([lambda: list(map(lld.of_waveform, waveforms)), lambda: list(map(twice, waveforms))])
    return {"lld": _row(seconds, ours, theirs, "opensmile package called twice")}


def measure_hog(clips: Sequence[Clip]) -> dict:
    """A face followed between a few looks against a face looked for in every frame."""
    ours = create_extractor("hog")

    def every(clip):
        with mock.patch.object(track, "STEP", 1):
            return ours(clip)

    seconds = sum(media.duration(clip.video) for clip in clips)
    few = clips[:4]  # the reference is slow
    share = sum(media.duration(clip.video) for clip in few) / seconds
    fast, slow = compare([lambda: list(map(ours, clips)), lambda: list(map(every, few))])
    return {"hog": _row(seconds, fast, slow / share, "a face looked for in every frame")}


def measure_faces(clips: Sequence[Clip]) -> dict:
    """The face followed by YuNet against the cascade that came before it, asked for every sixth frame."""
    from skimage.data import lbp_frontal_face_cascade_filename
    from skimage.feature import Cascade

    cascade = Cascade(lbp_frontal_face_cascade_filename())
    films = [media.read_frames(clip.video, grey=True)[0] for clip in clips]

    def old(frames):
        least, most = (round(share * min(frames.shape[1:])) for share in (0.25, 1.0))
        return [cascade.detect_multi_scale(frame, 1.2, 1, (least, least), (most, most)) for frame in frames[:: track.STEP]]

    seconds = sum(media.duration(clip.video) for clip in clips)
    ours, theirs = compare([lambda: list(map(track_face, films)), lambda: list(map(old, films))])
    return {"faces": _row(seconds, ours, theirs, "scikit-image's cascade, every sixth frame")}


def measure_against(base: str, others: Sequence[str], clips: Sequence[Clip]) -> dict:
    """Other extractors against the default one of their stream, from files to features."""
    extractors = [create_extractor(name) for name in (*others, base)]
    for extractor in extractors:
        extractor(clips[0])  # loads what it needs
    seconds = sum(media.duration(extractors[-1].source(clip)) for clip in clips)
    *found, reference = compare([lambda e=extractor: list(map(e, clips)) for extractor in extractors])
    return {name: _row(seconds, own, reference, base) for name, own in zip(others, found)}


def measure_histograms(clips: Sequence[Clip]) -> dict:
    """The histograms of all face crops of a clip at once against one call of scikit-image per frame."""
    from skimage.feature import hog as library

    ours = create_extractor("hog")
    films = [media.read_frames(clip.video, grey=True)[0] for clip in clips]
    crops = [level_crops(frames, track_face(frames), ours.size) for frames in films]
    seconds = sum(media.duration(clip.video) for clip in clips)
    cell, block = (ours.cell,) * 2, (ours.block,) * 2

    def by_frame(faces):
        return np.stack([library(face, ours.orientations, cell, block, block_norm="L2-Hys") for face in faces])

    fast, slow = compare([lambda: list(map(ours.of_crops, crops)), lambda: list(map(by_frame, crops))])
    same = all(np.array_equal(ours.of_crops(faces), by_frame(faces).astype(np.float32)) for faces in crops)
    return {"histograms": {"same_bits": same, **_row(seconds, fast, slow, "scikit-image frame by frame")}}


def measure_wav2vec2(clips: Sequence[Clip], model: str | Path) -> dict:
    """The first 12 layers, several clips at a time on a GPU, against the whole network with one clip at a time."""
    import torch
    from transformers import Wav2Vec2Model

    ours = create_extractor(f"wav2vec2:{model}")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    whole = Wav2Vec2Model.from_pretrained(ours.folder).eval().to(device)
    waveforms = [ours.read(clip) for clip in clips]
    seconds = sum(map(len, waveforms)) / SAMPLING_RATE

    def plainly(waveform):
        normal = (waveform - waveform.mean()) / np.sqrt(waveform.var() + 1e-7)
        with torch.inference_mode():
            states = whole(torch.from_numpy(normal)[None].to(device), output_hidden_states=True).hidden_states
        return states[ours.layers][0].cpu().numpy()

    fast, slow = compare([lambda: ours.of_many(waveforms), lambda: list(map(plainly, waveforms))])
    row = _row(seconds, fast, slow, "the whole network, one clip at a time")
    return {"wav2vec2": {"model": ours.name, "layers": ours.layers, "device": device, **row}}


def random_wav2vec2(root: Path) -> Path:
    """A network of the shape of wav2vec2-large-robust with random weights, 1.3 GB."""
    from transformers import Wav2Vec2Config, Wav2Vec2Model

    shape = {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096}
    config = Wav2Vec2Config(**shape, feat_extract_norm="layer", conv_bias=True, do_stable_layer_norm=True)
    Wav2Vec2Model(config).save_pretrained(root / "random-large")
    return root / "random-large"


def measure_extract(corpus: Corpus, clips: Sequence[Clip], jobs: int, scratch: Path) -> dict:
    """Whole way of `lld` from files to a store, by several processes and by one."""
    part = Corpus(
        corpus.name, corpus.root, corpus.classes, corpus.clips.loc[[clip.name for clip in clips]], corpus.speakers
    )
    seconds = sum(media.duration(clip.audio) for clip in clips)
    folders = (scratch / f"store{i}" for i in range(1000))
    lld = create_extractor("lld")
    with contextlib.redirect_stdout(io.StringIO()):  # the summary line of every round
        extract(part, lld, next(folders), jobs)  # starts the workers
        calls = [lambda: extract(part, lld, next(folders), jobs), lambda: extract(part, lld, next(folders), 1)]
        several, one = compare(calls)
    return {"extract": {"jobs": jobs, **_row(seconds, several, one, "one process")}}


def compare(calls: Sequence[Callable]) -> list[float]:
    """Best time of each call in seconds; the calls take turns, so that a disturbance meets all of them."""
    best = [float("inf")] * len(calls)
    for _ in range(ROUNDS):
        for i, call in enumerate(calls):
            started = time.perf_counter()
            call()
            best[i] = min(best[i], time.perf_counter() - started)
    return best


def generate(root: Path, count: int) -> Corpus:
    """Clips of 2.5 s with sound and a moving face, 25 frames a second, 128 x 128 pixels."""
    from skimage import data
    from skimage.transform import resize

    root.mkdir(parents=True)
    face = (resize(data.astronaut()[:320, 40:360], (128, 128), anti_aliasing=True) * 255).astype(np.uint8)
    moments = np.arange(round(2.5 * SAMPLING_RATE)) / SAMPLING_RATE
    rows = {}
    for i in range(count):
        name = f"clip{i:03d}"
        pitch = 100 + 5 * i + 30 * np.sin((4 + 0.1 * i) * moments)
        noise = np.random.default_rng([1, i]).normal(size=len(moments))
        voice = 0.2 * np.sign(np.sin(2 * np.pi * np.cumsum(pitch) / SAMPLING_RATE)) + 0.01 * noise
        film = np.stack([np.roll(face, (i + t) % 7 - 3, t % 2) for t in range(62)])
        audio, video = root / f"{name}.wav", root / f"{name}.mp4"
        media.write_wav(audio, voice, SAMPLING_RATE)
        media.write_video(video, film, 25, voice, SAMPLING_RATE)
        said = {"speaker": "s", "sentence": "t", "intended": "sad", "level": "x", "duration": 2.5}
        rows[name] = {**said, "audio": str(audio), "video": str(video)}
    speakers = pd.DataFrame({"sex": ["female"], "age": [30]}, index=["s"])
    return Corpus("generated", root, EMOTIONS, pd.DataFrame.from_dict(rows, orient="index"), speakers)


def _row(seconds: float, ours: float, reference: float, what: str) -> dict:
    return {
        "times_real_time": round(seconds / ours, 1),
        "reference_times_real_time": round(seconds / reference, 1),
        "ratio": round(reference / ours, 2),
        "reference": what,
    }


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", help="corpus folder; clips are generated when it is left out")
    parser.add_argument("--corpus", default="crema-d", help="what lies in it (default: %(default)s)")
    parser.add_argument("--clips", type=int, default=40, help="clips to use (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=2, help="processes of the last measurement (default: %(default)s)")
    parser.add_argument("--wav2vec2", metavar="MODEL", help="folder or name of a wav2vec 2.0 model")
    parser.add_argument("--out", help="JSON file to save the result in")
    return parser.parse_args()


if __name__ == "__main__":
    main()
