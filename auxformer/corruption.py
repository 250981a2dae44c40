"""Media that went wrong, for the robustness protocol: a corpus is written again with noise, gaps, blur, darkness or delay.

What happens to a clip depends on its name, the condition and a seed, never on the order of work or on the machine. Sound is
that of the clips' audio files; films keep their frame rate and their own sound.
"""

import contextlib
import functools
import json
import os
import re
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from auxformer import media
from auxformer.corpora import read_corpus
from auxformer.errors import InputError, MediaError
from auxformer.features.base import SAMPLING_RATE
from auxformer.features.track import track_face
from auxformer.files import make_folder, whole_file, write_text, writing
from auxformer.fingerprints import made_by
from auxformer.parallel import in_parallel
from auxformer.progress import progress
from auxformer.seeds import seed_of

NOTE = "corruption.json"
"""What a derived corpus says of itself."""
CONDITIONS = {
    "audio-noise-snr-DB": "white noise, its power DB decibels below that of the voice (20, 10, 0)",
    "audio-babble-snr-DB": "four other speakers of the corpus at once, as loud together as DB says",
    "audio-gaps-SHARE": "silence in place of a share of all stretches of a tenth of a second",
    "video-blur": "out of focus: a Gaussian of 1/25 of the height of the picture",
    "video-dark": "an eighth of the light, with the noise of a sensor that has too little of it",
    "video-occlude": "a grey bar over the lower half of the face",
    "video-drop-SHARE": "a share of the frames lost; the one before stays on the screen",
    "desync-MS": "the sound MS milliseconds late (100, 300, 500)",
}
"""Name with its number -> what happens."""


def add_noise(waveform: np.ndarray, noise: np.ndarray, snr: float) -> np.ndarray:
    """Voice and noise `[samples]` at a signal-to-noise ratio of `snr` dB over the whole clip; turned down where it would clip."""
    power = float(np.mean(np.square(waveform)))
    scaled = noise * np.sqrt(power / max(float(np.mean(np.square(noise))), 1e-20) / 10 ** (snr / 10))
    mixed = waveform + scaled
    return (mixed / max(1.0, float(np.abs(mixed).max()) / 0.99)).astype(np.float32)


def white_noise(samples: int, rng: np.random.Generator) -> np.ndarray:
    """`[samples]`, unit deviation."""
    return rng.standard_normal(samples)


def babble(others: list[np.ndarray], samples: int, rng: np.random.Generator) -> np.ndarray:
    """Other voices `[any length]`, each repeated to `[samples]` from a random place, equally loud, added up."""
    rows = []
    for other in others:
        start = rng.integers(len(other))
        looped = np.resize(np.roll(other, -start), samples)
        rows.append(looped / max(float(np.sqrt(np.mean(np.square(looped)))), 1e-6))
    return np.sum(rows, axis=0)


def gaps(
    waveform: np.ndarray, share: float, rng: np.random.Generator, sampling_rate: int = SAMPLING_RATE
) -> np.ndarray:
    """Silence in `share` of the stretches of 100 ms of `[samples]`, rounded to whole ones."""
    stretches = np.array_split(np.arange(len(waveform)), max(1, round(10 * len(waveform) / sampling_rate)))
    lost = rng.permutation(len(stretches))[: round(share * len(stretches))]
    silent = waveform.copy()
    for stretch in lost:
        silent[stretches[stretch]] = 0
    return silent


