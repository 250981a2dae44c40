"""MoMKE (Xu, Jiang & Liang, ACM MM 2024): an expert per stream, and every present stream is read by all of them.

An expert learns from its own stream alone; a router says, frame by frame, how much of each expert's reading of a stream
counts. So a stream that is alone is also read by the expert of the other one. B clips, T frames, d width.
"""

import torch
from torch import nn

from auxformer.config import ModelConfig
from auxformer.data.batch import Batch
from auxformer.models.auxformer import Logits
from auxformer.models.layers import Stack, summarise
from auxformer.models.registry import Card, register_model
from auxformer.models.rivals.streams import Mlp, Stream, dims_of, streams_of

CARD = Card(
    source="Xu, Jiang & Liang, ACM Multimedia 2024; model_expert_softmoe.py, Attention_softmoe.py",
    missing="Its part of the joint vector is zero and its expert's own loss is left out; its expert still reads the other stream.",
    deviations="One stage instead of two: each expert learns from its own stream by a loss of its own while the router and the joint "
    "head learn. Experts are our transformer stacks, with positions. Clips have one label, so frames are averaged before the "
    "joint head (theirs: one label per utterance of a dialogue). Two streams instead of three.",
)


@register_model("momke", CARD)
class Momke(nn.Module):
    """MoMKE: modality experts whose readings of each present stream are mixed by a soft router."""

    def __init__(self, config: ModelConfig, audio_dims: int, video_dims: int, classes: int):
        super().__init__()
        self.config, d = config, config.width
        self.project = nn.ModuleList(nn.Linear(dims, d) for dims in dims_of(audio_dims, video_dims, config))
        self.experts = nn.ModuleList(Stack(d, config) for _ in self.project)
        self.routers = nn.ModuleList(Mlp(d, d, len(self.experts), dropout=config.res_dropout) for _ in self.project)
        self.heads = nn.ModuleList(nn.Linear(d, classes) for _ in self.project)
        self.joint, self.dropout, self.out_layer = (
            nn.Linear(2 * d, 2 * d),
            nn.Dropout(config.out_dropout),
            nn.Linear(2 * d, classes),
        )

    def forward(self, batch: Batch) -> Logits:
        """Logits of the joint head and of each expert on its own stream, which answer in training only."""
        streams, clips, alone = streams_of(batch, self.config), [], []
        for number, stream in enumerate(streams):
            read, weights = self.readings(number, stream)
            mixed = (read * weights.unsqueeze(-1)).sum(2)  # [B, T, d]
            clips.append(summarise(mixed, stream.mask, "mean") * stream.present)  # [B, d]
            alone.append(self.heads[number](summarise(read[:, :, number], stream.mask, "mean")))  # [B, C]
        z = torch.cat(clips, 1)  # [B, 2d]
        logits = self.out_layer(z + self.dropout(self.joint(z).relu()))
        counts = torch.cat([stream.present for stream in streams], 1) * float(self.training)  # [B, 2]
        return Logits(logits, *alone, torch.cat([torch.ones_like(counts[:, :1]), counts], 1))

    def readings(self, number: int, stream: Stream) -> tuple[torch.Tensor, torch.Tensor]:
        """What every expert makes of a stream, `[B, T, 2, d]`, and the router's weights `[B, T, 2]`, which sum to 1."""
        x = self.project[number](stream.x)  # [B, T, d]
        read = torch.stack([expert(x, stream.mask) for expert in self.experts], 2)
        return read, self.routers[number](x).softmax(-1)
