"""AuxFormer: a fusion transformer, two auxiliary networks, one shared loss (Goncalves & Busso, ICASSP 2022)."""

from dataclasses import replace
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from auxformer.config import ModelConfig, preset
from auxformer.data.batch import Batch
from auxformer.models import fast
from auxformer.models.layers import Stack, beside_mean, last_frame, pool_frames, summarise
from auxformer.models.registry import Card, register_model
from auxformer.models.synchrony import Synchrony

PUBLISHED_SWITCHES = (
    "aux_passes", "attn_mask", "scale_input", "positions", "padding", "summary", "absent", "relative", "synchrony", "audio_pool",
    "video_pool",
)  # fmt: skip
"""Settings by which the authors' code differs from ours whatever the size of the network; preset paper has its values."""


class Logits(NamedTuple):
    """Scores `[B, C]` of the fusion network (av) and of the auxiliary networks (a, v), and how each counts `[B, 3]`.

    `extra` (a scalar, in training only) is what a model adds to the loss of its fusion head: reconstructions and the like.
    Where a model answers it: how likely the streams are in step, and by how many frames the face comes later `[B]` each.
    """

    av: torch.Tensor
    a: torch.Tensor
    v: torch.Tensor
    weights: torch.Tensor
    extra: torch.Tensor | None = None
    in_step: torch.Tensor | None = None
    lag: torch.Tensor | None = None

    @classmethod
    def single(cls, scores: torch.Tensor, extra: torch.Tensor | None = None) -> "Logits":
        """What a model with one head gives: its scores `[B, C]` three times, with the weights (1, 0, 0)."""
        weights = torch.zeros(len(scores), 3, device=scores.device, dtype=scores.dtype)
        weights[:, 0] = 1
        return cls(scores, scores, scores, weights, extra)

    def mean(self) -> torch.Tensor:
        """The prediction: weighted mean of the three logits, `[B, C]`."""
        share = self.weights / self.weights.sum(1, keepdim=True)
        heads = torch.stack([self.av, self.a, self.v], 1)  # [B, 3, C]
        return (heads * share.unsqueeze(-1)).sum(1)


def shared_loss(
    logits: Logits, target: torch.Tensor, loss_weights=(1 / 3, 1 / 3, 1 / 3), label_smoothing=0.0
) -> torch.Tensor:
    """w_av·L_av + w_a·L_a + w_v·L_v, cross-entropy each; scalar.

    The head of an absent stream (weight 0 in `logits.weights`) is left out for that clip. With the published weights of 1
    everywhere this is (L_av + L_a + L_v)/3. A model's own `logits.extra` is added to L_av.

    Args:
        logits: Of a model.
        target: `[B, C]` shares, rows sum to 1.
        loss_weights: Of the fusion, audio and video heads.
        label_smoothing: Share of each target spread over the classes.
    """
    losses = [F.cross_entropy(head, target, reduction="none", label_smoothing=label_smoothing) for head in logits[:3]]
    counted = (torch.stack(losses, 1) * logits.weights).unbind(1)  # 3 x [B]
    loss = sum(weight * head for weight, head in zip(loss_weights, counted)).mean()  # numbers: a tensor of them makes a GPU wait
    return loss if logits.extra is None else loss + loss_weights[0] * logits.extra


class AuxiliaryHead(nn.Module):
    """r + MLP(r), then a linear layer to the classes; shared by the audio and the video auxiliary network."""

    def __init__(self, width: int, hidden: tuple[int, int], classes: int, dropout: float):
        super().__init__()
        self.proj_aux1 = nn.Linear(width, hidden[0])
        self.proj_aux2 = nn.Linear(hidden[0], hidden[1])
        self.proj_aux3 = nn.Linear(hidden[1], width)
        self.out_layer_aux = nn.Linear(width, classes)
        self.dropout = dropout

    def forward(self, r: torch.Tensor) -> torch.Tensor:
        """`[B, d]` -> `[B, C]`."""
        hidden = F.dropout(F.relu(self.proj_aux1(r)), self.dropout, self.training)
        hidden = F.dropout(F.relu(self.proj_aux2(hidden)), self.dropout, self.training)
        return self.out_layer_aux(r + self.proj_aux3(hidden))


