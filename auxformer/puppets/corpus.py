"""Making a puppet corpus on disk, in CREMA-D's layout.

Media come first and tables last, each file whole or not at all. So a run that was killed leaves a folder without
tables, and the next run makes what is missing; nothing that is finished is made twice.
"""

import functools
import hashlib
import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import tomli_w
from joblib import Parallel, delayed

from auxformer.errors import InputError
from auxformer.files import make_folder, whole_file, write_text, writing
from auxformer.media import write_video, write_wav
from auxformer.progress import progress
from auxformer.puppets.axes import generator
from auxformer.puppets.casting import Clip, cast, cast_clips, demographics_table, name_table, truth_table, vote_table
from auxformer.puppets.prosody import Voice, clip_duration
from auxformer.puppets.voice import SAMPLING_RATE, speak

SETTINGS = "puppets.toml"
LOOKING_ON = ("__init__.py", "observer.py", "reference.py")
"""Code beside the generator that changes nothing about a corpus."""
TABLES = {
    "VideoDemographics.csv",
    "SentenceFilenames.csv",
    "processedResults/tabulatedVotes.csv",
    "truth.csv",
}


def generate(out: str | Path, size: str = "course", seed: int = 0, binding: float = 0.0, jobs: int = 2) -> Path:
    """Make a puppet corpus, or finish one that was begun.

    Writes AudioWAV/CLIP.wav (16 kHz), VideoFlash/CLIP.mp4 (25 frames a second, with sound), CREMA-D's tables,
    truth.csv (clip, intended, voice, face, bound: what each clip really shows) and puppets.toml (how it was made).

    Args:
        out: Folder to write; new, empty, or already a puppet corpus. Media made there with the same seed and binding by
            the same generator are kept, others are replaced.
        size: "tiny" (6 puppets x 4 sentences x 6 emotions), "course" (40 x 12 x 6) or "full" (91 x 12 x 6 and levels).
        seed: Same seed, same tables and same decoded media; a clip does not depend on the size it is part of.
        binding: Share of clips, 0..1, in which lips and voice are more than 300 ms out of step; raters who see and hear
            such a clip follow the voice.
        jobs: Processes.

    Returns:
        `out` as an absolute path.

    Raises:
        InputError: Bad arguments, `out` holds something else, or it cannot be written.
    """
    out = Path(out).absolute()
    settings = {"size": size, "seed": seed, "binding": float(binding), "generator": generator_digest()}
    _check(settings, jobs)
    clips = cast_clips(size, seed, binding)
    _prepare(out, settings, {clip.name for clip in clips})
    todo = [clip for clip in clips if not all(path.exists() for path in media_paths(out, clip.name))]
    workers = Parallel(n_jobs=jobs, return_as="generator_unordered")
    finished = workers(delayed(make_clip)(out, clip, seed) for clip in todo)
    for _ in progress(finished, f"making puppets ({size})", total=len(todo)):
        pass
    tables = {
        "VideoDemographics.csv": demographics_table(cast(size, seed)),
        "SentenceFilenames.csv": name_table(clips),
        "processedResults/tabulatedVotes.csv": vote_table(clips, seed),
        "truth.csv": truth_table(clips),  # last: a folder that has it is complete
    }
    for name, table in tables.items():
        _write_table(out / name, table, keep_index=name.endswith("tabulatedVotes.csv"))
    return out


def generator_digest() -> str:
    """Eight hex digits that change whenever the code that makes puppets does."""
    sources = sorted(path for path in Path(__file__).parent.glob("*.py") if path.name not in LOOKING_ON)
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:8]


def media_paths(out: Path, clip: str) -> tuple[Path, Path]:
    """Where a clip's sound and film lie."""
    return out / "AudioWAV" / f"{clip}.wav", out / "VideoFlash" / f"{clip}.mp4"


def make_clip(out: Path, clip: Clip, seed: int) -> None:
    """Write one clip's sound and film."""
    waveform, frames, rate = play(clip, seed)
    audio, video = media_paths(out, clip.name)
    write_wav(audio, waveform, SAMPLING_RATE)
    write_video(video, frames, rate, waveform, SAMPLING_RATE)


def play(clip: Clip, seed: int) -> tuple[np.ndarray, np.ndarray, int]:
    """One clip's waveform `[samples]` at 16 kHz, frames uint8 `[T, H, W, 3]` and their rate in Hz; writes nothing."""
    from auxformer.puppets.expression import FRAMES_PER_SECOND, express
    from auxformer.puppets.face import draw

    voice, face, liveliness = _actor(clip.puppet.speaker, seed, clip.puppet.sex)
    duration = clip_duration(voice, clip.sentence, generator(seed, "duration", clip.name))
    rng = generator(seed, "speech", clip.name)
    speech = speak(voice, clip.sentence, clip.voice, clip.level, duration, rng, in_step=clip.bound)
    rng = generator(seed, "expression", clip.name)
    action_units = express(clip.face, clip.level, duration, speech.mouth, liveliness, rng)  # [T, K]
    frames = draw(face, action_units, generator(seed, "picture", clip.name))
    return speech.waveform, frames, FRAMES_PER_SECOND


@functools.lru_cache(maxsize=8)
def _actor(speaker: int, seed: int, sex: str) -> tuple:
    """A puppet's voice, face and how lively that face is."""
    from auxformer.puppets.face import Face

    liveliness = float(np.clip(generator(seed, "face expressiveness", speaker).normal(0.85, 0.1), 0.65, 1.0))
    return Voice.of(speaker, seed, sex), Face.of(speaker, seed, sex), liveliness


def _check(settings: dict, jobs: int) -> None:
    if not 0 <= settings["binding"] <= 1:
        raise InputError(f"binding is {settings['binding']}, expected a share of clips between 0 and 1")
    if not isinstance(settings["seed"], int) or settings["seed"] < 0:
        raise InputError(f"seed is {settings['seed']!r}, expected a whole number, 0 or more")
    if jobs < 1:
        raise InputError(f"jobs is {jobs}, expected the number of processes, 1 or more")


def _prepare(out: Path, settings: dict, wanted: set[str]) -> None:
    """Make the folders; remove tables, half-written files, and media that do not belong to the corpus asked for."""
    made_with = _read_settings(out)
    same = all(made_with.get(key) == settings[key] for key in ("seed", "binding", "generator"))
    complete = made_with == settings and (out / "truth.csv").exists()
    with writing(out):
        for folder in ("AudioWAV", "VideoFlash", "processedResults"):
            make_folder(out / folder)
        for name in () if complete else TABLES:
            (out / name).unlink(missing_ok=True)
        for path in [*(out / "AudioWAV").iterdir(), *(out / "VideoFlash").iterdir()]:
            if path.suffix == ".part" or not same or path.stem not in wanted:
                path.unlink()
    write_text(out / SETTINGS, tomli_w.dumps(settings))


def _read_settings(out: Path) -> dict:
    """How the corpus in `out` was made; empty for a new or empty folder."""
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: is a file, expected a folder to write the puppets to; give another path")
    path = out / SETTINGS
    if path.exists():
        try:
            return tomllib.loads(path.read_text())
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise InputError(f"{path}: is not TOML ({error}); delete the folder or give another") from error
    if out.exists() and any(out.iterdir()):
        raise InputError(f"{out}: is not empty and not a puppet corpus; give a new or empty folder")
    return {}


def _write_table(path: Path, table: pd.DataFrame, keep_index: bool) -> None:
    with whole_file(path) as part:
        table.to_csv(part, index=keep_index, index_label="" if keep_index else None)
