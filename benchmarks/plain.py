"""The published architecture as one would first write it: `nn.MultiheadAttention`, `F.dropout`, frames first, every frame.

Nothing here is meant to be fast. It is what speed is measured against, and it reproduces the parity vectors too.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn


class PlainLayer(nn.Module):
    """Pre-norm attention and FFN, both on residuals."""

    def __init__(self, d, heads, attn_dropout, relu_dropout, res_dropout, mixed, causal):
        super().__init__()
        self.self_attn = nn.MultiheadAttention(d, heads, attn_dropout)
        self.fc1, self.fc2 = nn.Linear(d, 4 * d), nn.Linear(4 * d, d)
        self.layer_norms = nn.ModuleList([nn.LayerNorm(d), nn.LayerNorm(d)])
        self.alpha = nn.Parameter(torch.rand(1)) if mixed else None
        self.relu_dropout, self.res_dropout, self.causal = relu_dropout, res_dropout, causal

    def forward(self, x, source=None):
        normed = self.layer_norms[0](x)
        keys = normed if source is None else self.layer_norms[0](source)
        mask = None
        if self.causal:
            mask = torch.ones(len(x), len(keys), dtype=torch.bool).triu(1 + abs(len(keys) - len(x)))
        y = self.self_attn(normed, keys, keys, attn_mask=mask)[0]
        x = self.mix(x, F.dropout(y, self.res_dropout, self.training))
        y = F.dropout(F.relu(self.fc1(self.layer_norms[1](x))), self.relu_dropout, self.training)
        return self.mix(x, F.dropout(self.fc2(y), self.res_dropout, self.training))

    def mix(self, residual, branch):
        return residual + branch if self.alpha is None else self.alpha * residual + (1 - self.alpha) * branch


class PlainStack(nn.Module):
    """Scaled input, positions when cross-modal, layers, LayerNorm; `[T, B, d]`."""

    def __init__(self, d, config, cross=False, mixed=False):
        super().__init__()
        dropout = config.cross_attn_dropout if cross else config.attn_dropout
        make = lambda: PlainLayer(
            d, config.heads, dropout, config.relu_dropout, config.res_dropout, mixed, config.attn_mask
        )  # noqa: E731
        self.layers = nn.ModuleList([make() for _ in range(config.layers)])
        self.layer_norm, self.embed_dropout, self.cross = nn.LayerNorm(d), config.embed_dropout, cross

    def embed(self, x):
        y = math.sqrt(x.shape[-1]) * x
        if self.cross:
            half = x.shape[-1] // 2
            rate = torch.exp(torch.arange(half) * -(math.log(10000) / (half - 1)))
            angle = torch.arange(1, len(x) + 1)[:, None] * rate
            table = F.pad(torch.cat([angle.sin(), angle.cos()], 1), (0, x.shape[-1] % 2))
            y = y + table[:, None] * (x[..., :1] != 0)
        return F.dropout(y, self.embed_dropout, self.training)

    def forward(self, x, source=None):
        x = self.embed(x)
        source = None if source is None else self.embed(source)
        for layer in self.layers:
            x = layer(x, source)
        return self.layer_norm(x)


class PlainAuxFormer(nn.Module):
    """Same parameters, under the same names, as `auxformer.models.AuxFormer` in its published form."""

    def __init__(self, config, audio_dims, video_dims, classes):
        super().__init__()
        d = config.width
        self.passes, self.out_dropout = config.aux_passes, config.out_dropout
        self.conv_1d_a = nn.Conv1d(audio_dims, d, 1, bias=False) if audio_dims != d else nn.Identity()
        self.conv_1d_v = nn.Conv1d(video_dims, d, 1, bias=False) if video_dims != d else nn.Identity()
        self.trans_a_with_v, self.trans_v_with_a = PlainStack(d, config, cross=True), PlainStack(d, config, cross=True)
        self.trans_a_mem, self.trans_v_mem = PlainStack(d, config, mixed=True), PlainStack(d, config, mixed=True)
        self.a_mem, self.v_mem = PlainStack(d, config), PlainStack(d, config)
        self.proj1, self.proj2, self.out_layer = (
            nn.Linear(2 * d, 2 * d),
            nn.Linear(2 * d, 2 * d),
            nn.Linear(2 * d, classes),
        )
        self.aux = nn.ModuleDict(
            {
                "proj_aux1": nn.Linear(d, config.aux_hidden[0]), "proj_aux2": nn.Linear(*config.aux_hidden),
                "proj_aux3": nn.Linear(config.aux_hidden[1], d), "out_layer_aux": nn.Linear(d, classes),
            }
        )  # fmt: skip

    def forward(self, audio, video):
        """audio `[B, Ta, Da]`, video `[B, Tv, Dv]` -> three logits `[B, C]`."""
        audio = self.conv_1d_a(audio.transpose(1, 2)).permute(2, 0, 1)  # [T, B, d]
        video = self.conv_1d_v(video.transpose(1, 2)).permute(2, 0, 1)
        h_a = self.trans_a_mem(self.trans_a_with_v(audio, video))[-1]
        h_v = self.trans_v_mem(self.trans_v_with_a(video, audio))[-1]
        z = torch.cat([h_a, h_v], 1)
        z = z + self.proj2(F.dropout(F.relu(self.proj1(z)), self.out_dropout, self.training))
        return self.out_layer(z), self.auxiliary(self.a_mem, audio), self.auxiliary(self.v_mem, video)

    def auxiliary(self, stack, x):
        for _ in range(self.passes):
            x = stack(x)
        r = x[-1]
        y = F.dropout(F.relu(self.aux["proj_aux1"](r)), self.out_dropout, self.training)
        y = F.dropout(F.relu(self.aux["proj_aux2"](y)), self.out_dropout, self.training)
        return self.aux["out_layer_aux"](r + self.aux["proj_aux3"](y))
