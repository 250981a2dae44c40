"""A corpus is written again under a condition.

Sound is that of the clips' audio files. Films keep their frame rate; they keep their own sound, too, unless the condition strikes
both streams: then it strikes that sound as it does the audio file.
"""

import contextlib
import functools
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from auxformer import media
from auxformer.corpora import read_corpus
from auxformer.corruption import pictures, sounds
from auxformer.corruption.conditions import parse_condition, streams_of
from auxformer.corruption.storm import CAUSES, Storm
from auxformer.errors import InputError, MediaError
from auxformer.features.base import SAMPLING_RATE
from auxformer.files import make_folder, whole_file, write_text, writing
from auxformer.fingerprints import made_by
from auxformer.parallel import in_parallel
from auxformer.progress import progress
from auxformer.seeds import seed_of

NOTE = "corruption.json"
"""What a derived corpus says of itself."""
CODE = ("auxformer.corruption", "auxformer.media", "auxformer.features.track", "auxformer.seeds")
"""Beginnings of the names of the modules that decide what its media hold."""


def derive_corpus(
    root: str | Path, out: str | Path, condition: str, seed: int = 0, jobs: int = 2, clips: Iterable[str] | None = None
) -> Path:
    """Write the corpus at ROOT again under a condition; same layout, same tables, so that the same reader reads it.

    Media that the condition does not touch are linked (copied where links cannot be made), and a share or a delay of 0 touches none.
    Files that are there already are kept where their originals have not changed since, nor the code that made them: run it again
    after a kill and it goes on. Under a condition of both streams a clip that lacks one of them has the other go wrong.

    Args:
        root: Folder of a corpus.
        out: Folder to write: new, or begun earlier with the same condition and seed.
        condition: One of `CONDITIONS`, with its number ("audio-noise-snr-10", "night-3").
        seed: Another seed, other noise.
        jobs: Processes.
        clips: Only these go wrong, and only their media are written; None for all.

    Returns:
        `out` as an absolute path.

    Raises:
        InputError: an unknown condition, `out` holds something else, or a clip lacks the file that the condition needs.
    """
    kind, level = parse_condition(condition)
    root, out, streams = Path(root).absolute(), Path(out).absolute(), list(streams_of(condition))
    corpus = read_corpus(root, on_error="skip")
    without = corpus.clips.index[corpus.clips[streams].isna().all(axis=1)]
    if len(without):
        needed = f"no {' and no '.join(streams)} file of its own"
        raise InputError(f"{root}: {without[0]} has {needed}, which {condition} needs; leave such clips out.")
    note = {"source": corpus.name, "condition": condition, "seed": seed}
    _claim(root, out, note, made_by([derive_corpus], CODE))
    chosen = corpus.clips
    if clips is not None:
        chosen = chosen.loc[chosen.index.intersection(list(clips), sort=False)]
    media_files, wanted = (
        set(map(Path, table[["audio", "video"]].stack().dropna())) for table in (corpus.clips, chosen)
    )
    left_out = media_files - wanted
    untouched = level == 0 and not kind.endswith("snr")  # 0 dB is a level like any other
    touched = {} if untouched else {each.path: each for stream in streams for each in _media_of(chosen, stream)}
    for path in sorted(p for p in root.rglob("*") if p.is_file() and p not in touched and p not in left_out):
        if path in media_files or path.suffix.lower() in {".csv", ".txt", ".toml", ".md"}:
            with writing(out):
                _link(path, out / path.relative_to(root))
    voices = corpus.clips[["speaker", "audio"]]
    work = functools.partial(_corrupt, root=root, out=out, condition=condition, seed=seed, voices=voices)
    for _ in progress(in_parallel(work, list(touched.values()), jobs), condition, total=len(touched), unit="file"):
        pass
    return out


def folder_beside(data: str | Path, root: str | Path, condition: str) -> Path:
    """Where the corpus at ROOT under a condition lies, beside the feature stores in `data`; another one of the same name elsewhere."""
    place = hashlib.sha256(str(root).encode()).hexdigest()[:6]
    return Path(data).parent / "derived" / f"{Path(root).name}-{place}-{condition}"


class _Medium(NamedTuple):
    """A file of a clip that goes wrong: of which stream, and the file whose length is the clip's."""

    clip: str
    stream: str
    path: Path
    clock: Path


def _media_of(clips: pd.DataFrame, stream: str) -> list[_Medium]:
    rows = clips[clips[stream].notna()]
    return [
        _Medium(clip, stream, Path(path), Path(clock))
        for clip, path, clock in zip(rows.index, rows[stream], rows.video.where(rows.video.notna(), rows.audio))
    ]


