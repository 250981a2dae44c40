"""MMIN (Zhao, Li & Jin, ACL 2021): imagine the embedding of a missing stream from the one that is there, and back again.

B clips, d width of a stream's embedding; both streams side by side are 2d wide.
"""

import torch
from torch import nn

from auxformer.config import ModelConfig
from auxformer.data.batch import Batch
from auxformer.models.auxformer import Logits
from auxformer.models.registry import Card, register_model
from auxformer.models.rivals.streams import Mlp, dims_of, max_over_time, streams_of

BLOCKS, IMAGINATION, CYCLE = 5, 4.0, 2.0
"""Autoencoders in a cascade; weights of the imagined and of the cycled embedding in the loss."""


class Embedding(nn.Module):
    """An LSTM over the frames, largest state over time."""

    def __init__(self, dims: int, width: int):
        super().__init__()
        self.lstm = nn.LSTM(dims, width, batch_first=True)

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """`[B, T, D]` with its mask -> `[B, d]`, zero where the stream is absent."""
        return max_over_time(self.lstm(x)[0], mask)


class Cascade(nn.Module):
    """Residual autoencoders in a row: each reads the input plus everything that those before it made."""

    def __init__(self, width: int):
        super().__init__()
        w = width, width // 2, width // 4
        self.down = nn.ModuleList(
            nn.Sequential(nn.Linear(width, w[0]), nn.LeakyReLU(), nn.Linear(w[0], w[1]), nn.LeakyReLU(), nn.Linear(w[1], w[2]), nn.LeakyReLU())
            for _ in range(BLOCKS)
        )  # fmt: skip
        self.up = nn.ModuleList(Mlp(w[2], w[1], w[0], width) for _ in range(BLOCKS))
        self.out = Mlp(width, width, width)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """`[B, 2d]` -> the imagined embeddings `[B, 2d]` and the latents `[B, 5·d/2]`."""
        total, latents = x, []
        for down, up in zip(self.down, self.up):
            latents.append(down(total))
            made = up(latents[-1])
            total = total + made
        return self.out(made), torch.cat(latents, 1)


CARD = Card(
    source="Zhao, Li & Jin, ACL 2021; models/mmin_model.py, scripts/CAP_mmin.sh",
    published="mmin-published",
    missing="Its embedding is zero, the cascade imagines it, and the class is read off the cascade's latents.",
    deviations="One stage instead of two: teacher and student share the stream encoders and learn together; what the student "
    "imagines is held against the teacher's embedding, detached. The pattern complete is drawn as often as the other "
    "two. One dropout for both classifiers. The learning rate does not decay linearly but by a cosine.",
)


@register_model("mmin", CARD)
class Mmin(nn.Module):
    """MMIN: imagines the embedding of a missing stream."""

    def __init__(self, config: ModelConfig, audio_dims: int, video_dims: int, classes: int):
        super().__init__()
        self.config, d = config, config.width
        audio_dims, video_dims = dims_of(audio_dims, video_dims, config)
        self.audio, self.video = Embedding(audio_dims, d), Embedding(video_dims, d)
        self.teacher = Mlp(2 * d, d, d, classes, dropout=config.out_dropout)
        self.imagine, self.back = Cascade(2 * d), Cascade(2 * d)
        self.student = Mlp(BLOCKS * (2 * d // 4), d, d, classes, dropout=config.out_dropout)

    def forward(self, batch: Batch) -> Logits:
        """Logits of the student; in training the teacher stands in the place of the audio head, for clips with both streams.

        Such a clip loses one stream, or none, with a third of the chance each, before the student sees it.
        """
        audio, video = streams_of(batch, self.config)
        known = torch.cat([self.audio(audio.x, audio.mask), self.video(video.x, video.mask)], 1)  # [B, 2d]
        has = torch.cat([audio.present, video.present], 1)  # [B, 2]
        kept = has * self._pattern(has) if self.training else has
        given = known * _per_feature(kept, known)
        imagined, latents = self.imagine(given)
        logits = self.student(latents)
        if not self.training:
            return Logits.single(logits)
        both = has.prod(1)  # [B]
        weights = torch.stack([torch.ones_like(both), both, torch.zeros_like(both)], 1)  # [B, 3]
        extra = IMAGINATION * _error(imagined, known, has - kept) + CYCLE * _error(self.back(imagined)[0], given, kept)
        return Logits(logits, self.teacher(known), logits, weights, extra)

    @staticmethod
    def _pattern(has: torch.Tensor) -> torch.Tensor:
        """1 where a stream may stay, `[B, 2]`; a clip with one stream keeps it."""
        patterns = has.new_tensor([[1, 1], [1, 0], [0, 1]])
        drawn = patterns[torch.randint(3, (len(has),), device=has.device)]
        return torch.where(has.prod(1, keepdim=True) > 0, drawn, torch.ones_like(drawn))


def _per_feature(streams: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """A number per stream `[B, 2]` as one per feature `[B, 2d]`."""
    return streams.repeat_interleave(like.shape[1] // 2, 1)


def _error(made: torch.Tensor, truth: torch.Tensor, where: torch.Tensor) -> torch.Tensor:
    """Mean squared error over the streams marked in `where` `[B, 2]`; the truth is not taught by it. Scalar."""
    weight = _per_feature(where, made)
    return ((made - truth.detach()).square() * weight).sum() / weight.sum().clamp(min=1)
