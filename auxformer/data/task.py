"""A corpus with its features and targets, ready to be split: what every system of a benchmark is given."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from auxformer.config import Config
from auxformer.corpora import read_corpus
from auxformer.corpora.base import Corpus
from auxformer.corpora.labels import attribute_targets, targets
from auxformer.corpora.partitions import Partition, read_partition_file, speaker_folds, speaker_partitions
from auxformer.data.corruption import derive_corpus, stream_of
from auxformer.data.missing import PROTOCOL
from auxformer.data.splits import Splits, make_splits
from auxformer.errors import InputError, suggest
from auxformer.features import create_extractor
from auxformer.features.extract import extract, store_folder
from auxformer.features.store import FeatureStore


@dataclass(frozen=True)
class Task:
    """A corpus with its features and targets, ready to be split.

    Attributes: corpus; audio and video, the feature stores; table, the target shares `[clips, classes]`, or the attributes
    `[clips, 3]` on 1..5; target, its name; origin, the arguments of `prepare` that give it again; corrupted, media-level condition -> the stream it changes and the features
    of the changed media (`with_corrupted_media`); features, "lld+hog".
    """

    corpus: Corpus
    audio: FeatureStore
    video: FeatureStore
    table: pd.DataFrame
    target: str
    origin: dict
    corrupted: dict[str, tuple[str, FeatureStore]] = field(default_factory=dict)

    @property
    def features(self) -> str:
        return f"{self.audio.name}+{self.video.name}"

    def splits(self, partition: Partition, video_order: str = "time") -> Splits:
        """Train, dev and test of a partition."""
        return make_splits(self.audio, self.video, self.table, self.corpus.clips, partition, video_order)


def prepare(
    corpus: str, root: Path, audio: str = "lld", video: str = "hog", config: Config | None = None,
    data: Path = Path("data/features"), jobs: int = 2, on_error: str = "skip", scheduler: str | None = None,
) -> Task:  # fmt: skip
    """Read a corpus, extract what features are still missing, make the targets.

    Args:
        corpus, root: Name and folder of the corpus.
        audio, video: Extractors by name; "table:FILE.csv" for clip-level numbers.
        config: Its `data` section says target, label rule and classes.
        data: Folder under which the feature stores lie.
        jobs: Processes.
        on_error: "skip" a clip that cannot be read and count it, or "stop".
        scheduler: Address of a Dask cluster that extracts instead of processes here.
    """
    config = config or Config()
    read = read_corpus(corpus, root, on_error=on_error)
    stores, data = [], Path(data).absolute() if scheduler else data  # workers may stand in another folder
    for spec, modality in ((audio, "audio"), (video, "video")):
        extractor = create_extractor(spec, root=read.root, modality=modality)
        stores.append(extract(read, extractor, store_folder(data, read, extractor), jobs, on_error, scheduler))
    target = config.data.target if read.ratings or config.data.target in ("intended", "attributes") else "intended"
    if target != config.data.target:
        print(f"{read.name} has no ratings: the target is the intended emotion.")
    table = attribute_targets(read) if target == "attributes" else targets(read, target, config.data.rule)
    table = _usable(table, config, *stores)
    origin = {"corpus": read.name, "root": str(Path(root).resolve()), "audio": audio, "video": video, "data": str(data)}
    return Task(read, *stores, table, target, origin)


def _usable(table: pd.DataFrame, config: Config, audio: FeatureStore, video: FeatureStore) -> pd.DataFrame:
    """The targets of the classes asked for, of clips that have features."""
    if config.data.classes:
        table = keep_classes(table, config.data.classes)
    return table.loc[[clip for clip in table.index if clip in audio or clip in video]]


def keep_classes(table: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """Targets over some of the classes: clips whose votes all fall outside are dropped, the rest scaled to sum to 1.

    Raises:
        InputError: for a class that the corpus does not have, or fewer than two.
    """
    unknown = [name for name in classes if name not in table]
    if unknown:
        raise InputError(f'unknown class "{unknown[0]}".{suggest(unknown[0], table.columns)}')
    if len(classes) < 2:
        raise InputError("data.classes names one class; at least two are needed to tell apart.")
    part = table[list(classes)]
    part = part[part.sum(axis=1) > 0]
    return part.div(part.sum(axis=1), axis=0)


def partitions_of(
    corpus: Corpus, table: pd.DataFrame, folds: int | None, count: int = 1, seed: int = 0
) -> list[Partition]:
    """`folds` speaker folds (every speaker tested once), or `count` 70/15/15 partitions by speaker.

    Raises:
        InputError: no folds for a corpus whose speakers were recorded together, or too few speakers.
    """
    clips = corpus.clips.loc[table.index]
    if not folds and "session" in corpus.speakers:
        raise InputError(
            f"the speakers of {corpus.name} were recorded in pairs that must stay together; say --folds 6."
        )
    if folds:
        return speaker_folds(corpus.speakers.loc[sorted(clips.speaker.unique())], folds, seed)
    return speaker_partitions(clips, corpus.speakers, table, count=count, seed=seed)


def published_partitions(task: Task, path: str | Path, config: Config | None = None) -> tuple[Task, list[Partition]]:
    """The authors' partitions, and the task with the labels of their files.

    Args:
        task: Of the corpus that the files divide.
        path: A partition file (`label_consensus_N.csv`), or a folder of them.
        config: Its `data` section says label rule and classes.

    Returns:
        The task whose targets are those of the files, and one partition per file.

    Raises:
        InputError: no file there, one that is no partition of this corpus, or files that label a clip differently.
    """
    config = config or Config()
    files = sorted(Path(path).glob("*.csv")) if Path(path).is_dir() else [Path(path)]
    if not files:
        raise InputError(f"{path}: holds no partition files (label_consensus_N.csv).")
    partitions, tables = zip(*(read_partition_file(file, task.corpus, config.data.rule) for file in files))
    table = pd.concat(tables).groupby(level=0).first()
    for file, labels in zip(files, tables):
        other = labels.index[(labels != table.loc[labels.index]).any(axis=1)]
        if len(other):
            raise InputError(
                f"{file}: labels {other[0]} and {len(other) - 1} more clips otherwise than the files before it."
            )
    table = _usable(table, config, task.audio, task.video)
    origin = {**task.origin, "published": str(Path(path).resolve())}
    return replace(task, table=table, origin=origin), list(partitions)


def with_corrupted_media(task: Task, partitions: Sequence[Partition], conditions: Sequence[str], jobs: int = 2) -> Task:
    """The task with test clips whose media went wrong, for those of the conditions that change media.

    The test clips of the partitions are written again under each such condition, beside the feature stores, and the
    changed stream is extracted again. What is there already is kept.

    Raises:
        InputError: an unknown condition, or features from a table, which no noise can reach.
    """
    asked = [name for name in conditions if name not in PROTOCOL]
    tested = {speaker for partition in partitions for speaker in partition.test}
    clips = [clip for clip in task.table.index if task.corpus.clips.speaker[clip] in tested]
    stores = {}
    for name in asked:
        stream, spec = stream_of(name), task.origin[stream_of(name)]
        if spec.startswith("table:"):
            raise InputError(
                f"{name}: the {stream} features come from a table, which shows nothing of it; leave it out."
            )
        folder = Path(task.origin["data"]).parent / "derived" / f"{Path(task.origin['root']).name}-{name}"
        derive_corpus(task.origin["root"], folder, name, jobs=jobs, clips=clips)
        # Its files are where the originals were, but for their endings; labels and speakers are the task's own.
        read = read_corpus(task.corpus.name, folder, on_error="skip")
        read = replace(read, clips=read.clips.loc[read.clips.index.intersection(clips)])
        extractor = create_extractor(spec, root=read.root, modality=stream)
        stores[name] = stream, extract(read, extractor, store_folder(task.origin["data"], read, extractor), jobs)
    return replace(task, corrupted={**task.corrupted, **stores})
