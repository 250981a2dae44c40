"""From feature stores to batches: normalisation fitted on train, clips of like length together, padding with a mask."""

import copy
import hashlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

from auxformer.corpora.labels import are_attributes, scaled
from auxformer.errors import InputError


class Batch(NamedTuple):
    """What every model is given. Batch first; mask True = a real frame, False = padding.

    Shapes: audio `[B, Ta, Da]`, audio_mask `[B, Ta]`, video `[B, Tv, Dv]`, video_mask `[B, Tv]`, audio_present and
    video_present `[B]` bool, target `[B, C]` (rows sum to 1; attributes: on -1..1), clips: B names.
    """

    audio: torch.Tensor
    audio_mask: torch.Tensor
    video: torch.Tensor
    video_mask: torch.Tensor
    audio_present: torch.Tensor
    video_present: torch.Tensor
    target: torch.Tensor
    clips: tuple[str, ...]

    def to(self, device) -> "Batch":
        """The same batch on another device."""
        moved = [value.to(device, non_blocking=True) if torch.is_tensor(value) else value for value in self]
        return Batch(*moved)


def seed_of(*axes) -> int:
    """A 63-bit seed named by axes ("order", seed, epoch): the same names give the same draw on every machine."""
    return int.from_bytes(hashlib.sha256(repr(axes).encode()).digest()[:8], "little") >> 1


class ClipDataset(torch.utils.data.Dataset):
    """Clips with a target, read from the two stores when asked for.

    Args:
        audio, video: Feature stores; a clip that a store lacks has that stream absent.
        targets: `[clips, classes]` target shares, or `[clips, 3]` attributes on 1..5, indexed by clip.
        audio_normalizer, video_normalizer: Fitted on train.
        video_order: "time", or "directory": frames shuffled once per clip, as a listing of a folder would give them.
    """

    def __init__(self, audio, video, targets: pd.DataFrame, audio_normalizer, video_normalizer, video_order="time"):
        known = [clip for clip in targets.index if clip in audio or clip in video]
        if not known:
            raise InputError("no clip with a target has features: extract features for this corpus first.")
        self.audio, self.video = audio, video
        self.targets = targets.loc[known]
        self.audio_normalizer, self.video_normalizer = audio_normalizer, video_normalizer
        self.video_order = video_order
        self.clips = tuple(known)
        self.classes = tuple(targets.columns)
        self.kind = "attributes" if are_attributes(self.classes) else "classes"
        values = self.targets.to_numpy(np.float32)
        self._target = scaled(values) if self.kind == "attributes" else values
        self.lengths = np.array([len(audio[clip]) if clip in audio else len(video[clip]) for clip in known])

    def with_store(self, stream: str, store) -> "ClipDataset":
        """The same clips, normalised in the same way, with another store for "audio" or "video"."""
        other = copy.copy(self)
        setattr(other, stream, store)
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


def collate(items: list[tuple]) -> Batch:
    """Pad clips to the longest of the batch; padding is zero and masked."""
    clips, audio, video, has_audio, has_video, target = zip(*items)
    audio, audio_mask = _pad(audio)
    video, video_mask = _pad(video)
    return Batch(
        audio, audio_mask, video, video_mask, torch.tensor(has_audio), torch.tensor(has_video),
        torch.from_numpy(np.stack(target)), tuple(clips),
    )  # fmt: skip


def _pad(sequences: Sequence[np.ndarray]) -> tuple[torch.Tensor, torch.Tensor]:
    longest = max(len(frames) for frames in sequences)
    padded = np.zeros((len(sequences), longest, sequences[0].shape[1]), np.float32)  # [B, T, D]
    mask = np.zeros((len(sequences), longest), bool)  # [B, T]
    for row, frames in enumerate(sequences):
        padded[row, : len(frames)] = frames
        mask[row, : len(frames)] = True
    return torch.from_numpy(padded), torch.from_numpy(mask)


class BucketSampler(torch.utils.data.Sampler):
    """Batches in a random order named by (seed, epoch), each of clips of like length.

    Clips are shuffled, cut into pools of `pool` batches, sorted by length inside a pool and cut into batches, whose order is
    shuffled again. `bucket=False` leaves the sorting out. `set_epoch` names the epoch; there is no hidden state.
    """

    def __init__(self, lengths: np.ndarray, batch_size: int, seed: int, bucket: bool = True, pool: int = 16):
        self.lengths, self.batch_size, self.seed, self.bucket, self.pool = lengths, batch_size, seed, bucket, pool
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Name the epoch whose order comes next."""
        self.epoch = epoch

    def __len__(self) -> int:
        return -(-len(self.lengths) // self.batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        rng = np.random.default_rng(seed_of("order", self.seed, self.epoch))
        order = rng.permutation(len(self.lengths))
        if not self.bucket:
            yield from (part.tolist() for part in _cut(order, self.batch_size))
            return
        batches = []
        for part in _cut(order, self.batch_size * self.pool):
            by_length = part[np.argsort(self.lengths[part], kind="stable")]
            batches += _cut(by_length, self.batch_size)
        for index in rng.permutation(len(batches)):
            yield batches[index].tolist()


def _cut(items: np.ndarray, size: int) -> list[np.ndarray]:
    return [items[start : start + size] for start in range(0, len(items), size)]


def take(batch: Batch, rows: list[int]) -> Batch:
    """The clips of a batch at these places, padded as they were."""
    return Batch(*(value[rows] for value in batch[:-1]), tuple(batch.clips[row] for row in rows))


def eval_batches(dataset: ClipDataset, batch_size: int = 64) -> Iterator[Batch]:
    """Every clip once, sorted by length, without any randomness."""
    order = np.argsort(dataset.lengths, kind="stable")
    for part in _cut(order, batch_size):
        yield collate([dataset[index] for index in part])
