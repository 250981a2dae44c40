"""AuxFormer: a fusion transformer, two auxiliary networks, one shared loss (Goncalves & Busso, ICASSP 2022)."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from auxformer.config import ModelConfig
from auxformer.dataset import Batch
from auxformer.models.layers import Stack, beside_mean, pool_frames, summarise
from auxformer.models.registry import register_model


class Logits(NamedTuple):
    """Scores `[B, C]` of the fusion network (av) and of the auxiliary networks (a, v), and how each counts `[B, 3]`.

    A model with one head gives the same tensor three times and the weights (1, 0, 0).
    """

    av: torch.Tensor
    a: torch.Tensor
    v: torch.Tensor
    weights: torch.Tensor

    def mean(self) -> torch.Tensor:
        """The prediction: weighted mean of the three logits, `[B, C]`."""
        share = self.weights / self.weights.sum(1, keepdim=True)
        heads = torch.stack([self.av, self.a, self.v], 1)  # [B, 3, C]
        return (heads * share.unsqueeze(-1)).sum(1)


def shared_loss(logits: Logits, target: torch.Tensor, loss_weights=(1 / 3, 1 / 3, 1 / 3), label_smoothing=0.0) -> torch.Tensor:
    """w_av·L_av + w_a·L_a + w_v·L_v, cross-entropy each; scalar.

    The head of an absent stream (weight 0 in `logits.weights`) is left out for that clip. With the published weights of 1
    everywhere this is (L_av + L_a + L_v)/3.

    Args:
        logits: Of a model.
        target: `[B, C]` shares, rows sum to 1.
        loss_weights: Of the fusion, audio and video heads.
        label_smoothing: Share of each target spread over the classes.
    """
    losses = [F.cross_entropy(head, target, reduction="none", label_smoothing=label_smoothing) for head in logits[:3]]
    counted = torch.stack(losses, 1) * logits.weights  # [B, 3]
    return (counted * counted.new_tensor(loss_weights)).sum(1).mean()


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
        return Logits(
            self.fusion(audio, audio_mask, video, video_mask, batch),
            self.auxiliary(self.a_mem, audio, audio_mask),
            self.auxiliary(self.v_mem, video, video_mask),
            self._head_weights(batch),
        )

    def inputs(self, batch: Batch):
        """Pooled and projected streams `[B, T, d]` with the masks of what may be attended (None = everything).

        In an absent stream nothing may be: its mask is False throughout (`absent = "flag"`).
        """
        audio, audio_mask = pool_frames(batch.audio, batch.audio_mask, self.config.audio_pool)
        video, video_mask = pool_frames(batch.video, batch.video_mask, self.config.video_pool)
        if self.config.relative:
            audio, video = beside_mean(audio, audio_mask), beside_mean(video, video_mask)  # [B, T, 2D]
        audio, video = _project(self.conv_1d_a, audio), _project(self.conv_1d_v, video)  # [B, T, d]
        if self.config.padding == "attended":
            if self.config.absent == "zeros":
                return audio, None, video, None
            audio_mask, video_mask = torch.ones_like(audio_mask), torch.ones_like(video_mask)
        if self.config.absent == "flag":
            audio_mask = audio_mask & batch.audio_present[:, None]
            video_mask = video_mask & batch.video_present[:, None]
        return audio, audio_mask, video, video_mask

    def fusion(self, audio, audio_mask, video, video_mask, batch: Batch, record: dict | None = None) -> torch.Tensor:
        """f_av: each stream asks the other, then itself; summaries side by side, residual MLP, classes. `[B, C]`.

        `record` collects attention weights under "a<-v" and "v<-a", a list with one `[B, h, Tq, Tk]` per layer.
        """
        notes = {} if record is None else {"a<-v": [], "v<-a": []}
        h_a = self.trans_a_with_v(audio, audio_mask, video, video_mask, notes.get("a<-v"))  # [B, Ta, d]
        h_v = self.trans_v_with_a(video, video_mask, audio, audio_mask, notes.get("v<-a"))  # [B, Tv, d]
        h_a, h_v = self.trans_a_mem(h_a, audio_mask), self.trans_v_mem(h_v, video_mask)
        s_a, s_v = summarise(h_a, audio_mask, self.config.summary), summarise(h_v, video_mask, self.config.summary)
        if self.config.absent == "flag":
            s_a, s_v = s_a * batch.audio_present[:, None], s_v * batch.video_present[:, None]
        z = torch.cat([s_a, s_v], 1)  # [B, 2d]
        z = z + self.proj2(F.dropout(F.relu(self.proj1(z)), self.config.out_dropout, self.training))
        if record is not None:
            record.update(notes)
        return self.out_layer(z)

    def auxiliary(self, stack: Stack, x: torch.Tensor, mask) -> torch.Tensor:
        """f_a or f_v: the stream's own stack, `aux_passes` times with tied weights, then the shared head. `[B, C]`."""
        for _ in range(self.config.aux_passes):
            x = stack(x, mask)  # [B, T, d]
        return self.aux(summarise(x, mask, self.config.summary))

    def _head_weights(self, batch: Batch) -> torch.Tensor:
        always = torch.ones_like(batch.audio_present)
        if self.config.absent == "zeros":
            weights = [always, always, always]
        else:
            weights = [always, batch.audio_present, batch.video_present]
        return torch.stack(weights, 1).to(batch.audio.dtype)  # [B, 3]


def _project(convolution: nn.Conv1d | None, x: torch.Tensor) -> torch.Tensor:
    """A 1x1 convolution is a linear map per frame: `[B, T, D]` -> `[B, T, d]` without transposing."""
    return x if convolution is None else F.linear(x, convolution.weight.squeeze(-1))


@register_model("auxformer")
def _default(config, audio_dims, video_dims, classes):
    """AuxFormer with masked padding and presence flags (ours)."""
    return AuxFormer(config, audio_dims, video_dims, classes)


@register_model("auxformer-published")
def _published(config, audio_dims, video_dims, classes):
    """AuxFormer as its authors' code builds it."""
    return AuxFormer(config, audio_dims, video_dims, classes)
