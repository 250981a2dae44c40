"""What is to be learned from what: a corpus, features of its two streams, and a target."""

import copy
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from auxformer.corpora import read_corpus
from auxformer.corpora.base import Corpus
from auxformer.corpora.labels import attribute_targets, keep_classes, targets
from auxformer.corpora.partitions import Partition, partitions_of, read_partition_file
from auxformer.corruption import derive_corpus, folder_beside, streams_of
from auxformer.data.missing import PROTOCOL
from auxformer.data.normalise import Normalizer
from auxformer.data.split import Split, made_from, make_split, parts_of
from auxformer.errors import InputError, check_choice
from auxformer.features import create_extractor, reads_media
from auxformer.features.by_speaker import SpeakerStore
from auxformer.features.extract import features_of
from auxformer.features.store import FeatureStore

TARGETS = ("audiovisual", "voice", "face", "secondary", "secondary-four", "intended", "attributes")
"""What raters of a way of watching perceived, or what the actor intended; MSP-IMPROV also has the secondary emotions (ten
classes, or four) and the attributes valence, arousal and dominance, which are learned by CCC."""

RULES = ("majority", "plurality", "distributional")
"""How votes become a target; see `corpora.labels`."""

NORMALISE = ("train", "speaker")
"""Whose clips set the scale of a feature: all training clips, or each speaker's own, before that (`features.by_speaker`)."""


