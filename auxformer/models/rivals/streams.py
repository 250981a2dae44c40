"""What the rival systems share: the two streams as every rival reads them, and layers that know about padding.

B clips, T frames, D features, d width. Whatever a rival's own code does with padding and with missing streams, here padding
is masked and an absent stream is told by its flag (`DESIGN` section 6): its frames are zero and none of them is valid.
"""

from itertools import pairwise
from typing import NamedTuple

import torch
from torch import nn

from auxformer.config import ModelConfig
from auxformer.data.batch import Batch
from auxformer.models.layers import Stack, beside_mean, pool_frames, summarise


class Stream(NamedTuple):
    """One stream of a batch: x `[B, T, D]`, zero where not valid; mask `[B, T]`, True = valid; present `[B, 1]`, 1 or 0."""

    x: torch.Tensor
    mask: torch.Tensor
    present: torch.Tensor


def streams_of(batch: Batch, config: ModelConfig) -> tuple[Stream, Stream]:
    """Audio and video, pooled and beside their mean as `config` says."""
    audio = _stream(batch.audio, batch.audio_mask, batch.audio_present, config.audio_pool, config.relative)
    return audio, _stream(batch.video, batch.video_mask, batch.video_present, config.video_pool, config.relative)


def dims_of(audio_dims: int, video_dims: int, config: ModelConfig) -> tuple[int, int]:
    """Widths of the two streams of `streams_of`."""
    return (2 * audio_dims, 2 * video_dims) if config.relative else (audio_dims, video_dims)


def _stream(x, mask, present, pool: int, relative: bool) -> Stream:
    x, mask = pool_frames(x, mask, pool)
    x = beside_mean(x, mask) if relative else x
    mask = mask & present[:, None]
    return Stream(x.masked_fill(~mask.unsqueeze(-1), 0.0), mask, present.unsqueeze(1).to(x.dtype))


class Mlp(nn.Sequential):
    """Linear layers through the given widths, ReLU and dropout between them."""

    def __init__(self, *widths: int, dropout: float = 0.0):
        layers = [nn.Linear(widths[0], widths[1])]
        for before, after in pairwise(widths[1:]):
            layers += [nn.ReLU(), nn.Dropout(dropout), nn.Linear(before, after)]
        super().__init__(*layers)


class FrameNorm(nn.BatchNorm1d):
    """Batch normalisation of `[B, T, D]` over valid frames alone; `nn.BatchNorm1d` would count padding as frames."""

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """x `[B, T, D]` with its mask `[B, T]`; what comes out at padding means nothing."""
        mean, variance = self.running_mean, self.running_var
        if self.training:
            weight = mask.unsqueeze(-1).to(x.dtype)  # [B, T, 1]
            count = weight.sum()
            mean = (x * weight).sum((0, 1)) / count.clamp(min=1)  # [D]
            variance = ((x - mean).square() * weight).sum((0, 1)) / count.clamp(min=1)
            with torch.no_grad():
                share = self.momentum * (count > 1).to(x.dtype)
                unbiased = variance * count / (count - 1).clamp(min=1)
                for kept, now in ((self.running_mean, mean), (self.running_var, unbiased)):
                    kept.lerp_(now.to(kept.dtype), share.to(kept.dtype))  # what comes in may have half the bits
        return (x - mean) * (variance + self.eps).rsqrt() * self.weight + self.bias


class Convolution(nn.Module):
    """Over time, frames beyond either end of the clip being zero: a clip of one frame is long enough, and keeps its length."""

    def __init__(self, dims: int, width: int, kernel: int, groups: int = 1):
        super().__init__()
        self.convolution = nn.Conv1d(dims, width, kernel, padding="same", groups=groups, bias=False)

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """`[B, T, D]` with its mask -> `[B, T, d]`."""
        return self.convolution((x * mask.unsqueeze(-1)).transpose(1, 2)).transpose(1, 2)


class Recurrence(nn.Module):
    """A GRU over the frames; its state after the last valid frame stands for the clip."""

    def __init__(self, dims: int, config: ModelConfig):
        super().__init__()
        self.gru = nn.GRU(dims, config.width, batch_first=True)

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """`[B, T, D]` with its mask -> `[B, d]`. Padding comes after the frame that is read, so it is never seen."""
        return summarise(self.gru(x)[0], mask, "last")


class Attention(nn.Module):
    """A projection and a self-attention stack over the frames; its summary stands for the clip."""

    def __init__(self, dims: int, config: ModelConfig):
        super().__init__()
        self.project, self.summary = nn.Linear(dims, config.width, bias=False), config.summary
        self.stack = Stack(config.width, config)

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """`[B, T, D]` with its mask -> `[B, d]`."""
        return summarise(self.stack(self.project(x), mask), mask, self.summary)


def max_over_time(x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Largest value of each feature over the valid frames, `[B, T, d]` -> `[B, d]`; 0 where no frame is valid."""
    largest = x.masked_fill(~mask.unsqueeze(-1), -torch.inf).amax(1)
    return largest.masked_fill(~mask.any(1, keepdim=True), 0.0)
