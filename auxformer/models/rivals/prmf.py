"""P-RMF (Zhu et al., ACL 2025): each stream is a Gaussian, and the surer ones make a proxy that then asks all of them.

B clips, T frames, d width.
"""

import torch
from torch import nn

from auxformer.config import ModelConfig
from auxformer.data.batch import Batch
from auxformer.models.auxformer import Logits
from auxformer.models.layers import MultiheadAttention, Stack, summarise
from auxformer.models.registry import Card, register_model
from auxformer.models.rivals.streams import Mlp, Stream, dims_of, streams_of

LATENT = 0.1
"""Weight of what makes the latents Gaussian, alike and able to rebuild their stream."""
WIDEST = 4.0
"""Largest absolute logarithm of a variance: a deviation lies between 0.14 and 7.4."""

CARD = Card(
    source="Zhu, Hu, Wang, Yang, Tang & An, ACL 2025. Chosen among methods since 2024 because it needs no pretrained transformer to "
    "prompt and no text stream, and meets whole streams and single frames that are missing by one means: uncertainty",
    missing="It has no part in the proxy, is not asked, and no loss is taken from it.",
    deviations="Two streams instead of three, none of them text. A Gaussian per clip (theirs: per token). What is rebuilt is the "
    "clip's mean feature vector as the network was given it (theirs: the same clip without gaps), for what modality dropout takes "
    "away is gone before a network sees it. No adversarial branch. The weight .1 of the latent losses is ours.",
)


@register_model("p-rmf", CARD)
class Prmf(nn.Module):
    """P-RMF: a proxy of the streams, weighed by how sure each is, asks their frames."""

    def __init__(self, config: ModelConfig, audio_dims: int, video_dims: int, classes: int):
        super().__init__()
        self.config, d, dims = config, config.width, dims_of(audio_dims, video_dims, config)
        self.project = nn.ModuleList(nn.Linear(width, d, bias=False) for width in dims)
        self.encode = nn.ModuleList(Stack(d, config) for _ in dims)
        self.gaussian = nn.ModuleList(nn.Linear(d, 2 * d) for _ in dims)
        self.rebuild = nn.ModuleList(Mlp(d, d, width) for width in dims)
        self.norm = nn.ModuleList(nn.LayerNorm(d) for _ in range(config.layers))
        self.ask = nn.ModuleList(
            nn.ModuleList(MultiheadAttention(d, config.heads, config.cross_attn_dropout) for _ in dims)
            for _ in self.norm
        )
        self.head = Mlp(d, d, classes, dropout=config.out_dropout)

    def forward(self, batch: Batch) -> Logits:
        """Logits of the only head; in training, the weighted losses of the latents as `extra`."""
        streams = streams_of(batch, self.config)
        frames = [
            encode(project(stream.x), stream.mask)
            for encode, project, stream in zip(self.encode, self.project, streams)
        ]  # [B, T, d] each
        present = torch.stack([stream.present for stream in streams], 1)  # [B, 2, 1]
        mean, log_variance = self.latents(frames, streams)  # [B, 2, d] each
        weights = certainty(log_variance, present)  # [B, 2, d]
        proxy = (weights * mean).sum(1)  # [B, d]
        share = weights.mean(-1, keepdim=True)  # [B, 2, 1]
        for norm, asks in zip(self.norm, self.ask):
            question = norm(proxy).unsqueeze(1)  # [B, 1, d]
            for number, (ask, stream) in enumerate(zip(asks, streams)):
                visible = (stream.mask | ~stream.mask.any(1, keepdim=True))[:, None, None]  # [B, 1, 1, T]
                proxy = proxy + share[:, number] * ask(question, frames[number], visible).squeeze(1)
        logits = self.head(proxy)
        if not self.training:
            return Logits.single(logits)
        return Logits.single(logits, LATENT * self.latent_loss(mean, log_variance, streams, present))

    def latents(self, frames: list[torch.Tensor], streams: tuple[Stream, Stream]) -> tuple[torch.Tensor, torch.Tensor]:
        """Means and logarithms of the variances of the two Gaussians of each clip, `[B, 2, d]` each."""
        both = [
            gaussian(summarise(x, stream.mask, "mean")) for gaussian, x, stream in zip(self.gaussian, frames, streams)
        ]
        mean, log_variance = torch.stack(both, 1).chunk(2, -1)
        return mean, WIDEST * torch.tanh(log_variance / WIDEST)

    def latent_loss(self, mean, log_variance, streams: tuple[Stream, Stream], present: torch.Tensor) -> torch.Tensor:
        """Rebuilding, distance from the normal distribution and of the streams from each other, of those present; scalar."""
        drawn = mean + torch.randn_like(mean) * (log_variance / 2).exp()
        rebuilt = [
            (make(drawn[:, number]) - summarise(stream.x, stream.mask, "mean")).square().mean(-1)
            for number, (make, stream) in enumerate(zip(self.rebuild, streams))
        ]  # [B] each
        zero = torch.zeros_like(mean)
        own = torch.stack(rebuilt, 1) + divergence(mean, log_variance, zero, zero)  # [B, 2]
        apart = divergence(mean[:, 0], log_variance[:, 0], mean[:, 1], log_variance[:, 1])  # [B]
        present = present.squeeze(-1)  # [B, 2]
        both = present.prod(1)  # [B]
        return (own * present).sum() / present.sum().clamp(min=1) + (apart * both).sum() / both.sum().clamp(min=1)


def certainty(log_variance: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
    """Softmax over the present streams of 1/σ, feature by feature: `[B, 2, d]`, sums to 1 over streams; 0 where none is there.

    Args:
        log_variance: `[B, 2, d]`.
        present: `[B, 2, 1]`, 1 or 0.
    """
    surest = torch.exp(-log_variance / 2).masked_fill(present == 0, -1e9)
    return surest.softmax(1) * present


def divergence(mean, log_variance, other_mean, other_log_variance) -> torch.Tensor:
    """Kullback-Leibler divergence of one diagonal Gaussian from another, mean over features: `[..., d]` -> `[...]`."""
    ratio = (log_variance - other_log_variance).exp()
    distance = (mean - other_mean).square() / other_log_variance.exp()
    return ((ratio + distance - 1 + other_log_variance - log_variance) / 2).mean(-1)