def delay(
    waveform: np.ndarray,
    milliseconds: float,
    rng: np.random.Generator | None = None,
    sampling_rate: int = SAMPLING_RATE,
) -> np.ndarray:
    """The sound later (earlier when negative) at the same length: what comes in is quiet, what does not fit goes.

    With `rng` the new stretch is noise as loud as the clip's quietest tenth of a second, as a microphone would have heard.
    Without, it is exact zeros, which no microphone gives and which features take for more than silence.
    """
    shift = round(milliseconds / 1000 * sampling_rate)
    moved = np.zeros_like(waveform)
    if rng is not None and len(waveform):
        stretches = np.array_split(waveform, max(1, round(10 * len(waveform) / sampling_rate)))
        quietest = min(float(np.sqrt(np.mean(np.square(part)))) for part in stretches)
        moved = (quietest * white_noise(len(waveform), rng)).astype(waveform.dtype)
    if abs(shift) < len(waveform):
        moved[max(0, shift) : len(waveform) + min(0, shift)] = waveform[max(0, -shift) : len(waveform) - max(0, shift)]
    return moved


def blur(frames: np.ndarray) -> np.ndarray:
    """uint8 `[T, H, W, 3]` out of focus."""
    from scipy.ndimage import gaussian_filter

    sigma = frames.shape[1] / 25
    return gaussian_filter(frames, (0, sigma, sigma, 0))


