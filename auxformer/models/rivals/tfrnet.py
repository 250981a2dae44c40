"""TFR-Net (Yuan et al., ACM MM 2021): frames go missing in training and are rebuilt from what the two streams still know.

B clips, T frames, d width.
"""

import torch
import torch.nn.functional as F
from torch import nn

from auxformer.config import ModelConfig
from auxformer.data.batch import Batch
from auxformer.models.auxformer import Logits
from auxformer.models.layers import Stack, last_frame
from auxformer.models.registry import Card, register_model
from auxformer.models.rivals.streams import Convolution, Stream, dims_of, max_over_time, streams_of

LOST, MOMENTS, RANGE = 0.2, 5, 16.0
"""Share of frames that go missing in training; moments compared by the rebuilding loss; features are cut at ±8."""
AUDIO_WEIGHT, VIDEO_WEIGHT = 2.0, 20.0
"""Weights of the two rebuilding losses, the authors' for CMU-MOSI."""
KERNELS = 5, 3
"""Frames under the first convolution of audio and video."""


class Gate(nn.Module):
    """A GRU in both directions says how much of each feature passes; largest value over time."""

    def __init__(self, width: int):
        super().__init__()
        self.gru = nn.GRU(width, width // 2, batch_first=True, bidirectional=True)

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """`[B, T, D]` with its mask -> `[B, D]`, zero where the stream is absent."""
        lengths = (last_frame(x, mask) + 1).cpu()  # the backward direction must not start in the padding
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        states, _ = nn.utils.rnn.pad_packed_sequence(self.gru(packed)[0], batch_first=True, total_length=x.shape[1])
        return max_over_time(x * states.sigmoid(), mask)


CARD = Card(
    source="Yuan, Li, Xu & Yu, ACM Multimedia 2021, as in MMSA",
    published="tfr-net-published",
    missing="It is asked nothing and its clip vector is zero. Frames that go missing inside a stream stay as zeros.",
    deviations="Two streams instead of three, so 2d features per frame instead of 3d. Frames go missing in training only "
    "(theirs: in testing too, which our conditions do for every system). Frames are rebuilt as the network reads them. "
    "Moments are divided by powers of the features' range, as their inventors do, and averaged over the features, not "
    "summed: over thousands of features the sum drowned the classes. "
    "Batches of 96 stand for 24 with four accumulated.",
)


@register_model("tfr-net", CARD)
class TfrNet(nn.Module):
    """TFR-Net: cross-modal and self-attention per stream, lost frames rebuilt, gated fusion."""

    def __init__(self, config: ModelConfig, audio_dims: int, video_dims: int, classes: int):
        super().__init__()
        self.config, d = config, config.width
        dims = dims_of(audio_dims, video_dims, config)
        self.project = nn.ModuleList(Convolution(width, d, kernel) for width, kernel in zip(dims, KERNELS))
        self.cross = nn.ModuleList(Stack(d, config, cross=True) for _ in dims)
        self.own = nn.ModuleList(Stack(d, config) for _ in dims)
        self.rebuild = nn.ModuleList(nn.Linear(2 * d, width) for width in dims)
        self.gate = nn.ModuleList(Gate(2 * d) for _ in dims)
        self.hidden, self.out_layer = nn.Linear(4 * d, 2 * d), nn.Linear(2 * d, classes)

    def forward(self, batch: Batch) -> Logits:
        """Logits of the only head; in training, the weighted rebuilding losses as `extra`."""
        whole = streams_of(batch, self.config)
        lost = [stream.mask & self._lost(stream) for stream in whole]  # [B, T] each
        streams = [stream._replace(x=stream.x * ~gone.unsqueeze(-1)) for stream, gone in zip(whole, lost)]
        projected = [stream._replace(x=conv(stream.x, stream.mask)) for stream, conv in zip(streams, self.project)]
        frames, clips = [], []
        for number, (stream, other) in enumerate((projected, projected[::-1])):
            asked = self.cross[number](stream.x, stream.mask, other.x, other.mask)
            frames.append(torch.cat([asked, self.own[number](stream.x, stream.mask)], -1))  # [B, T, 2d]
            clips.append(self.gate[number](frames[-1], stream.mask))  # [B, 2d]
        hidden = F.dropout(F.relu(self.hidden(torch.cat(clips, 1))), self.config.out_dropout, self.training)
        logits = self.out_layer(hidden)
        if not self.training:
            return Logits.single(logits)
        losses = [
            rebuilding_loss(make(found), stream.x, gone)
            for make, found, stream, gone in zip(self.rebuild, frames, whole, lost)
        ]
        return Logits.single(logits, AUDIO_WEIGHT * losses[0] + VIDEO_WEIGHT * losses[1])

    def _lost(self, stream: Stream) -> torch.Tensor:
        if not self.training:
            return torch.zeros_like(stream.mask)
        return torch.rand(stream.mask.shape, device=stream.mask.device) < LOST


def rebuilding_loss(made: torch.Tensor, truth: torch.Tensor, where: torch.Tensor) -> torch.Tensor:
    """Smooth L1 plus the central moment discrepancy (Zellinger et al. 2017) over the frames marked in `where`; scalar.

    Args:
        made, truth: `[B, T, D]`.
        where: `[B, T]` bool.
    """
    weight = where.unsqueeze(-1).to(made.dtype)  # [B, T, 1]
    count = weight.sum().clamp(min=1)

    def mean(x):
        return (x * weight).sum((0, 1)) / count  # [D]

    loss = mean(F.smooth_l1_loss(made, truth, reduction="none")).mean()
    one, other = made - mean(made), truth - mean(truth)
    gaps = [mean(made) - mean(truth)] + [mean(one**k) - mean(other**k) for k in range(2, MOMENTS + 1)]
    sizes = [(gap.square().mean() + 1e-12).sqrt() for gap in gaps]  # 1e-12: a root has no slope at 0
    return loss + sum(size / RANGE**k for k, size in enumerate(sizes, 1))
