"""Reader of RAVDESS (Livingstone & Russo 2018), speech and song.

The corpus comes as folders Actor_01 ... Actor_24, anywhere below ROOT, of files named by seven numbers:

    03-01-06-01-02-01-12.wav    modality, vocal channel, emotion, level, statement, repetition, actor

Modality 01 is sound and picture, 02 picture only, 03 sound only of the *same take*; so the files of one take are one
clip here, named as its audiovisual file would be. Splitting by file instead of by take would put the same recording
into train and test.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from auxformer.corpora.base import Corpus
from auxformer.corpora.registry import register_corpus
from auxformer.corpora.tables import Skipped, clip_table, folders_below
from auxformer.errors import InputError

CLASSES = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")
LEVELS = {"01": "normal", "02": "strong"}
STATEMENTS = {"01": "kids", "02": "dogs"}
SUFFIXES = (".wav", ".flac", ".mp4", ".avi", ".mp3", ".flv")
TAKE = re.compile(r"(0[123])-(0[12])-(0[1-8])-(0[12])-(0[12])-(0[12])-(\d\d)")
SONG = re.compile(r"0[123]-02-")
LAYOUT = "folders Actor_01, Actor_02, ... of files like 03-01-06-01-02-01-12.wav"
DEPTH = 4
"""How many folders below ROOT the actors' folders are looked for."""


def read_ravdess(root: str | Path, song: bool = False, on_error: str = "stop") -> Corpus:
    """Read RAVDESS: one clip per take, no media decoded.

    Args:
        root: Folder with the actors' folders somewhere below it.
        song: Also read the sung takes (vocal channel 02).
        on_error: "stop" at the first file that cannot be used (a name that is none, an actor in another's folder, a
            Git-LFS pointer), or "skip" it and keep the reason in `Corpus.skipped`.

    Returns:
        Corpus "ravdess". Clips are named 01-VOCAL-EMOTION-LEVEL-STATEMENT-REPETITION-ACTOR and sorted; audio is the
        sound-only file of the take, else its audiovisual one; video the audiovisual file, else the picture-only one.
        A second copy of a file is not read; it is in `skipped` under its path below ROOT. No ratings, durations NaN.

    Raises:
        InputError: ROOT holds no such files, or one cannot be used and `on_error` is "stop".
    """
    root = Path(root).absolute()
    skipped = Skipped(on_error)
    files = (file for folder in _actor_folders(root) for file in _media(folder))
    takes = skipped.files_of_clips(root, (file for file in files if song or not SONG.match(file.stem)), _take_of)
    rows = {}
    for clip, files in sorted(takes.items()):
        _, _, emotion, level, statement, _, actor = clip.split("-")
        audio = files.get("03", files.get("01"))
        video = files.get("01", files.get("02"))
        rows[clip] = (actor, STATEMENTS[statement], CLASSES[int(emotion) - 1], LEVELS[level], audio, video, np.nan)
    if not rows:
        raise InputError(
            f"{root}: holds no RAVDESS clip{'' if song else ' of speech'}, expected {LAYOUT}{skipped.first()}"
        )
    clips = clip_table(rows)
    actors = sorted(clips["speaker"].unique())
    sex = ["male" if int(actor) % 2 else "female" for actor in actors]
    speakers = pd.DataFrame({"sex": sex, "age": np.nan}, index=pd.Index(actors, name="speaker"))
    return Corpus("ravdess", root, CLASSES, clips, speakers, skipped=dict(skipped))


def looks_like_ravdess(root: Path) -> bool:
    """True where actors' folders lie in ROOT or a few folders below it."""
    return next(_actor_folders(root), None) is not None


register_corpus("ravdess", read_ravdess, looks_like_ravdess, LAYOUT)


def _actor_folders(root: Path) -> Iterator[Path]:
    """Folders Actor_NN in ROOT or below, sorted by name; ROOT itself may be one."""
    folders = folders_below(root, DEPTH) if root.is_dir() else ()
    return (folder for folder, _ in folders if re.fullmatch(r"Actor_\d\d", folder.name))


def _media(folder: Path) -> list[Path]:
    """The media files of a folder, the formats in the order of `SUFFIXES`."""
    files = [file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES and not file.name.startswith(".")]
    return sorted(files, key=lambda file: (SUFFIXES.index(file.suffix.lower()), file.name))


def _take_of(file: Path) -> tuple[str, str]:
    """Clip and modality ("01", "02", "03") of a media file in an actor's folder."""
    fields = TAKE.fullmatch(file.stem)
    if fields is None:
        raise InputError(
            f"{file}: its name is not seven RAVDESS numbers like 03-01-06-01-02-01-12 (modality 01-03, vocal channel "
            "01-02, emotion 01-08, level, statement and repetition 01-02, actor); rename it or remove it"
        )
    if fields[7] != file.parent.name[-2:]:
        raise InputError(
            f"{file}: is a take of actor {fields[7]} in the folder {file.parent.name}; move it to Actor_{fields[7]}"
        )
    return f"01-{file.stem[3:]}", fields[1]