class AuxFormer(nn.Module):
    """Fusion transformer and auxiliary networks over two streams.

    Args:
        config: Settings; `preset("paper").model` and `preset("release").model` are the published forms.
        audio_dims, video_dims: Width of the feature vectors; a stream whose width is not `config.width` is projected.
        classes: Number of classes C.
    """

    def __init__(self, config: ModelConfig, audio_dims: int, video_dims: int, classes: int):
        super().__init__()
        self.config = config
        d = config.width
        if config.absent == "token":  # one learned frame stands for an absent stream; features are normalised, hence 0s
            self.audio_token, self.video_token = nn.Parameter(torch.zeros(d)), nn.Parameter(torch.zeros(d))
        self.synchrony = Synchrony(config, audio_dims, video_dims) if config.synchrony else None
        if config.relative:
            audio_dims, video_dims = 2 * audio_dims, 2 * video_dims
        self.conv_1d_a = nn.Conv1d(audio_dims, d, 1, bias=False) if audio_dims != d else None
        self.conv_1d_v = nn.Conv1d(video_dims, d, 1, bias=False) if video_dims != d else None
        self.trans_a_with_v = Stack(d, config, cross=True)
        self.trans_v_with_a = Stack(d, config, cross=True)
        self.trans_a_mem = Stack(d, config, mixed=True)
        self.trans_v_mem = Stack(d, config, mixed=True)
        self.a_mem = Stack(d, config)
        self.v_mem = Stack(d, config)
        self.proj1, self.proj2 = nn.Linear(2 * d, 2 * d), nn.Linear(2 * d, 2 * d)
        self.out_layer = nn.Linear(2 * d, classes)
        self.aux = AuxiliaryHead(d, config.aux_hidden, classes, config.out_dropout)

    def forward(self, batch: Batch) -> Logits:
        """Logits of the three heads, `[B, C]` each."""
        audio, audio_mask, video, video_mask = self.inputs(batch)
        step = self.synchrony(batch) if self.synchrony else None
        logits = Logits(
            self.fusion(audio, audio_mask, video, video_mask, batch, step=step),
            self.auxiliary(self.a_mem, audio, audio_mask),
            self.auxiliary(self.v_mem, video, video_mask),
            self._head_weights(batch),
        )
        return self.synchrony.vote(logits, step, batch) if step else logits

    def inputs(self, batch: Batch):
        """Pooled and projected streams `[B, T, d]` with the masks of what may be attended (None = everything).

        In an absent stream nothing may be: its mask is False throughout (`absent = "flag"`).
        """
        audio, audio_mask = pool_frames(batch.audio, batch.audio_mask, self.config.audio_pool)
        video, video_mask = pool_frames(batch.video, batch.video_mask, self.config.video_pool)
        if self.config.relative:
            audio, video = beside_mean(audio, audio_mask), beside_mean(video, video_mask)  # [B, T, 2D]
        audio, video = _project(self.conv_1d_a, audio), _project(self.conv_1d_v, video)  # [B, T, d]
        if self.config.absent == "token":
            audio, audio_mask = _token(audio, audio_mask, batch.audio_present, self.audio_token)
            video, video_mask = _token(video, video_mask, batch.video_present, self.video_token)
        if self.config.padding == "attended":
            if self.config.absent != "flag":
                return audio, None, video, None
            audio_mask, video_mask = torch.ones_like(audio_mask), torch.ones_like(video_mask)
        if self.config.absent == "flag":
            audio_mask = audio_mask & batch.audio_present[:, None]
            video_mask = video_mask & batch.video_present[:, None]
        return audio, audio_mask, video, video_mask

    def fusion(self, audio, audio_mask, video, video_mask, batch: Batch, record: dict | None = None, step=None) -> torch.Tensor:
        """f_av: each stream asks the other, then itself; summaries side by side, residual MLP, classes. `[B, C]`.

        `record` collects attention weights under "a<-v" and "v<-a", a list with one `[B, h, Tq, Tk]` per layer.
        """
        notes = (None, None) if record is None else (record.setdefault("a<-v", []), record.setdefault("v<-a", []))
        h_a = self.trans_a_with_v(audio, audio_mask, video, video_mask, notes[0])  # [B, Ta, d]
        h_v = self.trans_v_with_a(video, video_mask, audio, audio_mask, notes[1])  # [B, Tv, d]
        s_a, s_v = self._summary(self.trans_a_mem, h_a, audio_mask), self._summary(self.trans_v_mem, h_v, video_mask)
        if self.config.absent == "flag":
            s_a, s_v = s_a * batch.audio_present[:, None], s_v * batch.video_present[:, None]
        z = torch.cat([s_a, s_v], 1)  # [B, 2d]
        z = self.synchrony.inform(z, step) if step else z
        z = z + self.proj2(F.dropout(F.relu(self.proj1(z)), self.config.out_dropout, self.training))
        return self.out_layer(z)

    def auxiliary(self, stack: Stack, x: torch.Tensor, mask) -> torch.Tensor:
        """f_a or f_v: the stream's own stack, `aux_passes` times with tied weights, then the shared head. `[B, C]`."""
        for _ in range(self.config.aux_passes - 1):
            x = stack(x, mask)  # [B, T, d]
        return self.aux(self._summary(stack, x, mask))

    def _summary(self, stack: Stack, x: torch.Tensor, mask) -> torch.Tensor:
        """What the stack makes of each clip, as one vector `[B, d]`."""
        if self.config.summary == "last":  # no other frame of the last layer is ever read
            return fast.output_at(stack, x, mask, last_frame(x, mask))
        return summarise(stack(x, mask), mask, self.config.summary)

    def _head_weights(self, batch: Batch) -> torch.Tensor:
        always = torch.ones_like(batch.audio_present)
        if self.config.absent == "zeros":
            weights = [always, always, always]
        else:
            weights = [always, batch.audio_present, batch.video_present]
        if self.config.answer == "fusion" and not self.training:
            weights[1:] = torch.zeros_like(always), torch.zeros_like(always)
        return torch.stack(weights, 1).to(batch.audio.dtype)  # [B, 3]


