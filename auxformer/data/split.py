"""Train, dev and test clips of a division of the speakers, read from feature stores when asked for."""

import copy
import hashlib
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from auxformer.corpora.labels import are_attributes, scaled
from auxformer.corpora.partitions import PARTS, Partition
from auxformer.data.normalise import Normalizer
from auxformer.errors import InputError
from auxformer.seeds import seed_of


class ClipDataset(torch.utils.data.Dataset):
    """Clips with a target, read from the two stores when asked for.

    Args:
        audio, video: Feature stores; a clip that a store lacks has that stream absent.
        targets: `[clips, classes]` target shares, or `[clips, 3]` attributes on 1..5, indexed by clip.
        audio_normalizer, video_normalizer: Fitted on train.
        speakers: Clip -> speaker; None where nobody knows.

    Attributes: clips, classes, speakers (a tuple beside `clips`), kind ("classes" or "attributes"), lengths (frames of each
    clip), video_order ("time", or "directory": frames shuffled once per clip, as a listing of a folder would give them).
    """

    def __init__(self, audio, video, targets: pd.DataFrame, audio_normalizer, video_normalizer, speakers=None):
        known = [clip for clip in targets.index if clip in audio or clip in video]
        if not known:
            raise InputError("no clip with a target has features: extract features for this corpus first.")
        self.audio, self.video = audio, video
        self.targets = targets.loc[known]
        self.audio_normalizer, self.video_normalizer = audio_normalizer, video_normalizer
        self.video_order = "time"
        self.clips = tuple(known)
        self.speakers = tuple("" if speakers is None else speakers[clip] for clip in known)
        self.classes = tuple(targets.columns)
        self.kind = "attributes" if are_attributes(self.classes) else "classes"
        values = self.targets.to_numpy(np.float32)
        self._target = scaled(values) if self.kind == "attributes" else values
        self.lengths = pd.Series({**video.lengths, **audio.lengths})[known].to_numpy()

    def with_(self, **changes) -> "ClipDataset":
        """The same clips, normalised in the same way, with another `video_order` or another store as `audio` or `video`."""
        other = copy.copy(self)
        vars(other).update(changes)
        return other

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> tuple:
        """(clip, audio `[Ta, Da]`, video `[Tv, Dv]`, audio present, video present, target `[C]`)."""
        clip = self.clips[index]
        audio, has_audio = self._frames(self.audio, clip, self.audio_normalizer)
        video, has_video = self._frames(self.video, clip, self.video_normalizer)
        if self.video_order == "directory":
            video = video[np.random.default_rng(seed_of("directory", clip)).permutation(len(video))]
        return clip, audio, video, has_audio, has_video, self._target[index]

    @staticmethod
    def _frames(store, clip: str, normalizer) -> tuple[np.ndarray, bool]:
        if clip in store:
            return normalizer(store[clip]), True
        return np.zeros((1, store.dims), np.float32), False


@dataclass(frozen=True)
class Split:
    """Train, dev and test clips of one partition, normalised by what train is like.

    Attributes:
        train, dev, test: The clips.
        partition: Which speakers are in each.
        task: The `Task` it comes from; None for a split of stores alone.
    """

    train: ClipDataset
    dev: ClipDataset
    test: ClipDataset
    partition: Partition | None = None
    task: object = None

    def made_from(self) -> dict:
        """What a network trained on this split depends on, see `made_from`."""
        parts = {part: getattr(self, part) for part in PARTS}
        speakers = {clip: speaker for data in parts.values() for clip, speaker in zip(data.clips, data.speakers)}
        return made_from(self.train.audio, self.train.video, {part: parts[part].targets for part in PARTS}, speakers)


def made_from(audio, video, targets: dict[str, pd.DataFrame], speakers) -> dict:
    """What a network trained on these clips depends on, as a run keeps it and is asked for when it is opened again.

    Args:
        audio, video: Feature stores.
        targets: Part -> targets of its clips.
        speakers: Clip -> speaker.

    Returns:
        classes, and clips: a digest of every clip's part, speaker, target and features.
    """
    contents = [getattr(store, "contents", {}) for store in (audio, video)]
    rows = [
        (part, clip, speakers[clip], target, *(content.get(clip, "") for content in contents))
        for part, table in targets.items()
        for clip, target in zip(table.index, table.to_numpy().tolist())
    ]
    classes = list(next(iter(targets.values())).columns)
    return {"classes": classes, "clips": hashlib.sha256(repr(rows).encode()).hexdigest()[:10]}


def parts_of(targets: pd.DataFrame, speakers: pd.Series, partition) -> dict[str, pd.DataFrame]:
    """Part -> targets of its speakers' clips. Raises InputError for a part without a labelled clip."""
    of_clip, parts = speakers.reindex(targets.index), {}
    for part in PARTS:
        parts[part] = targets[of_clip.isin(getattr(partition, part)).to_numpy()]
        if parts[part].empty:
            raise InputError(f"partition {partition.name}: no labelled clip of its {part} speakers is in this corpus.")
    return parts


def make_split(audio, video, targets: pd.DataFrame, speakers: pd.Series, partition, task=None) -> Split:
    """Datasets of a speaker-independent partition; the normalisers see training clips only.

    Args:
        audio, video: Feature stores.
        targets: `[clips, classes]` target shares, or attributes.
        speakers: Clip -> speaker.
        partition: Lists of speakers, see `corpora.partitions.Partition`.
        task: Kept in the split.

    Raises:
        InputError: a part without a labelled clip, or no training clip with features of a stream that some clip has.
    """
    parts, normalizers = parts_of(targets, speakers, partition), []
    for store in (audio, video):
        usable = [clip for clip in parts["train"].index if clip in store]
        if not usable and store.clips:
            raise InputError(f"partition {partition.name}: no training clip has {store.name} features.")
        normalizers.append(Normalizer.fit(store, usable))
    datasets = (ClipDataset(audio, video, part, *normalizers, speakers) for part in parts.values())
    return Split(*datasets, partition, task)