def _corrupt(medium: _Medium, root: Path, out: Path, condition: str, seed: int, voices: pd.DataFrame) -> None:
    """One media file of a clip, read from its corpus and written to the derived one, whole or not at all."""
    path, film = medium.path, medium.stream == "video"
    target = (out / path.relative_to(root)).with_suffix(".mp4" if film else ".wav")
    if _is_of(path, target):
        return
    make_folder(target.parent)
    on_pictures, on_sound = _changes(medium, condition, seed, voices)
    sound = None
    with contextlib.suppress(*(MediaError,) if film else ()):  # a film without sound stays one
        sound = on_sound(media.read_audio(path, SAMPLING_RATE))
    if film:
        frames, _ = media.read_frames(path)
        height, width = frames.shape[1] // 2 * 2, frames.shape[2] // 2 * 2  # H.264 wants even sizes
        rate = media.frame_rate(path)
        media.write_video(target, on_pictures(frames[:, :height, :width], rate), rate, sound, SAMPLING_RATE)
    else:
        media.write_wav(target, sound, SAMPLING_RATE)
    _stamp(path, target)


def _changes(medium: _Medium, condition: str, seed: int, voices: pd.DataFrame) -> tuple[Callable, Callable]:
    """What a condition does to frames (with their rate) and to a waveform of the medium's file."""
    kind, level = parse_condition(condition)
    rng = np.random.default_rng(seed_of("corruption", seed, condition, medium.clip))
    if kind in CAUSES:
        storm = Storm(kind, int(level), seed_of("storm", seed, kind, medium.clip), media.duration(medium.clock))
        # the same people, however loud they are
        draw = np.random.default_rng(seed_of("others", seed, kind, medium.clip))
        others = _others(medium, voices, draw) if kind == "crowd" else ()
        return storm.on_pictures, lambda waveform: storm.on_sound(waveform, others)

    def noisy(waveform: np.ndarray) -> np.ndarray:
        return sounds.add_noise(waveform, sounds.white_noise(len(waveform), rng), level)

    def babbling(waveform: np.ndarray) -> np.ndarray:
        talk = _others(medium, voices, rng)
        return sounds.add_noise(waveform, sounds.babble(talk, len(waveform), rng), level)

    on_pictures: dict[str, Callable] = {
        "video-blur": lambda frames, rate: pictures.blur(frames),
        "video-dark": lambda frames, rate: pictures.darken(frames, rng),
        "video-occlude": lambda frames, rate: pictures.occlude(frames),
        "video-drop": lambda frames, rate: pictures.drop_frames(frames, level, rng),
    }
    on_sound: dict[str, Callable] = {
        "audio-noise-snr": noisy,
        "audio-babble-snr": babbling,
        "audio-gaps": lambda waveform: sounds.gaps(waveform, level, rng),
        "desync": lambda waveform: sounds.delay(waveform, level, rng),
    }
    return on_pictures.get(kind, lambda frames, rate: frames), on_sound.get(kind, lambda waveform: waveform)


def _others(medium: _Medium, voices: pd.DataFrame, rng: np.random.Generator) -> list[np.ndarray]:
    """Waveforms of four other speakers, a clip of each. Raises InputError where there are none."""
    others = voices[voices.speaker != voices.speaker[medium.clip]].dropna()
    if others.empty:
        raise InputError(f"{medium.path}: there is no other speaker to babble.")
    one_of_each = others.iloc[rng.permutation(len(others))].drop_duplicates("speaker")
    return [media.read_audio(path, SAMPLING_RATE) for path in one_of_each.audio.iloc[:4]]


def _stamp(path: Path, target: Path) -> None:
    """Give a file the time of its original, by which `_is_of` knows that it is made from this one."""
    os.utime(target, ns=(os.stat(path).st_mtime_ns,) * 2)


def _is_of(path: Path, target: Path) -> bool:
    return target.exists() and os.stat(target).st_mtime_ns == os.stat(path).st_mtime_ns


def _claim(root: Path, out: Path, note: dict, code: dict) -> None:
    """Make the folder of a derived corpus, or check that it is this one; of other code its media are made again."""
    if out == root:
        raise InputError(f"{out}: a corpus cannot be written over itself; give another folder.")
    file = out / NOTE
    if file.is_file():
        before = json.loads(file.read_text(encoding="utf-8"))
        if {key: before.get(key) for key in note} != note:
            raise InputError(
                f"{out}: was made from another corpus, condition or seed; give another folder or remove it."
            )
        if before.get("made_by") != code:
            with writing(out):
                for path in [*out.rglob("*.wav"), *out.rglob("*.mp4")]:
                    path.unlink()
            write_text(file, json.dumps({**note, "made_by": code}, indent=1))
        return
    if out.exists() and any(out.iterdir()):
        raise InputError(f"{out}: holds something else; give a new folder.")
    make_folder(out)
    write_text(file, json.dumps({**note, "made_by": code}, indent=1))


def _link(path: Path, target: Path) -> None:
    if _is_of(path, target):
        return
    make_folder(target.parent)
    target.unlink(missing_ok=True)
    try:
        os.link(path, target)
    except OSError:
        with whole_file(target) as part:
            shutil.copy2(path, part)
