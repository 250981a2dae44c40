"""Reader of CREMA-D and of everything laid out like it (the generated puppets).

Layout below ROOT, as in the repository of Cao et al. 2014 (IEEE Transactions on Affective Computing 5(4)):

    AudioWAV/1001_IEO_ANG_HI.wav           speaker, sentence, intended emotion, level
    VideoFlash/1001_IEO_ANG_HI.flv         or .mp4, .avi
    processedResults/tabulatedVotes.csv    votes; row id 1xxxxx voice only, 2xxxxx face only, 3xxxxx audiovisual
    VideoDemographics.csv                  age and sex of the speakers

Both tables may lie in ROOT or in processedResults/. The media may be absent (ratings alone can be studied), and so may
the votes (some mirrors lack them; then only the intended emotion can be a target).
"""

import os
import re
import wave
from pathlib import Path

import numpy as np
import pandas as pd

from auxformer.corpora.base import EMOTIONS, WAYS, Corpus
from auxformer.corpora.registry import register_corpus
from auxformer.corpora.tables import POINTER_SIZE, Skipped, clip_table, pointer_reason, read_table
from auxformer.errors import InputError

CODES = dict(zip(("ANG", "DIS", "FEA", "HAP", "NEU", "SAD"), EMOTIONS))
LEVELS = ("LO", "MD", "HI", "XX")
VOTE_COLUMNS = ("A", "D", "F", "H", "N", "S")  # in the order of EMOTIONS
WAY_OF_ID = dict(enumerate(WAYS, start=1))  # 1xxxxx voice, 2xxxxx face, 3xxxxx audiovisual
CLIP_NAME = re.compile(r"(\d{4})_([A-Z]{3})_([A-Z]{3})_([A-Z]{2})")
VIDEO_SUFFIXES = (".mp4", ".avi", ".flv")  # the first one there is read

RENAMED = {"1040_ITH_SAD_X": "1040_ITH_SAD_XX"}
"""Files that copies of CREMA-D from before October 2022 carry under a wrong name."""

DAMAGED = {
    "1076_MTI_NEU_XX": (("video",), "its video is cut very short and has no sound"),
    "1076_MTI_SAD_XX": (("audio", "video"), "its wav is silent and its video shows an error picture"),
    "1064_TIE_SAD_XX": (("video",), "its video has no duration"),
    "1064_IEO_DIS_MD": (("video",), "its video is a minute long and goes through all emotions"),
    "1006_TIE_HAP_XX": (("audio",), "its wav is byte for byte that of 1006_TIE_NEU_XX, perceived as neutral"),
    "1013_WSI_SAD_XX": (("audio",), "its wav is byte for byte that of 1013_WSI_DIS_XX, perceived as disgust"),
    "1017_IWW_ANG_XX": (("audio",), "its wav is byte for byte that of 1017_IWW_FEA_XX, perceived as fear"),
}
"""Clips of the published CREMA-D that are known to be bad: clip -> (the streams concerned, what is wrong)."""


def read_cremad(root: str | Path, on_error: str = "stop", keep_damaged: bool = False) -> Corpus:
    """Read a corpus that is laid out like CREMA-D; no media file is decoded.

    Args:
        root: Folder that holds the tables and, perhaps, AudioWAV and VideoFlash.
        on_error: "stop" at the first clip that cannot be used (no or two rating rows, an unknown emotion code, a
            Git-LFS pointer instead of media, ...), or "skip" it and keep the reason in `Corpus.skipped`.
        keep_damaged: Keep the clips in `DAMAGED`, as the published partitions do. Where their bad stream is not on disk
            (tables only, say) they are kept anyway: their votes are sound.

    Returns:
        Corpus "crema-d", or "puppets" with its `truth` where ROOT/truth.csv exists. Clips in the order of their names.
        `duration` is worked out from the size of the wav file, NaN without one.

    Raises:
        InputError: ROOT is not such a folder, a table is damaged, or a clip cannot be used and `on_error` is "stop".
    """
    skipped = Skipped(on_error)
    root = Path(root).absolute()
    if not looks_like_cremad(root):
        raise InputError(f"{root}: is not a CREMA-D folder, expected {LAYOUT}; give the folder that holds them")
    if (root / "puppets.toml").is_file() and not (root / "truth.csv").is_file():
        raise InputError(f'{root}: the puppets in it were never finished; run "auxformer corpus puppets {root}" again')
    audio, video = _media(root / "AudioWAV", (".wav",)), _media(root / "VideoFlash", VIDEO_SUFFIXES)
    votes = _read_votes(root, skipped)
    names = sorted({*audio, *video, *(votes["clip"] if votes is not None else ())})
    clips = _clip_table(root, names, audio, video, skipped)
    ratings = {} if votes is None else _ratings(root, votes, clips.index, skipped)
    speakers = _read_speakers(root, clips, skipped)
    truth = _read_truth(root, clips.index, skipped)
    if truth is None and not keep_damaged:
        _skip_damaged(clips, skipped)
    clips = clips.drop(index=[clip for clip in clips.index if clip in skipped])
    if clips.empty:
        raise InputError(f"{root}: no clip of {len(names)} can be used{skipped.first()}")
    return Corpus(
        name="crema-d" if truth is None else "puppets",
        root=root,
        classes=EMOTIONS,
        clips=clips,
        speakers=speakers.loc[sorted(clips["speaker"].unique())],
        ratings={way: counts.loc[clips.index] for way, counts in ratings.items()},
        skipped=dict(skipped),
        truth=None if truth is None else truth.loc[clips.index],
    )


