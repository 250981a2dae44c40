"""Rival systems under the same contract: `Batch` in, `Logits` out."""

import torch
from torch import nn

from auxformer.config import ModelConfig
from auxformer.data.batch import Batch
from auxformer.models.auxformer import AuxFormer, AuxiliaryHead, Logits
from auxformer.models.layers import Stack, beside_mean, pool_frames, summarise
from auxformer.models.registry import Card, register_model
from auxformer.models.rivals.streams import FrameNorm, Mlp


class Unimodal(nn.Module):
    """One auxiliary network alone: project, self-attention stack, summary, head."""

    def __init__(self, config: ModelConfig, dims: int, classes: int, pool: int):
        super().__init__()
        self.config, self.pool = config, pool
        self.project = nn.Linear(2 * dims if config.relative else dims, config.width, bias=False)
        self.stack = Stack(config.width, config)
        self.head = AuxiliaryHead(config.width, config.aux_hidden, classes, config.out_dropout)

    def forward(self, x: torch.Tensor, mask: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
        """x `[B, T, D]`, mask `[B, T]`, present `[B]` -> `[B, C]`; an absent stream gives the head's answer to zeros."""
        x, mask = pool_frames(x, mask, self.pool)
        x = beside_mean(x, mask) if self.config.relative else x
        mask = None if self.config.padding == "attended" else mask
        x = self.stack(self.project(x), mask)  # [B, T, d]
        r = summarise(x, mask, self.config.summary)  # [B, d]
        if self.config.absent == "flag":
            r = r * present[:, None]
        return self.head(r)


_OURS = dict(source="Ours: the auxiliary network of Goncalves & Busso, ICASSP 2022, alone", published="paper")


@register_model("audio-only", Card(missing="Without audio it answers to zeros: a constant guess.", **_OURS))
class AudioOnly(nn.Module):
    """The audio auxiliary network alone."""

    def __init__(self, config, audio_dims, video_dims, classes):
        super().__init__()
        self.network = Unimodal(config, audio_dims, classes, config.audio_pool)

    def forward(self, batch: Batch) -> Logits:
        """Logits from the audio stream; video is never read."""
        return Logits.single(self.network(batch.audio, batch.audio_mask, batch.audio_present))


@register_model("video-only", Card(missing="Without video it answers to zeros: a constant guess.", **_OURS))
class VideoOnly(nn.Module):
    """The video auxiliary network alone."""

    def __init__(self, config, audio_dims, video_dims, classes):
        super().__init__()
        self.network = Unimodal(config, video_dims, classes, config.video_pool)

    def forward(self, batch: Batch) -> Logits:
        """Logits from the video stream; audio is never read."""
        return Logits.single(self.network(batch.video, batch.video_mask, batch.video_present))


@register_model("decision-fusion", Card(missing="Its posterior is left out of the mean.", classes_only=True, **_OURS))
class DecisionFusion(nn.Module):
    """Two unimodal networks, mean of the posteriors of the streams that are present."""

    def __init__(self, config, audio_dims, video_dims, classes):
        super().__init__()
        self.audio = Unimodal(config, audio_dims, classes, config.audio_pool)
        self.video = Unimodal(config, video_dims, classes, config.video_pool)

    def forward(self, batch: Batch) -> Logits:
        """Log of the mean posterior as the fused head; the unimodal heads are trained by their own losses."""
        a = self.audio(batch.audio, batch.audio_mask, batch.audio_present)  # [B, C]
        v = self.video(batch.video, batch.video_mask, batch.video_present)
        present = torch.stack([batch.audio_present, batch.video_present], 1).to(a.dtype)  # [B, 2]
        if self.audio.config.absent == "zeros":
            present = torch.ones_like(present)
        posterior = torch.stack([a, v], 1).softmax(-1)  # [B, 2, C]
        mean = (posterior * present.unsqueeze(-1)).sum(1) / present.sum(1, keepdim=True).clamp(min=1)
        av = mean.clamp(min=1e-8).log()
        if self.training:  # the mean must not be trained: each network learns from its own stream
            return Logits(av.detach(), a, v, torch.cat([torch.zeros_like(present[:, :1]), present], 1))
        return Logits.single(av)


@register_model(
    "duration-only",
    Card(
        source="Ours: clips differ in length by emotion, and a network that only counts frames should be seen doing it",
        missing="Its length is zero and a flag says so.",
    ),
)
class DurationOnly(nn.Module):
    """How long the clip is, and nothing else: what a score owes to length alone."""

    def __init__(self, config, audio_dims, video_dims, classes):
        super().__init__()
        self.norm = nn.ModuleList([FrameNorm(1), FrameNorm(1)])
        self.head = Mlp(4, config.width, classes)

    def forward(self, batch: Batch) -> Logits:
        """Logits from the logarithms of the two numbers of frames; no feature is read."""
        parts = []
        for mask, present, norm in zip(
            (batch.audio_mask, batch.video_mask), (batch.audio_present, batch.video_present), self.norm
        ):
            frames = mask.sum(1).clamp(min=1).to(batch.audio.dtype).log()  # [B]
            scaled = norm(frames[:, None, None], present[:, None])[:, 0]  # [B, 1]
            parts += [scaled * present[:, None], present[:, None].to(frames.dtype)]
        return Logits.single(self.head(torch.cat(parts, 1)))  # [B, 4] -> [B, C]


@register_model(
    "fusion-only",
    Card(
        source="Ours: the fusion network of Goncalves & Busso, ICASSP 2022, alone; the ablation of their auxiliary networks",
        missing="Masked out, its summary zero.",
        published="paper",
    ),
)
class FusionOnly(AuxFormer):
    """AuxFormer without its auxiliary networks, in training and in the prediction."""

    def __init__(self, config: ModelConfig, audio_dims: int, video_dims: int, classes: int):
        super().__init__(config, audio_dims, video_dims, classes)
        del self.a_mem, self.v_mem, self.aux

    def forward(self, batch: Batch) -> Logits:
        """Logits of the fusion network alone."""
        return Logits.single(self.fusion(*self.inputs(batch), batch))
