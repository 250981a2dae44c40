"""Reader of MSP-IMPROV (Busso et al. 2017, IEEE Transactions on Affective Computing 8(1)): media, ratings, published tables.

Six sessions of two actors each, F01 and M01 to F06 and M06. Anywhere below ROOT lie

    Evaluation.txt                            votes of all raters (Evalution.txt in some copies)
    MSP-IMPROV-S01A-F01-P-FM01.wav, .avi      sentence 01, target emotion A/H/S/N, speaker, scenario R/T/S/P, turn
    labels_consensus_EmoP_4class_D/labels_consensus_1.csv       tables of the AuxFormer and VAVL releases

Evaluation.txt has a line per clip (UTD-IMPROV-S01A-F01-P-FM01.avi; its consensus letter; A:, V:, D:, N: means), followed
by a line per rater: id; primary emotion (one of four, or Other); secondary emotions (any of ten, or others), separated by
commas; A:, V:, D:, N:.

**Arousal is upside down in Evaluation.txt**: its A runs from 1 (very active) to 5 (very calm). The published tables hold
EmoAct = 6 - A, which rises with activity (S01A-F01-S-MF03: A 3.6, EmoAct 2.4), and so does what is read here, from either
source.

Only one of the two is needed, and the media may be absent. The rules are applied to the votes here; a published table
is used where the votes are absent, the distributional one (D) if it is there, for it holds every clip.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from auxformer.corpora.base import ATTRIBUTE_SCALE, ATTRIBUTES, OTHER, Corpus
from auxformer.corpora.partitions import MEANS, published_shares
from auxformer.corpora.registry import register_corpus
from auxformer.corpora.tables import Skipped, clip_table, folders_below, read_table
from auxformer.errors import InputError

CLASSES = ("angry", "happy", "neutral", "sad")
TEN_CLASSES = (*CLASSES, "depressed", "disgust", "excited", "fear", "frustrated", "surprise")
LETTERS = {"A": "angry", "H": "happy", "N": "neutral", "S": "sad", "O": OTHER}  # X: the raters did not agree
WORDS = {"disgusted": "disgust", "fearful": "fear", "surprised": "surprise"}  # as raters ticked -> as tables name it
SCENARIOS = {"R": "target, read", "T": "target, improvised", "S": "other, improvised", "P": "natural interaction"}

CLIP = re.compile(r"(?:MSP|UTD)-IMPROV-(S(\d\d)([AHNS])-([FM]0[1-6])-([RTSP])-[FM][FM]\d\d)")
CLIP_LINE = re.compile(r"(?:MSP|UTD)-IMPROV-\S*\.(?:avi|wav|mp4)\s*;")
MEAN = re.compile(r"\b([AVD])\s*:\s*([\d.]+|NaN)\s*(?=;|$)", re.IGNORECASE)
AUDIO_SUFFIXES, VIDEO_SUFFIXES = (".wav", ".flac"), (".mp4", ".avi")  # the first one there is read
VOTE_FILES = ("Evaluation.txt", "Evalution.txt")
TABLE_FOLDER = re.compile(r"labels_consensus_Emo(P_4|S_4|S_10|S_ALL)class_([DPM])")
TABLES = {"P_4": "audiovisual", "S_4": "secondary-four", "S_10": "secondary", "S_ALL": "secondary"}
COLUMNS = {"audiovisual": CLASSES, "secondary-four": CLASSES, "secondary": TEN_CLASSES}
"""Question put to the raters, who always watched and heard -> its classes."""

LAYOUT = "Evaluation.txt, files like MSP-IMPROV-S01A-F01-P-FM01.wav or folders like labels_consensus_EmoP_4class_D"
DEPTH = 5
"""How many folders below ROOT are looked into: Audio/session1/S01A/P/, say, and ROOT may be the folder above."""


def read_mspimprov(root: str | Path, on_error: str = "stop") -> Corpus:
    """Read MSP-IMPROV; no media file is decoded.

    Args:
        root: Folder with the media, Evaluation.txt or the published tables somewhere below it.
        on_error: "stop" at the first clip that cannot be used (a name that is none, a line that is damaged, a Git-LFS
            pointer, media without ratings), or "skip" it and keep the reason in `Corpus.skipped`.

    Returns:
        Corpus "msp-improv" of four classes, clips named MSP-IMPROV-... and sorted. `ratings` are the votes for the primary
        emotion ("audiovisual"; four classes and other), for the secondary ones ("secondary": ten classes and other, a vote
        per tick) and for those of the latter that are among the four ("secondary-four"); from a published table, shares. How
        the authors made four classes of the secondary emotions is not published; here other ticks are left out.
        `attributes` are the mean valence, arousal (6 - A, see above) and dominance; `speakers` have a session.

    Raises:
        InputError: ROOT holds nothing of MSP-IMPROV, a table is damaged, or a clip cannot be used and `on_error` is "stop".
    """
    root = Path(root).absolute()
    skipped = Skipped(on_error)
    found = sorted(_files(root), key=lambda file: (file.name, str(file)))
    media = skipped.files_of_clips(root, filter(_is_media, found), _clip_of)
    votes = next((file for name in VOTE_FILES for file in found if file.name == name), None)
    if votes is not None:
        ratings, attributes = _read_votes(votes, skipped)
    else:
        ratings, attributes = _read_tables([file for file in found if file.suffix == ".csv"], skipped)
    clips = _clips(votes or root, root, media, attributes.index, skipped)
    names = sorted(clips["speaker"].unique())
    sex = ["female" if name[0] == "F" else "male" for name in names]
    speakers = pd.DataFrame(
        {"sex": sex, "age": np.nan, "session": [name[1:] for name in names]}, index=pd.Index(names, name="speaker")
    )
    return Corpus(
        "msp-improv", root, CLASSES, clips, speakers,
        ratings={way: counts.reindex(clips.index).fillna(0) for way, counts in ratings.items()},
        skipped=dict(skipped),
        attributes=attributes.reindex(clips.index) if len(attributes) else None,
    )  # fmt: skip


def looks_like_mspimprov(root: Path) -> bool:
    """True where a file or folder below ROOT bears one of the names of MSP-IMPROV; the first one found settles it."""
    return next(_files(root), None) is not None


register_corpus("msp-improv", read_mspimprov, looks_like_mspimprov, LAYOUT)


def _files(root: Path) -> Iterator[Path]:
    """Media, vote files and published tables in ROOT and below, as they come."""
    for folder, entries in folders_below(root, DEPTH):
        is_tables = TABLE_FOLDER.fullmatch(folder.name) is not None
        for file in (Path(entry.path) for entry in entries if not entry.is_dir()):
            if _is_media(file) or file.name in VOTE_FILES or (is_tables and file.suffix == ".csv"):
                yield file


def _is_media(file: Path) -> bool:
    known = file.suffix.lower() in AUDIO_SUFFIXES + VIDEO_SUFFIXES
    return known and file.name.startswith(("MSP-IMPROV", "UTD-IMPROV"))


def _clip_of(file: Path) -> tuple[str, str]:
    """Clip and format of a media file."""
    match = CLIP.fullmatch(file.stem)
    if match is None:
        raise InputError(
            f"{file}: its name is none of MSP-IMPROV, expected one like MSP-IMPROV-S01A-F01-P-FM01; rename it"
        )
    return f"MSP-IMPROV-{match[1]}", file.suffix.lower()


def _clips(source: Path, root: Path, media: dict, rated: pd.Index, skipped: Skipped) -> pd.DataFrame:
    """The clips table of what has media, where there are any, and ratings, where there are any (in `source`)."""
    rows = {}
    for clip in sorted({*media, *rated} - skipped.keys()):
        _, sentence, emotion, speaker, scenario = CLIP.fullmatch(clip).groups()
        if clip not in rated and len(rated):
            skipped.leave_out(clip, f"{source}: has no ratings of the clip {clip}; add them or remove it")
        elif media and clip not in media:
            skipped[clip] = f"{root}: has no media file of {clip}; download it to use the clip"
        else:
            audio, video = _streams(media.get(clip, {}))
            rows[clip] = (speaker, sentence, LETTERS[emotion], SCENARIOS[scenario], audio, video, np.nan)
    if not rows:
        raise InputError(f"{root}: holds no MSP-IMPROV clip that can be used, expected {LAYOUT}{skipped.first()}")
    return clip_table(rows)


def _streams(files: dict[str, str]) -> tuple[str | None, str | None]:
    """Audio and video of a clip; a film without a sound file serves both."""
    video = next((files[suffix] for suffix in VIDEO_SUFFIXES if suffix in files), None)
    return next((files[suffix] for suffix in AUDIO_SUFFIXES if suffix in files), video), video


def _read_votes(path: Path, skipped: Skipped) -> tuple[dict[str, pd.DataFrame], pd.DataFrame]:
    """Ratings and attributes of Evaluation.txt; a rater's line that is there twice counts once."""
    primary, secondary, attributes, letters = {}, {}, {}, {}
    clip, seen = None, set()
    try:
        lines = path.read_text("utf-8", errors="replace").splitlines()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); expected the votes, so check the path") from error
    for number, line in enumerate(map(str.strip, lines), start=1):
        fields = [field.strip() for field in line.split(";")]
        if CLIP_LINE.match(line):
            match = CLIP.fullmatch(fields[0].rpartition(".")[0])
            reason = _wrong_clip_line(path, number, fields, match, attributes)
            clip, seen = None if reason else f"MSP-IMPROV-{match[1]}", set()
            if reason:
                skipped.leave_out(f"MSP-IMPROV-{match[1]}" if match else f"line {number}", reason)
                continue
            letters[clip], attributes[clip] = fields[1].upper(), _attributes(line)
            primary[clip] = dict.fromkeys((*CLASSES, OTHER), 0)
            secondary[clip] = dict.fromkeys((*TEN_CLASSES, OTHER), 0)
        elif clip and len(fields) > 2 and line not in seen:
            seen.add(line)
            word = fields[1].lower()
            primary[clip][word if word in CLASSES else OTHER] += 1
            for word in filter(None, (word.strip().lower() for word in fields[2].split(","))):
                word = WORDS.get(word, word)
                secondary[clip][word if word in TEN_CLASSES else OTHER] += 1
    for name, counts in primary.items():  # a copy of the file without the raters' lines
        if not any(counts.values()) and letters[name] in LETTERS:
            counts[LETTERS[letters[name]]] = 1
    ratings = {"audiovisual": _frame(primary)}
    if any(any(counts.values()) for counts in secondary.values()):
        ratings["secondary"] = _frame(secondary)
        ratings["secondary-four"] = ratings["secondary"][list(CLASSES)]
    table = pd.DataFrame.from_dict(attributes, "index", columns=list(ATTRIBUTES), dtype=float)
    return ratings, table.rename_axis("clip")


