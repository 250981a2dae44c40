"""Synchrony, a third auxiliary task: are voice and face in step? Learned without labels, by a contrast over lags.

A small convolution turns each stream into frames at the pace of the voice. Frames less the clip's mean, of unit length, are
multiplied, voice by face; the mean product along a diagonal says how well the streams agree at one lag. In training two windows
are cut from each clip, apart by a lag that is drawn at random, and the network has to find it: every lag is right equally often,
so neither the ends of a clip nor a place in it give it away. In use a clip is taken whole. What is found tells the fusion head
how to read its summary, and decides how loud each of the three heads is heard. In the spirit of SyncNet (Chung & Zisserman,
ACCV 2016 workshops), which contrasts pairs of windows where we contrast lags.

B clips, T frames, D features of a stream, L lags; a lag of k frames: what the voice does at t the face does at t + k.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from auxformer.config import Config, ModelConfig
from auxformer.data.batch import Batch
from auxformer.data.split import ClipDataset
from auxformer.errors import InputError
from auxformer.models.layers import pool_frames
from auxformer.models.registry import create_model

LAGS = 24
"""Largest lag that is looked at, either way, in frames of half `audio_pool` (40 ms with `lld` and the default settings)."""
TOLERANCE = 3
"""Lags up to this count as in step."""
SHARE = 0.7
"""Length of the two windows, as a share of the clip."""
OVERLAP = 16
"""Pairs of frames that a mean along a diagonal is divided by at least: few of them agree by chance."""
GAIN = 10
"""What is told is this much louder, or the few numbers that read it would move too little in some thousand steps."""
WIDTH, KERNEL = 64, 5
"""Width of the frames that are multiplied; frames that each of the two convolutions sees."""


class InStep(NamedTuple):
    """What the task says of a batch.

    lags: `[B, L]`, how likely each lag is; rows sum to 1. known: `[B]`, 1 where there are two streams to compare, else 0.
    loss: a scalar, in training only.
    """

    lags: torch.Tensor
    known: torch.Tensor
    loss: torch.Tensor | None

    def probability(self) -> torch.Tensor:
        """That voice and face are in step, `[B]`, if one would have bet on neither before; not a number where unknown.

        The likeliest lag in step is held against the likeliest one out of step. Sums or means over either would count all the
        unlikely lags; on dev speakers they were right less often.
        """
        near = torch.arange(-LAGS, LAGS + 1, device=self.lags.device).abs() <= TOLERANCE
        inside, outside = self.lags[:, near].amax(1), self.lags[:, ~near].amax(1)
        return (inside / (inside + outside)).masked_fill(self.known == 0, torch.nan)

    def lag(self) -> torch.Tensor:
        """The likeliest lag `[B]` in frames; not a number where unknown."""
        return (self.lags.argmax(1) - LAGS).to(self.lags.dtype).masked_fill(self.known == 0, torch.nan)

    def told(self) -> torch.Tensor:
        """For the rest of the network, which does not teach it: in step, out of step `[B, 2]`, together GAIN; (0, 0) where unknown."""
        p = self.probability().detach().nan_to_num()
        return GAIN * torch.stack([p, self.known - p], 1)


class Synchrony(nn.Module):
    """How voice and face agree at each lag, and what follows for the fusion head and the votes of the three heads.

    Args:
        config: Settings of the network.
        audio_dims, video_dims: Width of the streams as the network is given them.
    """

    def __init__(self, config: ModelConfig, audio_dims: int, video_dims: int):
        super().__init__()
        self.pools = [max(1, pool // 2) for pool in (config.audio_pool, config.video_pool)]
        self.audio, self.video = (_Frames(dims, config.embed_dropout) for dims in (audio_dims, video_dims))
        self.sharpness = nn.Parameter(torch.tensor(3.0))  # log of the factor before the softmax
        summary = 2 * config.width
        self.scale, self.shift, self.voices = (nn.Parameter(torch.zeros(2, size)) for size in (summary, summary, 3))

    def forward(self, batch: Batch) -> InStep:
        """What it says of whole clips; in training with the loss of windows cut from the clips that have both streams."""
        audio, mask = pool_frames(batch.audio, batch.audio_mask, self.pools[0])
        video, video_mask = pool_frames(batch.video, batch.video_mask, self.pools[1])
        known = batch.audio_present & batch.video_present & (mask.sum(1) > 1) & (video_mask.sum(1) > 1)
        video, loss = same_pace(video, video_mask, mask), None
        if self.training:
            loss = self.pretext(audio[known], video[known], mask[known].sum(1)) if known.any() else audio.new_zeros(())
        return InStep(self.scores(audio, video, mask).softmax(1), known.to(audio.dtype), loss)

    def inform(self, z: torch.Tensor, step: InStep) -> torch.Tensor:
        """The summary of the fusion network `[B, 2d]`, scaled and shifted by what is known of the step."""
        told = step.told()
        return z * (1 + told @ self.scale) + told @ self.shift

    def vote(self, logits, step: InStep, batch: Batch):
        """`Logits` in which each head counts as much as the step lets it, with the task's answer; in training its losses too.

        How loud a head is heard is learned from what the heads say together; what they say is learned from their own losses.
        """
        heard = logits.weights * 2 * torch.sigmoid(step.told() @ self.voices)  # [B, 3]; 1 before anything is learned
        logits = logits._replace(weights=heard.detach(), in_step=step.probability(), lag=step.lag())
        if step.loss is None:
            return logits
        answer = logits._replace(av=logits.av.detach(), a=logits.a.detach(), v=logits.v.detach(), weights=heard).mean()
        return logits._replace(extra=step.loss + F.cross_entropy(answer, batch.target))

    def scores(self, audio: torch.Tensor, video: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Logits `[B, L]` of the lags -LAGS..LAGS, of streams `[B, T, D]` at one pace with one mask `[B, T]`."""
        product = self.audio(audio, mask) @ self.video(video, mask).transpose(1, 2)  # [B, T, T]
        pairs = (mask[:, :, None] & mask[:, None, :]).to(product.dtype)
        steps = torch.arange(mask.shape[1], device=mask.device)
        lag = steps - steps[:, None]  # [T, T]
        # What lies beyond goes to a place before the first and one behind the last lag, which are cut off.
        place = (lag.clamp(-LAGS - 1, LAGS + 1) + LAGS + 1).flatten().expand(len(product), -1)
        agreed, counted = (
            torch.zeros(len(mask), 2 * LAGS + 3, dtype=x.dtype, device=x.device).scatter_add(1, place, x.flatten(1))[:, 1:-1]
            for x in (product, pairs)
        )
        return self.sharpness.exp() * agreed / counted.clamp(min=OVERLAP)

    def pretext(self, audio: torch.Tensor, video: torch.Tensor, length: torch.Tensor) -> torch.Tensor:
        """Loss of finding the lag between two windows of each clip, of which `length [B]` frames are valid; a scalar."""
        size = (SHARE * length).long().clamp(min=1)
        room = length - size
        most = room.clamp(max=LAGS)
        draws = torch.rand(2, len(length)).to(length.device)
        lag = ((2 * most + 1) * draws[0]).long() - most
        first = lag.clamp(min=0) + ((room - lag.abs() + 1) * draws[1]).long()  # of the voice; of the face: first - lag
        audio, mask = _cut(audio, first, size)
        video, _ = _cut(video, first - lag, size)
        return F.cross_entropy(self.scores(audio, video, mask), lag + LAGS)


