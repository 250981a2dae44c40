"""Early concatenation (features side by side, one network) and late fusion (one network per stream, clip embeddings side by side).

After MultiBench (Liang et al. 2021): EF-GRU, EF-Transformer, LF-GRU, LF-Transformer.
"""

import torch
from torch import nn

from auxformer.config import ModelConfig
from auxformer.data.batch import Batch
from auxformer.models.auxformer import Logits
from auxformer.models.layers import last_frame
from auxformer.models.registry import Card, register_model
from auxformer.models.rivals.streams import Attention, Mlp, Recurrence, Stream, dims_of, streams_of


def side_by_side(audio: Stream, video: Stream) -> tuple[torch.Tensor, torch.Tensor]:
    """Both streams as one, at the pace of whichever has more frames in that clip; the other repeats or skips frames.

    Returns:
        x `[B, T, Da + Dv + 2]`, whose last two features say which streams are present, and its mask `[B, T]`.
    """
    counts = [(last_frame(stream.mask, stream.mask) + 1) * stream.mask.any(1) for stream in (audio, video)]  # [B] each
    longest = torch.maximum(*counts).unsqueeze(1)  # [B, 1]
    steps = torch.arange(max(audio.x.shape[1], video.x.shape[1]), device=audio.x.device)  # [T]
    parts = []
    for stream, count in zip((audio, video), counts):
        # The frame in whose time the middle of the step falls; integers, so that every machine picks the same.
        nearest = (2 * steps + 1) * count.unsqueeze(1) // (2 * longest).clamp(min=1)  # [B, T]
        nearest = nearest.clamp(max=stream.x.shape[1] - 1).unsqueeze(-1).expand(-1, -1, stream.x.shape[2])
        parts.append(stream.x.gather(1, nearest))  # [B, T, D]
    flags = torch.cat([audio.present, video.present], 1).unsqueeze(1).expand(-1, len(steps), -1)  # [B, T, 2]
    mask = steps < longest  # [B, T]
    return torch.cat([*parts, flags], -1) * mask.unsqueeze(-1), mask


class EarlyConcat(nn.Module):
    """Frames of both streams side by side, one sequence network, an MLP."""

    def __init__(self, network: type, config: ModelConfig, audio_dims: int, video_dims: int, classes: int):
        super().__init__()
        self.config = config
        self.network = network(sum(dims_of(audio_dims, video_dims, config)) + 2, config)
        self.head = Mlp(config.width, config.width, classes, dropout=config.out_dropout)

    def forward(self, batch: Batch) -> Logits:
        """Logits of the only head; an absent stream is zeros beside a flag that says so."""
        return Logits.single(self.head(self.network(*side_by_side(*streams_of(batch, self.config)))))


class LateFusion(nn.Module):
    """A sequence network per stream, clip embeddings side by side, an MLP."""

    def __init__(self, network: type, config: ModelConfig, audio_dims: int, video_dims: int, classes: int):
        super().__init__()
        self.config = config
        audio_dims, video_dims = dims_of(audio_dims, video_dims, config)
        self.audio, self.video = network(audio_dims, config), network(video_dims, config)
        self.head = Mlp(2 * config.width, 2 * config.width, classes, dropout=config.out_dropout)

    def forward(self, batch: Batch) -> Logits:
        """Logits of the only head; an absent stream's embedding is zero."""
        audio, video = streams_of(batch, self.config)
        a = self.audio(audio.x, audio.mask) * audio.present  # [B, d]
        v = self.video(video.x, video.mask) * video.present
        return Logits.single(self.head(torch.cat([a, v], 1)))


_EARLY = dict(
    missing="Its features are zero and a flag beside them says so; the clip keeps the pace of the stream that is left.",
    deviations="The streams need one length: the shorter is stretched to the longer by its nearest frame, where MultiBench "
    "takes aligned data. The two presence flags are ours.",
)
_LATE = dict(
    missing="Its clip embedding is zero.",
    deviations="The GRU reads padding after the last valid frame instead of packing, which gives the same state.",
)


@register_model(
    "early-concat",
    Card(source="MultiBench EF-GRU, Liang et al., NeurIPS 2021", published="early-concat-published", **_EARLY),
)
def _early_gru(config, audio_dims, video_dims, classes):
    """Frames side by side through one GRU."""
    return EarlyConcat(Recurrence, config, audio_dims, video_dims, classes)


@register_model(
    "early-concat-transformer",
    Card(
        source="MultiBench EF-Transformer, Liang et al., NeurIPS 2021",
        published="early-concat-transformer-published",
        **_EARLY,
    ),
)
def _early_transformer(config, audio_dims, video_dims, classes):
    """Frames side by side through one transformer stack."""
    return EarlyConcat(Attention, config, audio_dims, video_dims, classes)


@register_model(
    "late-fusion",
    Card(source="MultiBench LF-GRU, Liang et al., NeurIPS 2021", published="late-fusion-published", **_LATE),
)
def _late_gru(config, audio_dims, video_dims, classes):
    """A GRU per stream, clip embeddings side by side."""
    return LateFusion(Recurrence, config, audio_dims, video_dims, classes)


@register_model(
    "late-fusion-transformer",
    Card(
        source="MultiBench LF-Transformer, Liang et al., NeurIPS 2021", published="late-fusion-transformer-published",
        missing=_LATE["missing"], deviations="The last valid frame is read, not the last padded one.",
    ),
)  # fmt: skip
def _late_transformer(config, audio_dims, video_dims, classes):
    """A transformer stack per stream, clip embeddings side by side."""
    return LateFusion(Attention, config, audio_dims, video_dims, classes)
