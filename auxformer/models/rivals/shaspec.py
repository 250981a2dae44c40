"""ShaSpec (Wang et al., CVPR 2023): what streams share and what is each one's own; what is shared stands in for what is absent.

B clips, T frames, d width.
"""

import torch
import torch.nn.functional as F
from torch import nn

from auxformer.config import ModelConfig
from auxformer.data.batch import Batch
from auxformer.models.auxformer import Logits
from auxformer.models.layers import Stack, summarise
from auxformer.models.registry import Card, register_model
from auxformer.models.rivals.streams import Mlp, dims_of, streams_of

ALIGNMENT, DOMAIN = 0.1, 0.02
"""Weights of the two auxiliary losses: α and β of the authors' train_SS.py."""

CARD = Card(
    source="Wang, Chen, Ma, Avery, Hull & Carneiro, CVPR 2023; DualNet_SS.py, train_SS.py",
    missing="In place of its fused features stands the mean of the shared features of the streams that are there.",
    deviations="Transformer stacks over frames and their mean over time (theirs: convolutions on images and volumes). Each stream "
    "is projected to one width before the encoder that they share, for their features differ. Each loss is a mean over the clips "
    "that take part in it: alignment where both streams are there, domains wherever a stream is. The mean is the paper's; the "
    "authors' code takes the first stream at hand.",
)


@register_model("shaspec", CARD)
class ShaSpec(nn.Module):
    """ShaSpec: an encoder that the streams share, one of each stream's own, and shared features for what is missing."""

    def __init__(self, config: ModelConfig, audio_dims: int, video_dims: int, classes: int):
        super().__init__()
        self.config, d = config, config.width
        self.project = nn.ModuleList(nn.Linear(dims, d, bias=False) for dims in dims_of(audio_dims, video_dims, config))
        self.shared, self.specific = Stack(d, config), nn.ModuleList(Stack(d, config) for _ in self.project)
        self.fuse, self.domain = nn.Linear(2 * d, d), nn.Linear(d, len(self.project))
        self.head = Mlp(2 * d, d, classes, dropout=config.out_dropout)

    def forward(self, batch: Batch) -> Logits:
        """Logits of the only head; in training, the weighted losses of alignment and of domains as `extra`."""
        shared, specific, present = self.features(batch)
        own = shared + self.fuse(torch.cat([shared, specific], -1))  # [B, 2, d]
        fused = torch.where(present > 0, own, generated(shared, present))  # [B, 2, d]
        logits = self.head(fused.flatten(1))
        if not self.training:
            return Logits.single(logits)
        extra = ALIGNMENT * alignment_loss(shared, present) + DOMAIN * self.domain_loss(specific, present)
        return Logits.single(logits, extra)

    def features(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Shared and specific features of both streams `[B, 2, d]`, and which of them are present `[B, 2, 1]`, 1 or 0."""
        shared, specific, streams = [], [], streams_of(batch, self.config)
        for stream, project, encode in zip(streams, self.project, self.specific):
            x = project(stream.x)  # [B, T, d]
            shared.append(summarise(self.shared(x, stream.mask), stream.mask, "mean"))  # [B, d]
            specific.append(summarise(encode(x, stream.mask), stream.mask, "mean"))
        return torch.stack(shared, 1), torch.stack(specific, 1), torch.stack([stream.present for stream in streams], 1)

    def domain_loss(self, specific: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
        """How badly the specific features `[B, 2, d]` tell of which stream they are: cross-entropy, scalar."""
        stream = torch.arange(specific.shape[1], device=specific.device).expand(len(specific), -1)  # [B, 2]
        losses = F.cross_entropy(self.domain(specific).flatten(0, 1), stream.flatten(), reduction="none")  # [2B]
        return _mean(losses, present.flatten())


def generated(shared: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
    """Mean of the shared features of the streams that are present: `[B, 2, d]` -> `[B, 1, d]`; 0 where none is."""
    return (shared * present).sum(1, keepdim=True) / present.sum(1, keepdim=True).clamp(min=1)


def alignment_loss(shared: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
    """Mean absolute difference between the shared features of the two streams `[B, 2, d]`, of clips with both; scalar."""
    return _mean((shared[:, 0] - shared[:, 1]).abs().mean(-1), present.prod(1).squeeze(-1))


def _mean(values: torch.Tensor, where: torch.Tensor) -> torch.Tensor:
    return (values * where).sum() / where.sum().clamp(min=1)