LAYOUT = "AudioWAV/ or VideoFlash/ or tabulatedVotes.csv (in it or in processedResults/)"


def looks_like_cremad(root: Path) -> bool:
    """True where a folder holds at least one of the things a CREMA-D folder is known by."""
    has_media = (root / "AudioWAV").is_dir() or (root / "VideoFlash").is_dir()
    return has_media or _find(root, "tabulatedVotes.csv") is not None


register_corpus("crema-d", read_cremad, looks_like_cremad, LAYOUT)


def looks_like_puppets(root: Path) -> bool:
    """True where a CREMA-D folder also says what every clip's voice and face show."""
    return (root / "truth.csv").is_file() and looks_like_cremad(root)


def _find(root: Path, name: str) -> Path | None:
    return next((path for path in (root / "processedResults" / name, root / name) if path.is_file()), None)


def _media(folder: Path, suffixes: tuple[str, ...]) -> dict[str, os.DirEntry]:
    """Clip -> its file in `folder`; of several formats the one named first in `suffixes`."""
    found: dict[str, os.DirEntry] = {}
    if not folder.is_dir():
        return found
    with os.scandir(folder) as entries:
        files = sorted((entry for entry in entries if entry.is_file()), key=lambda entry: entry.name)
    for suffix in suffixes:
        for entry in files:
            stem, ending = os.path.splitext(entry.name)
            if ending.lower() == suffix and not stem.startswith("."):
                found.setdefault(RENAMED.get(stem, stem), entry)
    return found


def _clip_table(root, names, audio, video, skipped) -> pd.DataFrame:
    """The clips table of all names that can be parsed and whose media, if there are any at all, are not all absent."""
    bytes_per_second = _wav_rate(audio)
    rows = {}
    for clip in names:
        fields = CLIP_NAME.fullmatch(clip)
        if not fields or fields[3] not in CODES or fields[4] not in LEVELS:
            expected = f"an emotion of {' '.join(CODES)} and a level of {' '.join(LEVELS)}"
            form = f"SPEAKER_SENTENCE_EMOTION_LEVEL with {expected}"
            skipped.leave_out(clip, f"{root}: the clip {clip} is not named {form}; rename it or remove it")
            continue
        if (audio or video) and clip not in audio and clip not in video:
            absent = f"neither AudioWAV/{clip}.wav nor a video of {clip}"
            skipped[clip] = f"{root}: has {absent}; download it to use the clip"
            continue
        files = [_usable(entries.get(clip), clip, skipped) for entries in (audio, video)]
        seconds = max(audio[clip].stat().st_size - 44, 0) / bytes_per_second if clip in audio else np.nan
        rows[clip] = (fields[1], fields[2], CODES[fields[3]], fields[4], *files, seconds)
    return clip_table(rows)


def _usable(entry: os.DirEntry | None, clip: str, skipped: Skipped) -> str | None:
    """Path of a media file; the clip is left out when the file is a Git-LFS pointer."""
    if entry is None:
        return None
    if reason := pointer_reason(entry):
        skipped.leave_out(clip, reason)
    return entry.path


def _wav_rate(audio: dict[str, os.DirEntry]) -> float:
    """Bytes per second of the wav files, from the header of the first that has one: a corpus uses one format."""
    for entry in audio.values():
        if entry.stat().st_size > POINTER_SIZE:
            try:
                with wave.open(entry.path, "rb") as file:
                    return file.getframerate() * file.getnchannels() * file.getsampwidth()
            except (wave.Error, EOFError):
                continue  # not a plain PCM file: extraction will say what is wrong with it
    return np.nan


def _skip_damaged(clips: pd.DataFrame, skipped: Skipped) -> None:
    for clip, (streams, reason) in DAMAGED.items():
        if clip in clips.index and any(clips.at[clip, stream] is not None for stream in streams):
            skipped.setdefault(clip, f"{clip}: known to be damaged in CREMA-D: {reason}")