def _frame(counts: dict[str, dict[str, int]]) -> pd.DataFrame:
    return pd.DataFrame.from_dict(counts, "index").rename_axis("clip")


def _wrong_clip_line(path: Path, number: int, fields: list[str], match, known) -> str | None:
    """What is wrong with a clip's line of Evaluation.txt, or None."""
    where = f"{path}: line {number}"
    if match is None:
        return f"{where} names {fields[0]}, expected a clip like UTD-IMPROV-S01A-F01-P-FM01.avi; correct the line"
    if f"MSP-IMPROV-{match[1]}" in known:
        return f"{where} ({fields[0]}) is the clip's second line, expected one; remove all but the right one"
    if fields[1].upper() not in {*LETTERS, "X"}:
        return (
            f"{where} ({fields[0]}) has the consensus {fields[1]!r}, expected one of {' '.join(LETTERS)} X; correct it"
        )
    values = _attributes(";".join(fields))
    if not all(np.isnan(value) or ATTRIBUTE_SCALE[0] <= value <= ATTRIBUTE_SCALE[1] for value in values):
        return f"{where} ({fields[0]}) has an attribute outside 1..5; correct the line"
    if not MEAN.search(";".join(fields)):
        return f"{where} ({fields[0]}) lacks the means A:, V: and D:; correct the line"
    return None


