"""MulT (Tsai et al., ACL 2019) over two streams: each asks the other, then itself; AuxFormer's fusion network grew out of it."""

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import nn

from auxformer.config import ModelConfig
from auxformer.data.batch import Batch
from auxformer.models.auxformer import Logits
from auxformer.models.layers import Stack, summarise
from auxformer.models.registry import Card, register_model
from auxformer.models.rivals.streams import Stream, dims_of, streams_of

CARD = Card(
    source="Tsai et al., ACL 2019; the authors' main.py and src/models.py",
    published="mult-published",
    missing="It is asked nothing (its attention branch is zero) and its summary is zero.",
    deviations="Two streams instead of three, hence one cross-modal stack per stream and memory stacks at width d instead of "
    "2d. No causal mask: its offset is the difference of the padded lengths, so clips of one batch would change each other.",
)


@register_model("mult", CARD)
class Mult(nn.Module):
    """MulT for two streams: cross-modal stacks, memory stacks, one head."""

    def __init__(self, config: ModelConfig, audio_dims: int, video_dims: int, classes: int):
        super().__init__()
        self.config, d = config, config.width
        deep = replace(config, layers=max(config.layers, 3))  # as theirs: the memory has three layers at least
        audio_dims, video_dims = dims_of(audio_dims, video_dims, config)
        self.project_a, self.project_v = nn.Linear(audio_dims, d, bias=False), nn.Linear(video_dims, d, bias=False)
        self.audio_asks, self.video_asks = Stack(d, config, cross=True), Stack(d, config, cross=True)
        self.audio_memory, self.video_memory = Stack(d, deep), Stack(d, deep)
        self.proj1, self.proj2 = nn.Linear(2 * d, 2 * d), nn.Linear(2 * d, 2 * d)
        self.out_layer = nn.Linear(2 * d, classes)

    def forward(self, batch: Batch) -> Logits:
        """Logits of the only head."""
        audio, video = streams_of(batch, self.config)
        audio, video = audio._replace(x=self.project_a(audio.x)), video._replace(x=self.project_v(video.x))  # [B, T, d]
        a = self._ask(self.audio_asks, self.audio_memory, audio, video)  # [B, d]
        v = self._ask(self.video_asks, self.video_memory, video, audio)
        z = torch.cat([a, v], 1)  # [B, 2d]
        z = z + self.proj2(F.dropout(F.relu(self.proj1(z)), self.config.out_dropout, self.training))
        return Logits.single(self.out_layer(z))

    def _ask(self, cross: Stack, memory: Stack, stream: Stream, other: Stream) -> torch.Tensor:
        h = cross(stream.x, stream.mask, other.x, other.mask)  # [B, T, d]
        return summarise(memory(h, stream.mask), stream.mask, self.config.summary) * stream.present