def _read_votes(root: Path, skipped: Skipped) -> pd.DataFrame | None:
    """One row per rating row: clip, way and a column of votes per class; a senseless row leaves its clip out."""
    path = _find(root, "tabulatedVotes.csv")
    if path is None:
        return None
    table = read_table(path, (*VOTE_COLUMNS, "fileName"))
    counts = table[list(VOTE_COLUMNS)].apply(pd.to_numeric, errors="coerce").set_axis(list(EMOTIONS), axis=1)
    ids = pd.to_numeric(table.iloc[:, 0], errors="coerce")
    votes = counts.assign(clip=table["fileName"].astype(object), way=(ids // 100_000).map(WAY_OF_ID).astype(object))
    votes["clip"] = votes["clip"].replace(RENAMED)
    counts_are_wrong = (counts.isna() | (counts < 0) | (counts % 1 != 0)).any(axis=1) | (counts.sum(axis=1) == 0)
    unusable = votes["way"].isna() | votes["clip"].isna() | counts_are_wrong

    def why(row: int) -> tuple[str, str]:
        clip, line = votes.at[row, "clip"], f"{path}: line {row + 2}"
        if pd.isna(clip):
            return f"line {row + 2}", f"{line} names no clip, expected its fileName; correct or remove the line"
        if pd.isna(votes.at[row, "way"]):
            expected = "1xxxxx (voice), 2xxxxx (face) or 3xxxxx (audiovisual)"
            return clip, f"{line} ({clip}) has the id {table.iat[row, 0]}, expected {expected}; correct the line"
        return clip, f"{line} ({clip}) does not hold whole numbers of votes, at least one in all; correct the line"

    skipped.reject_rows(unusable, why)
    return votes[~unusable]


def _ratings(root, votes, clips: pd.Index, skipped) -> dict[str, pd.DataFrame]:
    """Way of watching -> votes `[clips, classes]`; every clip that is not left out has exactly one row in each."""
    path = _find(root, "tabulatedVotes.csv")
    ratings = {}
    for way in WAYS:
        rows = votes[votes["way"] == way].set_index("clip")[list(EMOTIONS)]
        for clip in rows.index[rows.index.duplicated()].unique():
            found = f"{(rows.index == clip).sum()} rows of {way} votes"
            skipped.leave_out(clip, f"{path}: the clip {clip} has {found}, expected one; remove all but the right one")
        rows = rows[~rows.index.duplicated()]
        for clip in clips.difference(rows.index):
            if clip not in skipped:
                reason = f"{path}: the clip {clip} has no row of {way} votes, expected one; add it or remove the clip"
                skipped.leave_out(clip, reason)
        ratings[way] = rows.reindex(clips).fillna(0).astype(np.int64)
    return ratings


def _read_speakers(root: Path, clips: pd.DataFrame, skipped: Skipped) -> pd.DataFrame:
    """Sex and age of every speaker; clips of speakers the table lacks are left out."""
    path = _find(root, "VideoDemographics.csv")
    if path is None:
        raise InputError(
            f"{root}: lacks VideoDemographics.csv, which says who the speakers are; download it into the folder"
        )
    table = read_table(path, ("ActorID", "Age", "Sex"), dtype={"ActorID": str})
    sex, age = table["Sex"].astype(str).str.strip().str.lower(), pd.to_numeric(table["Age"], "coerce")
    speakers = pd.DataFrame({"sex": sex, "age": age}).set_index(pd.Index(table["ActorID"].str.strip(), name="speaker"))
    wrong = speakers[speakers.index.duplicated() | ~speakers["sex"].isin(["female", "male"])]
    if len(wrong):
        who = wrong.index[0]
        raise InputError(
            f"{path}: the speaker {who} is listed twice or has a sex other than Female or Male; correct the table"
        )
    for clip, speaker in clips["speaker"][~clips["speaker"].isin(speakers.index)].items():
        skipped.leave_out(clip, f"{path}: lacks the speaker {speaker} of the clip {clip}; add a row for them")
    return speakers


def _read_truth(root: Path, clips: pd.Index, skipped: Skipped) -> pd.DataFrame | None:
    """What the generator knows about each clip: the classes intended, heard and seen, and whether both are in step."""
    path = root / "truth.csv"
    if not path.is_file():
        return None
    truth = read_table(path, ("clip", "intended", "voice", "face", "bound")).set_index("clip")
    usable = truth[["intended", "voice", "face"]].isin(EMOTIONS).all(axis=1) & ~truth.index.duplicated(keep=False)
    truth = truth[usable]
    for clip in clips[~clips.isin(truth.index)]:
        reason = f"{path}: does not have one row with known classes for the clip {clip}; generate the corpus again"
        skipped.leave_out(clip, reason)
    return truth.assign(bound=truth["bound"].astype(str).str.lower() == "true")
