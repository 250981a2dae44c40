"""Self-attention fusion of convolutional streams (Chumachenko, Iosifidis & Gabbouj, ICPR 2022), on features.

Each stream goes through two stages of two convolutions. The streams meet between the stages by importance (`ia`) or by a
transformer block (`it`), or after both by a transformer block (`lt`). B clips, T frames, d width, h heads.
"""

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import nn

from auxformer.config import ModelConfig
from auxformer.data.batch import Batch
from auxformer.models.auxformer import Logits
from auxformer.models.layers import summarise
from auxformer.models.registry import Card, register_model
from auxformer.models.rivals.streams import Convolution, FrameNorm, Stream, dims_of, streams_of


class Block(nn.Module):
    """Convolution of three frames, batch normalisation, ReLU; for audio the larger of each two neighbours."""

    def __init__(self, dims: int, width: int, pool: bool):
        super().__init__()
        self.convolution, self.norm, self.pool = Convolution(dims, width, 3), FrameNorm(width), pool

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """`[B, T, D]` -> `[B, T, width]`, zero at padding."""
        x = F.relu(self.norm(self.convolution(x, mask), mask)) * mask.unsqueeze(-1)
        return torch.maximum(x, F.pad(x[:, 1:], (0, 0, 0, 1))) if self.pool else x  # zero is the least a ReLU gives


class Stages(nn.Module):
    """The two stages of one stream, two blocks each."""

    def __init__(self, widths: tuple[int, ...], pool: bool):
        super().__init__()
        self.blocks = nn.ModuleList(Block(before, after, pool) for before, after in pairwise(widths))

    def stage(self, number: int, stream: Stream) -> Stream:
        """The stream after stage 0 or 1."""
        x = stream.x
        for block in self.blocks[2 * number : 2 * number + 2]:
            x = block(x, stream.mask)
        return stream._replace(x=x)


class Importance(nn.Module):
    """How much the frames of one stream matter to another: the attention that each receives, mean over heads, summed."""

    def __init__(self, query_width: int, key_width: int, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.query, self.key = nn.Linear(query_width, width, bias=False), nn.Linear(key_width, width, bias=False)

    def forward(self, asking: Stream, asked: Stream) -> Stream:
        """`asked` with each frame multiplied by its weight; as it was where nobody asks."""
        received = _attention(self.query(asking.x), self.key(asked.x), asked.mask, self.heads).mean(1)  # [B, Tq, Tk]
        weight = (received * asking.mask.unsqueeze(-1)).sum(1).unsqueeze(-1)  # [B, Tk, 1]
        weight = torch.where(asking.present.unsqueeze(-1) > 0, weight, torch.ones_like(weight))
        return asked._replace(x=asked.x * weight)


class Exchange(nn.Module):
    """Pre-norm attention to the other stream, then an MLP of twice the width; the result is added to the stream."""

    def __init__(self, width: int, other_width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.norm, self.other_norm, self.mlp_norm = nn.LayerNorm(width), nn.LayerNorm(other_width), nn.LayerNorm(width)
        self.query, self.key = nn.Linear(width, width, bias=False), nn.Linear(other_width, width, bias=False)
        self.value, self.out = nn.Linear(other_width, width, bias=False), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, stream: Stream, other: Stream) -> Stream:
        """`stream` with what it learns from `other`; as it was where the other is absent."""
        source = self.other_norm(other.x)
        weights = _attention(
            self.query(self.norm(stream.x)), self.key(source), other.mask, self.heads
        )  # [B, h, Tq, Tk]
        values = self.value(source).unflatten(-1, (self.heads, -1)).transpose(1, 2)  # [B, h, Tk, d/h]
        found = self.out((weights @ values).transpose(1, 2).flatten(2))  # [B, Tq, d]
        found = (found + self.mlp(self.mlp_norm(found))) * other.present.unsqueeze(-1)
        return stream._replace(x=stream.x + found)


def _attention(query: torch.Tensor, key: torch.Tensor, mask: torch.Tensor, heads: int) -> torch.Tensor:
    """softmax(QKᵀ / √(d/h)) over valid keys, `[B, h, Tq, Tk]`; over all of them where none is valid."""
    q, k = (x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in (query, key))
    visible = (mask | ~mask.any(1, keepdim=True))[:, None, None]  # [B, 1, 1, Tk]
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    return scores.masked_fill(~visible, -math.inf).softmax(-1)


class Sfav(nn.Module):
    """Two convolutional streams that meet in one of three ways; mean over time, side by side, linear."""

    def __init__(self, how: str, config: ModelConfig, audio_dims: int, video_dims: int, classes: int):
        super().__init__()
        self.how, self.config, d, h = how, config, config.width, config.heads
        audio_dims, video_dims = dims_of(audio_dims, video_dims, config)
        self.audio = Stages((audio_dims, d // 2, d, 2 * d, d), pool=True)
        self.video = Stages((video_dims, d // 2, d // 2, d, d), pool=False)
        if how == "ia":
            self.to_audio, self.to_video = Importance(d // 2, d, d, h), Importance(d, d // 2, d, h)
        else:
            v_width = d // 2 if how == "it" else d
            self.to_audio, self.to_video = Exchange(d, v_width, h), Exchange(v_width, d, h)
        self.out_layer = nn.Linear(2 * d, classes)

    def forward(self, batch: Batch) -> Logits:
        """Logits of the only head."""
        audio, video = streams_of(batch, self.config)
        audio, video = self.audio.stage(0, audio), self.video.stage(0, video)
        if self.how != "lt":
            audio, video = self._meet(audio, video)
        audio, video = self.audio.stage(1, audio), self.video.stage(1, video)
        if self.how == "lt":
            audio, video = self._meet(audio, video)
        clip = [summarise(stream.x, stream.mask, "mean") * stream.present for stream in (audio, video)]  # [B, d] each
        return Logits.single(self.out_layer(torch.cat(clip, 1)))

    def _meet(self, audio: Stream, video: Stream) -> tuple[Stream, Stream]:
        if self.how == "ia":
            return self.to_audio(video, audio), self.to_video(audio, video)
        return self.to_audio(audio, video), self.to_video(video, audio)


CARD = Card(
    source="Chumachenko, Iosifidis & Gabbouj, ICPR 2022; models/multimodalcnn.py, opts.py",
    published="sfav-published",
    missing="The other stream is left as it is (no weighting, nothing added) and its own average is zero.",
    deviations="Front ends read features (theirs: MFCC and EfficientFace on pixels). Convolutions keep the length, so that a "
    "clip of one frame is long enough (theirs: valid). Modality dropout is the trainer's, per clip (theirs: softhard copies). "
    "SGD without dampening at a tenth of their rate, which is what dampening .9 comes to; cosine instead of steps.",
)


@register_model("sfav-ia", CARD)
def _ia(config, audio_dims, video_dims, classes):
    """Convolutional streams that weigh each other's frames by the attention they receive."""
    return Sfav("ia", config, audio_dims, video_dims, classes)


@register_model("sfav-it", CARD)
def _it(config, audio_dims, video_dims, classes):
    """Convolutional streams with a transformer block between their stages."""
    return Sfav("it", config, audio_dims, video_dims, classes)


@register_model("sfav-lt", CARD)
def _lt(config, audio_dims, video_dims, classes):
    """Convolutional streams with a transformer block after their stages."""
    return Sfav("lt", config, audio_dims, video_dims, classes)
