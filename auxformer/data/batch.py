"""From feature stores to batches: normalisation fitted on train, clips of like length together, padding with a mask."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch

from auxformer.seeds import seed_of


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
        return Batch(*(value.to(device, non_blocking=True) if torch.is_tensor(value) else value for value in self))


def collate(items: list[tuple]) -> Batch:
    """Pad clips to the longest of the batch; padding is zero and masked, as is a frame that is not valid (NaN)."""
    clips, audio, video, has_audio, has_video, target = zip(*items)
    audio, audio_mask = _pad(audio)
    video, video_mask = _pad(video)
    return Batch(
        audio, audio_mask, video, video_mask,
        torch.tensor(has_audio) & audio_mask.any(1), torch.tensor(has_video) & video_mask.any(1),
        torch.from_numpy(np.stack(target)), tuple(clips),
    )  # fmt: skip


def _pad(sequences: Sequence[np.ndarray]) -> tuple[torch.Tensor, torch.Tensor]:
    longest = max(len(frames) for frames in sequences)
    padded = np.zeros((len(sequences), longest, sequences[0].shape[1]), np.float32)  # [B, T, D]
    mask = np.zeros((len(sequences), longest), bool)  # [B, T]
    for row, frames in enumerate(sequences):
        mask[row, : len(frames)] = ~np.isnan(frames[:, 0])
        padded[row, mask[row]] = frames[mask[row, : len(frames)]]
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


def eval_batches(dataset, batch_size: int = 64) -> Iterator[Batch]:
    """Every clip of a `split.ClipDataset` once, sorted by length, without any randomness."""
    order = np.argsort(dataset.lengths, kind="stable")
    for part in _cut(order, batch_size):
        yield collate([dataset[index] for index in part])
