"""Train, dev and test clips of a partition of the speakers."""

from typing import NamedTuple

import pandas as pd

from auxformer.data.batch import ClipDataset
from auxformer.data.normalise import Normalizer
from auxformer.errors import InputError


class Splits(NamedTuple):
    """Train, dev and test clips of one partition, normalised by train."""

    train: ClipDataset
    dev: ClipDataset
    test: ClipDataset


def make_splits(
    audio, video, targets: pd.DataFrame, clips: pd.DataFrame, partition, video_order: str = "time"
) -> Splits:
    """Datasets of a speaker-independent partition; the normalisers see training clips only.

    Args:
        audio, video: Feature stores.
        targets: `[clips, classes]` target shares.
        clips: The corpus' clips table (for the speakers).
        partition: `corpora.partitions.Partition`.
        video_order: See `TrainingConfig`.
    """
    parts = {}
    for split in Splits._fields:
        speakers = set(getattr(partition, split))
        parts[split] = targets[clips.speaker.reindex(targets.index).isin(speakers).to_numpy()]
        if parts[split].empty:
            raise InputError(f"partition {partition.name}: no labelled clip of its {split} speakers is in this corpus.")
    known = parts["train"].index
    normalizers = []
    for store in (audio, video):
        usable = [clip for clip in known if clip in store]
        if not usable:
            raise InputError(f"partition {partition.name}: no training clip has {store.name} features.")
        normalizers.append(Normalizer.fit(store, usable))
    return Splits(*(ClipDataset(audio, video, part, *normalizers, video_order) for part in parts.values()))