class _Frames(nn.Module):
    """`[B, T, D]` -> `[B, T, WIDTH]`: two convolutions over time, less the clip's mean, unit length; padding is zero."""

    def __init__(self, dims: int, dropout: float):
        super().__init__()
        self.first = nn.Conv1d(dims, WIDTH, KERNEL, padding="same")
        self.second = nn.Conv1d(WIDTH, WIDTH, KERNEL, padding="same")
        self.dropout = dropout

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        valid = mask.unsqueeze(-1).to(x.dtype)  # [B, T, 1]
        x = F.dropout(x * valid, self.dropout, self.training).transpose(1, 2)
        x = self.second(F.gelu(self.first(x)) * valid.transpose(1, 2)).transpose(1, 2)  # [B, T, WIDTH]
        mean = (x * valid).sum(1, keepdim=True) / valid.sum(1, keepdim=True).clamp(min=1)
        return F.normalize((x - mean) * valid, dim=-1, eps=1e-4)


def same_pace(x: torch.Tensor, mask: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """The frames `x [B, Tx, D]` of each clip spread over as many as the other stream has, `[B, T, D]`.

    Both streams last equally long, whatever their frame rates; between two frames the value is interpolated.

    Args:
        x, mask: The stream, and its valid frames `[B, Tx]`.
        like: Valid frames `[B, T]` of the other stream.
    """
    have, want = mask.sum(1, keepdim=True), like.sum(1, keepdim=True)  # [B, 1]
    steps = torch.arange(like.shape[1], device=x.device) + 0.5
    last = (have - 1).clamp(min=0)
    place = (steps * have / want.clamp(min=1) - 0.5).clamp(min=0).minimum(last)  # [B, T]
    low, row = place.long(), torch.arange(len(x), device=x.device)[:, None]
    return torch.lerp(x[row, low], x[row, torch.minimum(low + 1, last)], (place - low).unsqueeze(-1).to(x.dtype))


def _cut(x: torch.Tensor, first: torch.Tensor, size: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Frames first..first + size of each clip `[B, T, D]`, padded to the longest, and their mask."""
    steps = torch.arange(int(size.max()), device=x.device)
    place = (first[:, None] + steps).clamp(max=x.shape[1] - 1)
    return x[torch.arange(len(x), device=x.device)[:, None], place], steps < size[:, None]


def check_synchrony(config: Config, train: ClipDataset) -> None:
    """Raise InputError where `model.synchrony` would do nothing: no training clip has both streams, or the network of that name
    has no such task."""
    if not config.model.synchrony:
        return
    check_both_streams("model.synchrony", train, "set it to false")
    with torch.random.fork_rng(devices=[]):  # the draws of the training stay what they are
        network = create_model(config.model.name, config.model, train.audio.dims, train.video.dims, len(train.classes))
    if getattr(network, "synchrony", None) is None:
        raise InputError(f"model.synchrony is true, but {config.model.name} has no such task: take auxformer, or set it to false.")


def check_both_streams(setting: str, train: ClipDataset, instead: str) -> None:
    """Raise InputError when no training clip has both streams, which the setting compares."""
    if not set(train.clips) & set(train.audio.clips) & set(train.video.clips):
        raise InputError(f"{setting} compares two streams; no training clip has both: {instead}.")