def _token(x, mask, present, token):
    """x `[B, T, d]` and its mask `[B, T]`, a learned vector `[d]` in the first frame of each absent stream and nothing behind it."""
    first = torch.arange(x.shape[1], device=x.device) == 0  # [T]
    alone = first & ~present[:, None]  # [B, T]
    return torch.where(alone.unsqueeze(-1), token, x), torch.where(present[:, None], mask, first)


def _project(convolution: nn.Conv1d | None, x: torch.Tensor) -> torch.Tensor:
    """A 1x1 convolution is a linear map per frame: `[B, T, D]` -> `[B, T, d]` without transposing."""
    return x if convolution is None else F.linear(x, convolution.weight.squeeze(-1))


@register_model(
    "auxformer",
    Card(
        source="Goncalves & Busso, ICASSP 2022, with our switches",
        missing="Masked out, its summary zero, its head left out of the average.",
        deviations="Masked padding, presence flags, last valid frame or mean, no causal mask, frames beside their clip's mean; "
        "each is a switch of ModelConfig.",
        published="paper",
    ),
)
def _default(config, audio_dims, video_dims, classes):
    """AuxFormer with masked padding and presence flags (ours)."""
    return AuxFormer(config, audio_dims, video_dims, classes)


@register_model(
    "auxformer-published",
    Card(
        source="Goncalves & Busso, ICASSP 2022: the authors' code, 2021 form (preset paper) and 2022 form (preset release)",
        missing="Zeros that the network attends; the absent stream's head still votes.",
        deviations="None in the network (parity to 1e-5): it has the published switches whatever the config says of them. Its "
        "size and how it is trained are the config's; preset paper has theirs. To change one switch, name it auxformer.",
        published="paper",
    ),
)
def _published(config, audio_dims, video_dims, classes):
    """AuxFormer as its authors' code builds it."""
    published = preset("paper").model
    switches = {name: getattr(published, name) for name in PUBLISHED_SWITCHES}
    return AuxFormer(replace(config, **switches), audio_dims, video_dims, classes)