def _attributes(line: str) -> tuple[float, float, float]:
    """Valence, arousal (turned over) and dominance of a clip's line; NaN for one that is not there."""
    means = {letter.upper(): float(value) for letter, value in MEAN.findall(line)}
    return means.get("V", np.nan), sum(ATTRIBUTE_SCALE) - means.get("A", np.nan), means.get("D", np.nan)


def _read_tables(files: list[Path], skipped: Skipped):
    """Ratings (shares) and attributes of the published tables: one file for each question put to the raters.

    All partitions hold the same labels, so the first file is read, of the rule D before P before M.
    """
    ratings: dict[str, pd.DataFrame] = {}
    attributes: list[pd.DataFrame] = []
    for file in sorted(files, key=lambda file: ("DPM".index(file.parent.name[-1]), str(file))):
        way = TABLES[TABLE_FOLDER.fullmatch(file.parent.name)[1]]
        if way in ratings:
            continue
        table = _table_of_clips(file, skipped)
        attributes.append(table[list(MEANS)].rename(columns=MEANS))
        if set(COLUMNS[way]) <= set(table):  # the VAVL release holds the attributes only
            ratings[way] = published_shares(file, table[list(COLUMNS[way])])
    if not attributes:
        return {}, pd.DataFrame(columns=list(ATTRIBUTES), dtype=float)
    attributes = pd.concat(attributes)
    return ratings, attributes[~attributes.index.duplicated()]


def _table_of_clips(file: Path, skipped: Skipped) -> pd.DataFrame:
    """A published table, indexed by clip, without the lines that cannot be used."""
    table = read_table(file, ("FileName", *MEANS))
    means = table[list(MEANS)].apply(pd.to_numeric, errors="coerce")
    table[means.columns] = means
    low, high = ATTRIBUTE_SCALE
    names = table["FileName"].astype(str).str.replace(r"\.\w+$", "", regex=True).str.strip()
    sensible = means.ge(low - 1e-6) & means.le(high + 1e-6)
    wrong = ~names.str.fullmatch(CLIP) | ~sensible.all(axis=1) | names.duplicated()
    expected = "one clip of MSP-IMPROV with EmoAct, EmoVal and EmoDom of 1 to 5, named once in the file"
    skipped.reject_rows(
        wrong, lambda row: (names[row], f"{file}: line {row + 2} ({names[row]}) is not {expected}; correct the line")
    )
    kept = ~names.isin(skipped)
    return table[kept].set_axis(pd.Index("MSP-IMPROV-" + names[kept].str[len("MSP-IMPROV-") :], name="clip"))