class Task:
    """A corpus, features of its two streams, and the target: the only place that says what is learned.

    Two lines: `task = Task(read_corpus("CREMA-D"), video="hog")`, then `split = task.split(0)`.

    Attributes:
        corpus: The corpus.
        audio, video: Feature stores.
        table: Target shares `[clips, classes]`, rows sum to 1; or attributes `[clips, 3]` on 1..5.
        target: Its name, one of `TARGETS`.
        origin: The arguments that make this task again (`Task.again`).
        corrupted: Media-level condition -> each stream that it changes -> the features of the changed media.
    """

    def __init__(
        self, corpus: Corpus | str | Path, audio: str = "lld", video: str = "hog", target: str = "audiovisual",
        rule: str = "majority", classes: Sequence[str] = (), *, data: str | Path = "data/features", jobs: int = 2,
        on_error: str = "skip", scheduler: str | None = None, extracting: bool = True, normalise: str = "train",
    ):  # fmt: skip
        """Extract the features that are missing, with a bar, and make the targets.

        Args:
            corpus: As `read_corpus` reads it, or its folder.
            audio, video: Extractors by name ("lld", "hog", "lld+voice"; "table:FILE.csv" for clip-level numbers; "" for none).
            target: One of `TARGETS`; "intended" where a corpus has no ratings.
            rule: One of `RULES`; without effect on "intended" and "attributes".
            classes: Class names to keep, in order; empty = all classes of the corpus.
            data: Folder under which the feature stores lie.
            jobs: Processes.
            on_error: "skip" a clip that cannot be read and count it, or "stop".
            scheduler: Address of a Dask cluster that extracts instead of processes here.
            extracting: Whether features may be extracted; if not, those that are there are taken as they are.
            normalise: One of `NORMALISE`.

        Raises:
            InputError: an unknown target, rule, class or extractor; no corpus in the folder; nothing to extract from.
        """
        check_choice("target", target, TARGETS)
        check_choice("rule", rule, RULES)
        check_choice("normalise", normalise, NORMALISE)
        if classes and target == "attributes":
            raise InputError("classes names classes, but the target is attributes; leave one of them out.")
        self.corpus = corpus if isinstance(corpus, Corpus) else read_corpus(corpus, on_error=on_error)
        data = Path(data).absolute()  # workers may stand in another folder
        how = (data, normalise, jobs, on_error, scheduler, extracting)
        self.audio, self.video = _features(self.corpus, audio, "audio", *how), _features(self.corpus, video, "video", *how)
        if not self.corpus.ratings and target not in ("intended", "attributes"):
            print(f"{self.corpus.name} has no ratings: the target is the intended emotion.")
            target = "intended"
        self.target, self.rule, self._classes = target, rule, tuple(classes)
        rated = attribute_targets(self.corpus) if target == "attributes" else targets(self.corpus, target, rule)
        self.table = self._usable(rated)
        self.corrupted: dict[str, dict[str, FeatureStore]] = {}
        self.origin = {
            "corpus": str(Path(self.corpus.root).resolve()), "audio": audio, "video": video, "target": target,
            "rule": rule, "classes": list(classes), "data": str(data), "official": "", "normalise": normalise,
        }  # fmt: skip

    @classmethod
    def again(cls, origin: dict, jobs: int = 2, extracting: bool = True) -> "Task":
        """The task of an `origin`, as a run keeps it. Raises InputError for one with other keys, or whose corpus is gone."""
        origin = {"normalise": "train", **origin}  # of runs made before there was a choice
        known = ("corpus", "audio", "video", "target", "rule", "classes", "data", "official", "normalise")
        texts = [value for key, value in origin.items() if key != "classes"]
        texts += origin["classes"] if isinstance(origin.get("classes"), list) else [None]
        if sorted(origin) != sorted(known) or not all(isinstance(text, str) for text in texts):
            raise InputError(f"a task is described by {', '.join(known)}, not by {origin}.")
        task = cls(**{key: origin[key] for key in known if key != "official"}, jobs=jobs, extracting=extracting)
        return task.official(origin["official"])[0] if origin["official"] else task

    @property
    def classes(self) -> list[str]:
        """Names of the classes, or of the attributes, in the order of every posterior."""
        return list(self.table.columns)

    @property
    def features(self) -> str:
        """Names of both extractors: "lld+hog"; of one where the other stream is absent throughout."""
        return "+".join(filter(None, (self.audio.name, self.video.name)))

    def partitions(self, count: int = 1, folds: int | None = None, seed: int = 0) -> list[Partition]:
        """Divisions of the speakers; see `partitions_of`."""
        return partitions_of(self.corpus, self.table, folds, count, seed)

    def split(self, which: int | Partition = 0, folds: int | None = None) -> Split:
        """Train, dev and test clips by speaker.

        Args:
            which: Number of the partition or fold, from 0; or a partition of your own.
            folds: See `partitions_of`.

        Raises:
            InputError: no such number, or a part without labelled clips.
        """
        if not isinstance(which, int):
            return make_split(self.audio, self.video, self.table, self.corpus.clips.speaker, which, self)
        partitions = self.partitions(which + 1, folds)
        if not 0 <= which < len(partitions):
            raise InputError(f"there is no split {which}, only {len(partitions)} of them, from 0.")
        return self.split(partitions[which])

    def splits(self, count: int = 1, folds: int | None = None) -> list[Split]:
        """All `count` partitions, or all folds, each as a `Split`."""
        return [self.split(partition) for partition in self.partitions(count, folds)]

    def made_from(self, partition: Partition) -> dict:
        """What a network trained on this partition depends on (`split.made_from`), without reading any features."""
        speakers = self.corpus.clips.speaker
        return made_from(self.audio, self.video, parts_of(self.table, speakers, partition), speakers)

    def official(self, path: str | Path) -> tuple["Task", list[Partition]]:
        """The authors' partitions, and this task with the labels of their files.

        Args:
            path: A partition file (`label_consensus_N.csv`), or a folder of them.

        Raises:
            InputError: no file there, one that is no partition of this corpus, or files that label a clip differently.
        """
        files = sorted(Path(path).glob("*.csv")) if Path(path).is_dir() else [Path(path)]
        if not files:
            raise InputError(f"{path}: holds no partition files (label_consensus_N.csv).")
        partitions, tables = zip(*(read_partition_file(file, self.corpus, self.rule) for file in files))
        table = pd.concat(tables).groupby(level=0).first()
        for file, labels in zip(files, tables):
            other = labels.index[(labels != table.loc[labels.index]).any(axis=1)]
            if len(other):
                others = f"{other[0]} and {len(other) - 1} more clips"
                raise InputError(f"{file}: labels {others} otherwise than the files before it.")
        origin = {**self.origin, "official": str(Path(path).resolve())}
        return self.with_(table=self._usable(table), origin=origin), list(partitions)

    def under(self, conditions: Sequence[str], partitions: Sequence[Partition], jobs: int = 2) -> "Task":
        """The task with features of media that went wrong, for those of the conditions that change media.

        The test clips of the partitions are written again under each such condition, beside the feature stores, and what it
        changes is extracted again. What is there already is kept.

        Raises:
            InputError: an unknown condition, or features from a table, which no noise can reach.
        """
        tested = {speaker for partition in partitions for speaker in partition.test}
        clips = [clip for clip in self.table.index if self.corpus.clips.speaker[clip] in tested]
        changed = {name: streams_of(name) for name in conditions if name not in PROTOCOL}  # checked before any is made
        stores = {}
        for name, streams in changed.items():
            specs = {stream: self.origin[stream] for stream in streams if self.origin[stream] or len(streams) == 1}
            for stream, spec in specs.items():
                if not reads_media(spec):
                    raise InputError(f"{name}: the {stream} features come from a file, which shows nothing of it; leave it out.")
            root, data = self.origin["corpus"], Path(self.origin["data"])
            folder = derive_corpus(root, folder_beside(data, root, name), name, jobs=jobs, clips=clips)
            # Its files are where the originals were, but for their endings; labels and speakers are the task's own.
            read = read_corpus(folder, self.corpus.name, on_error="skip")
            read = replace(read, clips=read.clips.loc[read.clips.index.intersection(clips)])
            how = (data, self.origin["normalise"], jobs)
            stores[name] = {stream: _features(read, spec, stream, *how) for stream, spec in specs.items()}
        return self.with_(corrupted={**self.corrupted, **stores})

    def with_(self, **changes) -> "Task":
        """A copy in which some attributes are others."""
        other = copy.copy(self)
        vars(other).update(changes)
        return other

    def _usable(self, table: pd.DataFrame) -> pd.DataFrame:
        """The targets of the classes asked for, of clips that have features."""
        if self._classes:
            table = keep_classes(table, self._classes)
        return table.loc[[clip for clip in table.index if clip in self.audio or clip in self.video]]


def _features(corpus: Corpus, spec: str, stream: str, data: Path, normalise: str, *how) -> FeatureStore:
    store = features_of(corpus, create_extractor(spec, root=corpus.root, modality=stream), data, *how)
    return SpeakerStore(store, corpus.clips.speaker, Normalizer.fit) if normalise == "speaker" else store
