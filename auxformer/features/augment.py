"""Training clips that differ a little in every epoch: another speed, spans of frames and features masked, two clips mixed.

For corpora so small that a network learns them by heart. Masks of spans are those of SpecAugment (Park et al., Interspeech
2019), whose bands of a spectrogram are here spans of neighbouring features; a change of speed is that of Ko et al.
(Interspeech 2015), of the frames in place of the sound, so that pitch and formants stay; mixing clips and their targets is
mixup (Zhang et al., ICLR 2018).
"""

import numpy as np
import torch

from auxformer.config import TrainingConfig
from auxformer.seeds import seed_of

SPEED = 0.15
"""Most by which a clip is slower or faster, as a share of its frames."""
MASKS, FRAMES, FEATURES = 2, 0.2, 0.15
"""Spans per stream, and the largest part of the frames and of the features in one of them."""
MIXED = 0.4
"""Both parameters of the beta distribution of the shares in which two clips are mixed: most often one of them is nearly all."""
FEW = 8
"""Frames below which a stream has no time: it keeps them all, at their speed."""


def augmented(item: tuple, settings: TrainingConfig, epoch: int) -> tuple:
    """A training clip as it is seen in an epoch: unchanged, unless `training.augment` asks for it.

    Both streams get the same speed, or they would be out of step. Masked frames are not valid (NaN), masked features are 0,
    the mean of the training clips. The draw is named by (seed, epoch, clip), so a run that was killed sees the same.

    Args:
        item: (clip, audio `[Ta, Da]`, video `[Tv, Dv]`, ...) of a `ClipDataset`.
        settings: Of the training.
        epoch: From 0.
    """
    if not settings.augment:
        return item
    clip, audio, video, *rest = item
    rng = np.random.default_rng(seed_of("augment", settings.seed, epoch, clip))
    speed = rng.uniform(1 - SPEED, 1 + SPEED)
    return clip, _masked(at_speed(audio, speed), rng), _masked(at_speed(video, speed), rng), *rest


def mixed(batch, settings: TrainingConfig, step: tuple[int, int]):
    """A training batch, each clip with a share of another one and of its target: unchanged, unless `training.augment` asks for it.

    A frame is valid where it is in either clip; clips of a batch are of like length. A clip is mixed with one that has the same
    streams only.

    Args:
        batch: A `data.batch.Batch`.
        settings: Of the training.
        step: Epoch and step, which name the draw with the seed.
    """
    if not settings.augment:
        return batch
    rng = np.random.default_rng(seed_of("mixup", settings.seed, *step))
    share = rng.beta(MIXED, MIXED)
    other = torch.from_numpy(rng.permutation(len(batch.clips)))
    alike = (batch.audio_present == batch.audio_present[other]) & (batch.video_present == batch.video_present[other])
    mine = torch.where(alike, max(share, 1 - share), 1.0).to(batch.audio.dtype)  # [B]

    def mix(x: torch.Tensor) -> torch.Tensor:
        own = mine.reshape(-1, *[1] * (x.ndim - 1))
        return own * x + (1 - own) * x[other]

    changes = {name: mix(getattr(batch, name)) for name in ("audio", "video", "target")}
    for name in ("audio_mask", "video_mask"):
        mask = getattr(batch, name)
        changes[name] = mask | (mask[other] & alike[:, None])
    return batch._replace(**changes)


def at_speed(frames: np.ndarray, speed: float) -> np.ndarray:
    """Frames `[T, D]` played `speed` times as fast, `[T/speed, D]`: straight lines between neighbours.

    >>> at_speed(np.arange(9.0)[:, None], 0.5).ravel()[:4].round(2).tolist()
    [0.0, 0.47, 0.94, 1.41]
    """
    if len(frames) < FEW:
        return frames
    places = np.linspace(0, len(frames) - 1, round(len(frames) / speed))
    before = np.minimum(places.astype(int), len(frames) - 2)
    part = (places - before)[:, None].astype(np.float32)
    return frames[before] * (1 - part) + frames[before + 1] * part


def _masked(frames: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    frames, (length, dims) = frames.copy(), frames.shape
    for _ in range(MASKS):
        frames[:, _span(dims, FEATURES, rng)] *= 0  # a frame that is not valid stays so
    for _ in range(MASKS if length >= FEW else 0):
        frames[_span(length, FRAMES, rng)] = np.nan
    return frames


def _span(length: int, part: float, rng: np.random.Generator) -> slice:
    size = rng.integers(int(part * length) + 1)
    start = rng.integers(length - size + 1)
    return slice(start, start + size)
