"""What is in a corpus folder, what is wrong with it, and what a label rule or a partition would make of it."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from auxformer.corpora.base import Corpus
from auxformer.corpora.labels import RULES, TARGETS, attribute_targets, targets
from auxformer.corpora.partitions import PARTS, Partition, SpeakerLeak, read_partition_file
from auxformer.media import explain_damage

SHOWN = 3
"""Examples given of everything that is listed; the attributes of the report hold all."""


@dataclass(frozen=True)
class CheckReport:
    """The answer of `check_corpus`.

    Attributes:
        corpus: The corpus that was checked.
        streams: "with voice and face", "with the voice only", "with the face only", "without media files" -> number of
            clips.
        damaged: Clip -> the sentence that says what is wrong with a media file of it (found without decoding).
        duplicates: Groups of clips that share a media file, byte for byte.
        kept: Clips kept `[target and rule, classes + "all" + "dropped"]`.
        partitions: One row per partition file: train, dev, test (speakers), clips (labelled), absent, leak (a sentence
            or "").
        tested: Speakers that are tested by at least one file, and of these by more than one.
        agreement: A sentence per partition file on how its labels compare with those rebuilt from the votes.
    """

    corpus: Corpus
    streams: dict[str, int]
    damaged: dict[str, str]
    duplicates: list[tuple[str, ...]]
    kept: pd.DataFrame
    partitions: pd.DataFrame
    tested: tuple[int, int]
    agreement: list[str]

    @property
    def leaks(self) -> list[str]:
        """A sentence per partition that has a speaker or a recording in more than one part."""
        return [sentence for sentence in self.partitions["leak"] if sentence]

    @property
    def ok(self) -> bool:
        """False when a partition leaks."""
        return not self.leaks

    def facts(self) -> list[tuple[str, str]]:
        """What there is and what is wrong with it, as pairs of a heading and a text."""
        corpus = self.corpus
        sexes = ", ".join(f"{count} {sex}" for sex, count in corpus.speakers["sex"].value_counts().sort_index().items())
        media = ", ".join(f"{count:,} {streams}" for streams, count in self.streams.items() if count)
        seconds = corpus.clips["duration"].sum()
        damaged = _examples(self.damaged.values())
        if self.streams["without media files"] == len(corpus.clips):
            damaged = "not looked for: there are tables here, but no media"
        facts = [
            ("corpus", f"{corpus.name} at {corpus.root}"),
            ("clips", f"{len(corpus.clips):,} of {len(corpus.speakers)} speakers ({sexes})"),
            ("media", media + (f"; {seconds / 3600:.2f} h" if seconds else "")),
            ("raters", ", ".join(_votes(corpus)) or "none: only the intended emotion can be a target"),
            ("left out", _examples(corpus.skipped.values())),
            ("damaged", damaged),
            ("duplicated", _examples(map(_same, self.duplicates))),
        ]
        if len(self.partitions):
            once, more = self.tested
            facts.append(("tested", f"{once} of {len(corpus.speakers)} speakers, {more} of them in more than one file"))
            facts.append(("leaks", _examples(self.leaks)))
            facts += [("labels", sentence) for sentence in dict.fromkeys(self.agreement)]
        return facts

    def lines(self) -> list[str]:
        """The report as plain text, one screen."""
        lines = [f"{heading:>11}  {text}" for heading, text in self.facts()]
        lines += ["", "clips kept"] + _text(self.kept)
        if len(self.partitions):
            leak = ["yes" if sentence else "no" for sentence in self.partitions["leak"]]
            lines += ["", "partitions (speakers in train, dev and test)"] + _text(self.partitions.assign(leak=leak))
        return lines


def check_corpus(corpus: Corpus, partition_files: Sequence[str | Path] = ()) -> CheckReport:
    """Look at everything a corpus has, without decoding media.

    Args:
        corpus: Read with `on_error="skip"`, so that unusable clips are listed instead of stopping the check.
        partition_files: The authors' `label_consensus_N.csv`.

    Raises:
        InputError: A partition file is not one, or is of another corpus. A leak is reported instead, and `ok` is False.
    """
    duplicates = _duplicates(corpus.clips)
    rows, tests, agreement = [], [], []
    for path in partition_files:
        try:
            partition, labels = read_partition_file(path, corpus)
        except SpeakerLeak as leak:
            rows.append((Path(path).stem, "", "", "", "", "", str(leak)))
            continue
        tests += partition.test
        sizes = [len(getattr(partition, part)) for part in PARTS]
        leak = _shared_recording(partition, corpus, duplicates)
        agreement += _agreement(path, corpus)
        rows.append((partition.name, *sizes, len(labels), len(partition.absent), leak))
    partitions = pd.DataFrame(rows, columns=["partition", *PARTS, "clips", "absent", "leak"]).set_index("partition")
    times = pd.Series(tests, dtype=object).value_counts()
    tested = len(times), int((times > 1).sum())
    return CheckReport(
        corpus, _streams(corpus.clips), _damaged(corpus.clips), duplicates, _kept(corpus), partitions, tested, agreement
    )


def _streams(clips: pd.DataFrame) -> dict[str, int]:
    audio, video = clips["audio"].notna(), clips["video"].notna()
    return {
        "with voice and face": int((audio & video).sum()),
        "with the voice only": int((audio & ~video).sum()),
        "with the face only": int((~audio & video).sum()),
        "without media files": int((~audio & ~video).sum()),
    }


def _agreement(path: str | Path, corpus: Corpus) -> list[str]:
    """How the shares of a published file compare with the votes, in a sentence; nothing where there are no votes to compare."""
    if "audiovisual" not in corpus.ratings:
        return []
    _, published = read_partition_file(path, corpus, "distributional")
    if not set(published) <= set(targets(corpus, "audiovisual", "distributional")):
        return []
    rebuilt, majority = (targets(corpus, "audiovisual", rule) for rule in ("distributional", "majority"))
    both = published.index.intersection(rebuilt.index)
    off = (published.loc[both] - rebuilt.loc[both, list(published)]).abs().max(axis=1)
    shared = published.index.intersection(majority.index)
    other = (published.loc[shared].idxmax(axis=1) != majority.loc[shared].idxmax(axis=1)).sum()
    sentence = (
        f"{len(shared):,} of {len(published):,} published clips have a majority in the votes, {other} of them for another "
        f"class; {len(majority.index.difference(published.index)):,} more have one and are not listed; shares differ by "
        f"more than .02 in {int((off > 0.02).sum()):,} clips, by {off.max():.2f} at most"
    )
    return [sentence]


def _kept(corpus: Corpus) -> pd.DataFrame:
    """Clips per class under every target and rule, `[target and rule, classes + all + dropped]`."""
    labels = {}
    for target in TARGETS:
        if target == "intended":
            labels[target] = targets(corpus, target)
        elif target in corpus.ratings:
            for rule in RULES:  # under the third a clip counts in several classes, by its shares
                labels[f"{target} {rule}"] = targets(corpus, target, rule)
    if corpus.attributes is not None:
        labels["attributes"] = attribute_targets(corpus)[[]]
    kept = pd.DataFrame({name: table.sum() for name, table in labels.items()}).T
    kept = kept[list(dict.fromkeys(name for table in labels.values() for name in table))].fillna(0).round().astype(int)
    kept["all"] = [len(table) for table in labels.values()]
    kept["dropped"] = len(corpus.clips) - kept["all"]
    return kept.rename_axis("label")


def _damaged(clips: pd.DataFrame) -> dict[str, str]:
    damaged = {}
    for stream in ("audio", "video"):
        for clip, path in clips[stream].dropna().items():
            if reason := explain_damage(path):
                damaged.setdefault(clip, reason)
    return damaged


def _duplicates(clips: pd.DataFrame) -> list[tuple[str, ...]]:
    """Groups of clips with the same bytes in a stream; only files of the same size are read."""
    groups = set()
    for stream in ("audio", "video"):
        by_size = defaultdict(list)
        for clip, path in clips[stream].dropna().items():
            if Path(path).is_file():
                by_size[Path(path).stat().st_size].append((clip, path))
        by_content = defaultdict(list)
        for size, files in by_size.items():
            for clip, path in files if len(files) > 1 and size else ():
                with open(path, "rb") as file:
                    by_content[hashlib.file_digest(file, "blake2b").digest()].append(clip)
        groups |= {tuple(same) for same in by_content.values() if len(same) > 1}
    return sorted(groups)


def _shared_recording(partition: Partition, corpus: Corpus, duplicates: list[tuple[str, ...]]) -> str:
    """A sentence when one recording, under two names, is in two parts of a partition; else ""."""
    part_of = {speaker: part for part in PARTS for speaker in getattr(partition, part)}
    for group in duplicates:
        parts = {part_of.get(corpus.clips.at[clip, "speaker"]) for clip in group} - {None}
        if len(parts) > 1:
            where = " and ".join(sorted(parts))
            return f"partition {partition.name}: {_same(group)} are the same recording, in {where}"
    return ""


def _votes(corpus: Corpus) -> list[str]:
    votes = [f"{int(counts.to_numpy().sum()):,} {way} votes" for way, counts in corpus.ratings.items()]
    if corpus.attributes is not None:
        votes.append(f"{' '.join(corpus.attributes)} of {int(corpus.attributes.notna().all(axis=1).sum()):,} clips")
    return votes


def _same(group: tuple[str, ...]) -> str:
    return " = ".join(group[:SHOWN]) + (f" = {len(group) - SHOWN} more" if len(group) > SHOWN else "")


def _examples(sentences: Iterable[str]) -> str:
    sentences = list(sentences)
    if not sentences:
        return "none"
    more = f" ... and {len(sentences) - SHOWN:,} more" if len(sentences) > SHOWN else ""
    return f"{len(sentences):,}: " + " | ".join(sentences[:SHOWN]) + more


def _text(table: pd.DataFrame) -> list[str]:
    return table.rename_axis(None).to_string().splitlines()