def darken(frames: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """uint8 `[T, H, W, 3]` with an eighth of the light, and noise of 3 of 255 steps."""
    return np.clip(frames / 8 + rng.normal(0, 3, frames.shape), 0, 255).astype(np.uint8)


def occlude(frames: np.ndarray) -> np.ndarray:
    """uint8 `[T, H, W, 3]` with a grey bar over the lower half of the face, at the same place throughout."""
    face = track_face(frames, "clip").at(0)
    covered, half = frames.copy(), face.height / 2
    top, left = (max(0, round(value)) for value in (face.y, face.x - half))
    covered[:, top : round(face.y + half), left : round(face.x + half)] = 128
    return covered


def drop_frames(frames: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """uint8 `[T, H, W, 3]` in which a share of the frames repeats the one shown before; the first is always shown."""
    lost = np.zeros(len(frames), bool)
    lost[1 + rng.permutation(len(frames) - 1)[: round(share * len(frames))]] = True
    shown = np.maximum.accumulate(np.where(lost, 0, np.arange(len(frames))))
    return frames[shown]


def derive_corpus(
    root: str | Path, out: str | Path, condition: str, seed: int = 0, jobs: int = 2, clips: Iterable[str] | None = None
) -> Path:
    """Write the corpus at ROOT again under a condition; same layout, same tables, so that the same reader reads it.

    Media that the condition does not touch are linked (copied where links cannot be made), and a share or a delay of 0 touches none.
    Files that are there already are kept where their originals have not changed since, nor the code that made them: run it again
    after a kill and it goes on.

    Args:
        root: Folder of a corpus.
        out: Folder to write: new, or begun earlier with the same condition and seed.
        condition: One of `CONDITIONS`, with its number ("audio-noise-snr-10").
        seed: Another seed, other noise.
        jobs: Processes.
        clips: Only these go wrong, and only their media are written; None for all.

    Returns:
        `out` as an absolute path.

    Raises:
        InputError: an unknown condition, `out` holds something else, or a clip lacks the file that the condition needs.
    """
    kind, level = parse_condition(condition)
    root, out = Path(root).absolute(), Path(out).absolute()
    corpus = read_corpus(root, on_error="skip")
    stream = stream_of(condition)
    without = corpus.clips.index[corpus.clips[stream].isna()]
    if len(without):
        raise InputError(
            f"{root}: {without[0]} has no {stream} file of its own, which {condition} needs; leave such clips out."
        )
    note = {"source": corpus.name, "condition": condition, "seed": seed}
    _claim(root, out, note, made_by([derive_corpus], ("auxformer.media", "auxformer.features.track", "auxformer.seeds")))
    chosen = corpus.clips
    if clips is not None:
        chosen = chosen.loc[chosen.index.intersection(list(clips), sort=False)]
    media_files, wanted = (
        set(map(Path, table[["audio", "video"]].stack().dropna())) for table in (corpus.clips, chosen)
    )
    left_out = media_files - wanted
    untouched = level == 0 and not kind.endswith("snr")  # 0 dB is a level like any other
    touched = {} if untouched else {Path(p): clip for clip, p in chosen[stream].items()}
    for path in sorted(p for p in root.rglob("*") if p.is_file() and p not in touched and p not in left_out):
        if path in media_files or path.suffix.lower() in {".csv", ".txt", ".toml", ".md"}:
            with writing(out):
                _link(path, out / path.relative_to(root))
    voices = corpus.clips[["speaker", "audio"]]
    work = functools.partial(_corrupt, condition=condition, seed=seed, voices=voices)
    ending = ".mp4" if stream == "video" else ".wav"
    items = [(clip, path, (out / path.relative_to(root)).with_suffix(ending)) for path, clip in touched.items()]
    for _ in progress(in_parallel(work, items, jobs), condition, total=len(items)):
        pass
    return out


def stream_of(condition: str) -> str:
    """The stream that a condition changes, "audio" or "video"; a delay changes the sound."""
    return "video" if parse_condition(condition)[0].startswith("video") else "audio"


def parse_condition(condition: str) -> tuple[str, float]:
    """ "audio-noise-snr-10" -> ("audio-noise-snr", 10.0); conditions without a number have the level 1.

    Raises:
        InputError: no such condition, or a number out of range.
    """
    for name in CONDITIONS:
        kind, _, unit = name.rpartition("-")
        if not unit.isupper():
            if condition == name:
                return name, 1.0
        elif found := re.fullmatch(rf"{kind}-([-+]?\d*\.?\d+)", condition):
            level = float(found[1])
            if unit == "SHARE" and not 0 <= level <= 1:
                raise InputError(f'condition "{condition}": the share is {level}, expected 0 to 1.')
            return kind, level
    raise InputError(f'unknown condition "{condition}", expected one of {", ".join(CONDITIONS)}.')


def _corrupt(item: tuple[str, Path, Path], condition: str, seed: int, voices: pd.DataFrame) -> None:
    """One media file of a clip, read from one path and written to another, whole or not at all."""
    clip, path, target = item
    if _is_of(path, target):
        return
    make_folder(target.parent)
    kind, level = parse_condition(condition)
    rng = np.random.default_rng(seed_of("corruption", seed, condition, clip))
    if kind.startswith("video"):
        frames, _ = media.read_frames(path)
        changes: dict[str, Callable] = {
            "video-blur": blur,
            "video-dark": lambda frames: darken(frames, rng),
            "video-occlude": occlude,
            "video-drop": lambda frames: drop_frames(frames, level, rng),
        }
        height, width = frames.shape[1] // 2 * 2, frames.shape[2] // 2 * 2  # H.264 wants even sizes
        sound = None
        with contextlib.suppress(MediaError):  # a film without sound stays one
            sound = media.read_audio(path, SAMPLING_RATE)
        frames = changes[kind](frames)[:, :height, :width]
        media.write_video(target, frames, media.frame_rate(path), sound, SAMPLING_RATE)
        _stamp(path, target)
        return
    waveform = media.read_audio(path, SAMPLING_RATE)
    if kind == "audio-noise-snr":
        waveform = add_noise(waveform, white_noise(len(waveform), rng), level)
    elif kind == "audio-babble-snr":
        others = voices[voices.speaker != voices.speaker[clip]].dropna()
        if others.empty:
            raise InputError(f"{path}: there is no other speaker to babble.")
        one_of_each = others.iloc[rng.permutation(len(others))].drop_duplicates("speaker")
        chosen = one_of_each.audio.iloc[:4]
        talk = [media.read_audio(p, SAMPLING_RATE) for p in chosen]
        waveform = add_noise(waveform, babble(talk, len(waveform), rng), level)
    elif kind == "audio-gaps":
        waveform = gaps(waveform, level, rng)
    else:
        waveform = delay(waveform, level, rng)
    media.write_wav(target, waveform, SAMPLING_RATE)
    _stamp(path, target)


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
