"""VAVL (Goncalves et al., 2023): a Conformer per stream, a Conformer they share, a head per stream and one for both.

The authors' code attends over the clips of a batch because its input is transposed; here attention runs over time ("axis
corrected"). B clips, T frames, d width, h heads.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn

from auxformer.config import ModelConfig
from auxformer.data.batch import Batch
from auxformer.models.auxformer import Logits
from auxformer.models.layers import MultiheadAttention, summarise
from auxformer.models.registry import Card, register_model
from auxformer.models.rivals.streams import Convolution, FrameNorm, Mlp, Stream, dims_of, streams_of

KERNEL, DISTANCE, NARROW = 31, 64, 50
"""Frames under the convolution; farthest distance with a bias of its own; width of the first projection."""


class Conformer(nn.Module):
    """Half a feed-forward branch, attention with relative positions, a convolution, the other half (Gulati et al. 2020)."""

    def __init__(self, width: int, heads: int, dropout: float):
        super().__init__()
        self.before, self.after = _feed_forward(width, dropout), _feed_forward(width, dropout)
        self.attention_norm, self.attention = nn.LayerNorm(width), MultiheadAttention(width, heads, 0.0)
        self.distance_bias = nn.Parameter(torch.zeros(heads, 2 * DISTANCE + 1))
        self.gate = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.GLU(-1))
        self.depthwise, self.batch_norm = (
            Convolution(2 * width, 2 * width, KERNEL, groups=2 * width),
            FrameNorm(2 * width),
        )
        self.pointwise, self.norm, self.dropout = nn.Linear(2 * width, width), nn.LayerNorm(width), nn.Dropout(dropout)

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """`[B, T, d]` with its mask -> `[B, T, d]`."""
        x = x + self.before(x) / 2
        normed = self.attention_norm(x)
        x = x + self.dropout(self.attention(normed, normed, self._bias(mask)))
        h = F.silu(self.batch_norm(self.depthwise(self.gate(x), mask), mask))
        x = x + self.dropout(self.pointwise(h))
        return self.norm(x + self.after(x) / 2)

    def _bias(self, mask: torch.Tensor) -> torch.Tensor:
        """What is added to the scores `[B, h, Tq, Tk]`: a learned number per head and distance, -inf at padding."""
        steps = torch.arange(mask.shape[1], device=mask.device)
        apart = (steps[:, None] - steps).clamp(-DISTANCE, DISTANCE) + DISTANCE  # [Tq, Tk]
        hidden = (~mask & mask.any(1, keepdim=True))[:, None, None]  # [B, 1, 1, Tk]
        return self.distance_bias[:, apart].unsqueeze(0).masked_fill(hidden, -math.inf)


def _feed_forward(width: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(
        nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.SiLU(), nn.Dropout(dropout), nn.Linear(4 * width, width), nn.Dropout(dropout)
    )  # fmt: skip


CARD = Card(
    source="Goncalves, Leem, Lin, Sisman & Busso, 2023 (Versatile audio-visual learning); net/*.py, run_cremad.sh",
    published="vavl-published",
    missing="The head of the stream that is left answers; with both present the fusion head answers.",
    deviations="Attention over time instead of over the batch. The three losses of a batch are one step; the fusion head "
    "still learns alone, from detached embeddings. Relative positions are a learned bias per head and distance up to 64 "
    "frames. Adam's betas are PyTorch's own (theirs .95, .999).",
)


@register_model("vavl", CARD)
class Vavl(nn.Module):
    """VAVL with its axes corrected: Conformers, shared layers, reconstruction, a head per set of streams."""

    def __init__(self, config: ModelConfig, audio_dims: int, video_dims: int, classes: int):
        super().__init__()
        self.config, d = config, config.width

        def conformers(count):
            return nn.ModuleList(Conformer(d, config.heads, config.res_dropout) for _ in range(count))

        self.project = nn.ModuleList(
            nn.Sequential(nn.Linear(dims, NARROW, bias=False), nn.Linear(NARROW, d))
            for dims in dims_of(audio_dims, video_dims, config)
        )
        self.own = nn.ModuleList([conformers(config.layers), conformers(config.layers)])
        self.shared, self.shared_norm = conformers(max(config.layers - 1, 1)), nn.LayerNorm(d)
        self.heads = nn.ModuleList(Mlp(d, d, config.aux_hidden[1], classes, dropout=config.out_dropout) for _ in "av")
        self.fusion = Mlp(2 * d, *config.aux_hidden, classes, dropout=config.out_dropout)
        widths = d, d, config.aux_hidden[1]
        self.rebuild = nn.ModuleList(
            Mlp(*widths, dims, dropout=config.out_dropout) for dims in (audio_dims, video_dims)
        )

    def forward(self, batch: Batch) -> Logits:
        """Logits of the three heads; in evaluation only the one that fits the streams at hand counts."""
        streams = streams_of(batch, self.config)
        e_a, e_v = (self._embed(number, stream) for number, stream in enumerate(streams))  # [B, d] each
        logits = self.fusion(torch.cat([e_a, e_v], 1).detach()), self.heads[0](e_a), self.heads[1](e_v)
        has_a, has_v = (stream.present for stream in streams)  # [B, 1] each
        both = has_a * has_v
        if not self.training:
            neither = (1 - has_a) * (1 - has_v)  # somebody has to answer
            return Logits(*logits, torch.cat([both + neither, has_a - both, has_v - both], 1))
        means = (
            summarise(batch.audio, batch.audio_mask, "mean"),
            summarise(batch.video, batch.video_mask, "mean"),
        )  # [B, D]
        rebuilt = self._rebuilding(0, e_a, means[0], has_a) + self._rebuilding(1, e_v, means[1], has_v)
        return Logits(*logits, torch.cat([both, has_a, has_v], 1), 2 * rebuilt)

    def _embed(self, number: int, stream: Stream) -> torch.Tensor:
        x = self.project[number](stream.x)  # [B, T, d]
        for block in self.own[number]:
            x = block(x, stream.mask)
        h = x
        for block in self.shared:
            h = block(h, stream.mask)
        return summarise(self.shared_norm(x + h), stream.mask, "mean") * stream.present  # [B, d]

    def _rebuilding(self, number: int, embedding, mean, present) -> torch.Tensor:
        """Squared error of the clip's mean feature vector `[B, D]`, mean over the clips that have the stream; scalar."""
        error = (self.rebuild[number](embedding) - mean).square().mean(1, keepdim=True)  # [B, 1]
        return (error * present).sum() / present.sum().clamp(min=1)
