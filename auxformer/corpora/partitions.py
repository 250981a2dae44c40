"""Who is learned from and who is tested on: partitions by speaker, never by clip.

A clip-wise split lets a system recognise the speaker instead of the emotion, so every partition here is a division of
the speakers, and one that shares a speaker between two parts cannot be made.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, combinations
from pathlib import Path

import numpy as np
import pandas as pd

from auxformer.corpora.base import OTHER, Corpus
from auxformer.corpora.labels import RULES
from auxformer.corpora.tables import read_table
from auxformer.errors import InputError, check_choice

PARTS = ("train", "dev", "test")
MEANS = {"EmoVal": "valence", "EmoAct": "arousal", "EmoDom": "dominance"}
"""Columns of a published table that hold mean attributes -> their names here."""
ROUNDED = 0.002
"""Shares of a published table, which has three decimals, that are closer than this are equal."""
DRAWS = 200
"""Candidate divisions drawn for one partition; the one whose classes are spread most evenly is taken."""


class SpeakerLeak(InputError):
    """A partition has a speaker in more than one of train, dev and test."""


@dataclass(frozen=True)
class Partition:
    """A division of speakers into train, dev and test, disjoint and none empty.

    Attributes:
        name: As it appears in result tables.
        train, dev, test: Speakers.
        absent: Clips that the partition's file lists and the corpus does not have (damaged ones, say).
    """

    name: str
    train: tuple[str, ...]
    dev: tuple[str, ...]
    test: tuple[str, ...]
    absent: tuple[str, ...] = ()

    def __post_init__(self):
        for part in PARTS:
            if not getattr(self, part):
                raise InputError(
                    f"partition {self.name}: has no speaker in {part}, expected at least one; use more speakers"
                )
        for first, second in combinations(PARTS, 2):
            both = sorted(set(getattr(self, first)) & set(getattr(self, second)))
            if both:
                raise SpeakerLeak(
                    f"partition {self.name}: {_speakers(both)} in both {first} and {second}, expected each in one; its "
                    "scores would reward recognising the speaker, so divide by speaker"
                )

    def clips(self, clips: pd.DataFrame, part: str) -> pd.Index:
        """Names of the clips whose speaker is in `part` ("train", "dev" or "test"), in the order of the table.

        To train on labelled clips only, give `corpus.clips.loc[labels.index]`.
        """
        check_choice("part", part, PARTS)
        return clips.index[clips["speaker"].isin(getattr(self, part))]


def speaker_partitions(
    clips: pd.DataFrame,
    speakers: pd.DataFrame,
    labels: pd.DataFrame | None = None,
    count: int = 5,
    seed: int = 0,
    shares: Sequence[float] = (0.70, 0.15, 0.15),
) -> list[Partition]:
    """Divide the speakers `count` times into train, dev and test, all different, from one seed.

    Both sexes get their share of every part, as far as whole speakers allow; of many such divisions the one is taken
    whose parts are closest to the whole in their classes and number of clips. No speaker is tested a second time before
    every other of the same sex was tested, so that test sets overlap only when they must.

    Args:
        clips: One row per clip, indexed by clip, with the columns speaker and intended.
        speakers: Indexed by speaker, with a column sex.
        labels: `[clips, classes]`; clips without a row count for nothing. Without it the intended emotion is balanced.
        count: Number of partitions; a larger one adds to those of a smaller one.
        seed: Same seed, same partitions, whatever the order of the rows.
        shares: Of the speakers, in train, dev and test; sums to 1.

    Raises:
        InputError: Fewer than three speakers, impossible shares, or more partitions than there are divisions.
    """
    if len(shares) != 3 or min(shares) <= 0 or abs(sum(shares) - 1) > 1e-6:
        raise InputError(
            f"shares are {tuple(shares)}, expected three positive numbers (train, dev, test) that sum to 1"
        )
    if count < 1:
        raise InputError(f"count is {count}, expected 1 or more partitions")
    per_class = _clips_per_class(clips, labels)  # [speakers, classes]
    by_sex = _by_sex(speakers, per_class.index)
    sizes = _part_sizes(len(per_class), shares)
    counts, row = per_class.to_numpy(), {name: number for number, name in enumerate(per_class.index)}
    tested = dict.fromkeys(row, 0)
    partitions, taken = [], set()
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        candidates = dict.fromkeys(_draw(by_sex, sizes, tested, rng) for _ in range(DRAWS))  # in the order of drawing
        fresh = [parts for parts in candidates if parts not in taken]
        if not fresh:
            raise InputError(
                f"{len(per_class)} speakers cannot be divided in {count} different ways; ask for {number} partitions"
            )
        best = min(fresh, key=lambda parts: _unevenness(counts, [[row[name] for name in part] for part in parts]))
        taken.add(best)
        for speaker in best[2]:
            tested[speaker] += 1
        partitions.append(Partition(f"partition-{number + 1}", *best))
    return partitions


def speaker_folds(speakers: pd.DataFrame, folds: int, seed: int = 0) -> list[Partition]:
    """A cross-validation in which every speaker is tested exactly once; dev is the next fold, train the rest.

    The speakers of each sex are dealt to the folds in turn, so folds differ by at most one speaker in size and by at
    most one in either sex. Seed 0 deals in the order of their names (RAVDESS, 12 actors in 6 folds: 01 02, 03 04, ...),
    any other seed after shuffling. Speakers who were recorded together stay together: with a column session, sessions
    are dealt instead of speakers (MSP-IMPROV, 6 folds: F01 M01, F02 M02, ...).

    Args:
        speakers: Indexed by speaker, with a column sex and perhaps session.
        folds: Number of folds, 3 up to the number of speakers (or sessions).
        seed: Names the order.

    Raises:
        InputError: Fewer than 3 folds, or more than speakers (or sessions).
    """
    by_sex = _by_sex(speakers, speakers.index)
    together = {name: [name] for name in speakers.index}
    if "session" in speakers:
        together = {name: sorted(group.index) for name, group in speakers.groupby("session")}
        by_sex = {"both": sorted(together)}
    if not 3 <= folds <= len(together):
        of_what = "sessions" if "session" in speakers else "speakers"
        raise InputError(
            f"folds is {folds}, expected 3 (train, dev and test) up to the number of {of_what}, {len(together)}"
        )
    rng = np.random.default_rng([seed, folds])
    row = []  # all speakers of one sex, then all of the next
    for names in by_sex.values():
        row += rng.permutation(names).tolist() if seed else names
    hand = [[speaker for name in row[number::folds] for speaker in together[name]] for number in range(folds)]
    partitions = []
    for number in range(folds):
        test, dev, *train = hand[number:] + hand[:number]
        parts = (tuple(sorted(names)) for names in (chain(*train), dev, test))
        partitions.append(Partition(f"fold-{number + 1}", *parts))
    return partitions


def partitions_of(
    corpus: Corpus, table: pd.DataFrame, folds: int | None = None, count: int = 1, seed: int = 0
) -> list[Partition]:
    """Divisions of the speakers of a corpus.

    Args:
        corpus: The corpus.
        table: Targets of its labelled clips.
        folds: So many speaker folds, every speaker tested once; 0 for 70/15/15 partitions; None for what is usual: six
            folds where a corpus has few speakers (RAVDESS, MSP-IMPROV), else 70/15/15.
        count: Number of 70/15/15 partitions.
        seed: Of the draw.

    Raises:
        InputError: no folds for a corpus whose speakers were recorded together, or too few speakers.
    """
    clips = corpus.clips.loc[table.index]
    together = "session" in corpus.speakers
    if folds is None and corpus.name in ("ravdess", "msp-improv"):
        folds = min(6, corpus.speakers["session"].nunique() if together else len(corpus.speakers))
    if not folds and together:
        raise InputError(
            f"the speakers of {corpus.name} were recorded in pairs that must stay together; say --folds 6."
        )
    if folds:
        return speaker_folds(corpus.speakers.loc[sorted(clips.speaker.unique())], folds, seed)
    return speaker_partitions(clips, corpus.speakers, table, count=count, seed=seed)


def read_partition_file(path: str | Path, corpus: Corpus, rule: str = "majority") -> tuple[Partition, pd.DataFrame]:
    """Read one of the published partitions, `label_consensus_N.csv` of the AuxFormer and VAVL releases.

    A row holds FileName, a column per class (.94 x share of the audiovisual votes + .01), SpkrID and Split_Set (Train,
    Development, Test). The five published files are not a cross-validation: their test sets overlap, and only 55 of the
    91 speakers of CREMA-D are ever tested. In those of MSP-IMPROV, SpkrID is the session of two speakers, and the classes
    may be absent, with the attributes EmoVal, EmoAct and EmoDom in their place.

    Args:
        path: The CSV file.
        corpus: The corpus it divides; clips that this lacks are named in `Partition.absent` and have no label.
        rule: "majority" or "plurality": one-hot at the class with the largest share; "distributional": the shares. A file
            that lists clips to which the rule gives no label was made by another one and is refused.

    Returns:
        The partition (named after the file) and the labels `[listed clips the corpus has, classes]`, rows sum to 1 (or
        the attributes on 1..5).
        A part's clips are `partition.clips(corpus.clips.loc[labels.index], part)`.

    Raises:
        SpeakerLeak: A speaker is in more than one part.
        InputError: Columns, splits, speakers or values are not as they should be, or the corpus has none of the clips.
    """
    path = Path(path)
    check_choice("rule", rule, RULES)
    table = read_table(path, ("FileName", "SpkrID", "Split_Set"), dtype={"SpkrID": str})
    columns = _label_columns(path, table, corpus)
    table = table.set_index(table["FileName"].astype(str).str.replace(r"\.\w+$", "", regex=True).rename("clip"))
    twice = table.index[table.index.duplicated()]
    if len(twice):
        raise InputError(f"{path}: lists the clip {twice[0]} twice, expected once; remove one of the lines")
    if "session" in corpus.speakers:
        table["SpkrID"] = table["SpkrID"].str.zfill(2)
    parts = _parts_of_file(path, table)
    known = table.index.isin(corpus.clips.index)
    if not known.any():
        raise InputError(
            f"{path}: none of its {len(table)} clips is in the corpus {corpus.name} at {corpus.root}; give its own"
        )
    labels = _labels_of_file(path, table[known], corpus, rule, columns)
    absent = tuple(sorted(table.index[~known]))
    if "session" in corpus.speakers:
        session = corpus.speakers["session"]
        parts = {part: tuple(session.index[session.isin(names)]) for part, names in parts.items()}
    try:
        return Partition(path.stem, *(parts[part] for part in PARTS), absent), labels
    except InputError as error:
        raise type(error)(f"{path}: {error}") from error


def _parts_of_file(path: Path, table: pd.DataFrame) -> dict[str, tuple[str, ...]]:
    names = {"train": "train", "development": "dev", "dev": "dev", "test": "test"}
    part = table["Split_Set"].astype(str).str.strip().str.lower().map(names)
    if part.isna().any():
        clip = part.index[part.isna()][0]
        raise InputError(
            f"{path}: the clip {clip} is in the split {table.at[clip, 'Split_Set']!r}, expected Train, Development or "
            "Test; correct the line"
        )
    nobody = table.index[table["SpkrID"].isna()]
    if len(nobody):
        raise InputError(f"{path}: the clip {nobody[0]} has no SpkrID, expected the speaker's number; correct the line")
    return {name: tuple(sorted(table.loc[part == name, "SpkrID"].unique())) for name in PARTS}


def _label_columns(path: Path, table: pd.DataFrame, corpus: Corpus) -> list[str]:
    """The columns of a partition file that hold its labels: the largest set of classes it has, else the attributes."""
    sets = [corpus.classes, *([name for name in counts if name != OTHER] for counts in corpus.ratings.values())]
    sets = sorted(sets, key=len, reverse=True) + ([list(MEANS)] if corpus.attributes is not None else [])
    for columns in sets:
        if set(columns) <= set(table):
            return list(columns)
    missing = [name for name in corpus.classes if name not in table]
    raise InputError(
        f"{path}: lacks the columns {', '.join(missing)}, expected {', '.join(corpus.classes)}; use the table as published"
    )


def _labels_of_file(path: Path, table: pd.DataFrame, corpus: Corpus, rule: str, columns: list[str]) -> pd.DataFrame:
    speakers = corpus.clips.loc[table.index, "speaker"]
    if "session" in corpus.speakers:
        speakers = speakers.map(corpus.speakers["session"])
    stranger = table.index[table["SpkrID"] != speakers]
    if len(stranger):
        clip = stranger[0]
        raise InputError(
            f"{path}: says that {table.at[clip, 'SpkrID']} speaks in {clip}, but the corpus says "
            f"{speakers.at[clip]}; use the partition file of this corpus"
        )
    if columns == list(MEANS):
        return table[columns].apply(pd.to_numeric, errors="coerce").rename(columns=MEANS)
    shares = published_shares(path, table[columns])
    if rule == "distributional":
        return shares
    near = shares.ge(shares.max(axis=1) - ROUNDED, axis=0).sum(axis=1)
    unlabelled = near > 1 if rule == "plurality" else shares.max(axis=1) < 0.5 + ROUNDED
    if unlabelled.any():
        raise InputError(
            f"{path}: {unlabelled.sum()} of its {len(shares)} clips have no label by {rule} ({shares.index[unlabelled][0]}, "
            "say), so it was made by another rule; name that one, or use the file of this rule"
        )
    one_hot = np.eye(len(columns))[shares.to_numpy().argmax(axis=1)]
    return pd.DataFrame(one_hot, index=shares.index, columns=shares.columns)


def published_shares(path: Path, table: pd.DataFrame) -> pd.DataFrame:
    """Shares `[clips, classes]` of a published table, without the .01 it may add to each class; rows sum to 1.

    Raises:
        InputError: A row of the table (which lies at `path`) is not one of shares.
    """
    shares = table.apply(pd.to_numeric, errors="coerce")
    wrong = shares.index[~(shares.ge(0).all(axis=1) & shares.sum(axis=1).between(0.97, 1.07))]
    if len(wrong):
        raise InputError(
            f"{path}: the classes of {wrong[0]} are not shares that sum to 1; use the file as it was published"
        )
    if shares.min(axis=None) > 0.009:  # CREMA-D: .94 x share + .01
        shares = (shares - 0.01).clip(lower=0)
    return shares.div(shares.sum(axis=1), axis=0)


def _clips_per_class(clips: pd.DataFrame, labels: pd.DataFrame | None) -> pd.DataFrame:
    """Number of clips `[speakers, classes]`, sorted by speaker; summed in the order of clip names (fixed rounding)."""
    if labels is None:
        labels = pd.get_dummies(clips["intended"], dtype=float)
    labels = labels.loc[labels.index.intersection(clips.index).sort_values()]
    return labels.groupby(clips.loc[labels.index, "speaker"]).sum().sort_index()


def _by_sex(speakers: pd.DataFrame, names: pd.Index) -> dict[str, list[str]]:
    """Sex -> the speakers of `names`, both sorted."""
    unknown = names.difference(speakers.index)
    if len(unknown):
        raise InputError(
            f"the speakers table lacks {_speakers(list(unknown))}; add a row for every speaker of the clips"
        )
    if speakers.index.duplicated().any():
        raise InputError("the speakers table lists a speaker twice; remove one of the rows")
    sex = speakers.loc[sorted(names), "sex"].astype(str)
    return {one_sex: list(sex.index[sex == one_sex]) for one_sex in sorted(sex.unique())}


def _part_sizes(speakers: int, shares: Sequence[float]) -> dict[str, int]:
    """Number of speakers in dev and test: their rounded share, at least one, and one left for train."""
    if speakers < 3:
        raise InputError(f"train, dev and test need a speaker each, but the clips have {speakers}; use more speakers")
    sizes = {part: max(1, round(share * speakers)) for part, share in zip(("dev", "test"), shares[1:])}
    while sum(sizes.values()) >= speakers:
        sizes[max(sizes, key=sizes.get)] -= 1
    return sizes


def _draw(
    by_sex: dict[str, list[str]], sizes: dict[str, int], tested: dict[str, int], rng: np.random.Generator
) -> tuple[tuple[str, ...], ...]:
    """One division (train, dev, test) with the sexes in proportion; those tested least often are tested first."""
    left = {sex: sorted(rng.permutation(names).tolist(), key=tested.get) for sex, names in by_sex.items()}
    chosen = {}
    for part in ("test", "dev"):
        places = _places(by_sex, left, sizes[part], rng)
        chosen[part] = sorted(name for sex in left for name in left[sex][: places[sex]])
        left = {sex: rng.permutation(names[places[sex] :]).tolist() for sex, names in left.items()}
    train = sorted(name for names in left.values() for name in names)
    return tuple(train), tuple(chosen["dev"]), tuple(chosen["test"])


def _places(by_sex, left, size: int, rng: np.random.Generator) -> dict[str, int]:
    """How many of `size` speakers each sex sends: its share rounded down, the places left over by lot in proportion."""
    total = sum(len(names) for names in by_sex.values())
    share = {sex: size * len(names) / total for sex, names in by_sex.items()}
    places = {sex: min(int(share[sex]), len(left[sex])) for sex in by_sex}
    while sum(places.values()) < size:
        free = [sex for sex in by_sex if places[sex] < len(left[sex])]
        weight = np.array([max(share[sex] - places[sex], 1e-9) for sex in free])
        places[free[rng.choice(len(free), p=weight / weight.sum())]] += 1
    return places


def _unevenness(counts: np.ndarray, parts: list[list[int]]) -> float:
    """How far the classes of the parts are from those of the whole, and their clips from their share of speakers.

    Args:
        counts: Clips `[speakers, classes]`.
        parts: Rows of the speakers of each part.
    """
    whole = counts.sum(axis=0) / counts.sum()  # [classes]
    total = 0.0
    for rows in parts:
        part = counts[rows].sum(axis=0)  # [classes]
        total += np.abs(part / part.sum() - whole).sum()
        total += abs(part.sum() / counts.sum() - len(rows) / len(counts))
    return round(float(total), 9)


def _speakers(names: list[str]) -> str:
    shown = ", ".join(names[:3]) + (" ..." if len(names) > 3 else "")
    return f"{len(names)} speaker{'' if len(names) == 1 else 's'} ({shown})"
