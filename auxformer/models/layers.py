"""The transformer stacks of AuxFormer: attention, one layer, a stack of layers, and the readouts.

B clips, T frames, d width, h heads. Batch first everywhere. Layers and dropouts follow the published description (MulT's
encoder, Tsai et al. 2019, as used by Goncalves & Busso 2022); every deviation is a switch of `ModelConfig`.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn

from auxformer.config import ModelConfig
from auxformer.models import fast


class MultiheadAttention(nn.Module):
    """softmax(Q Kᵀ / √(d/h)) V in h heads, with input and output projections.

    Parameters are laid out and initialised as in `nn.MultiheadAttention`, so checkpoints go both ways; the attention itself
    is PyTorch's fused `scaled_dot_product_attention`, which on CPU is not fused where weights are dropped: there it is ours.
    """

    def __init__(self, width: int, heads: int, dropout: float):
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)
        nn.init.xavier_uniform_(self.in_proj_weight)
        nn.init.zeros_(self.out_proj.bias)

    def forward(self, query, source, visible: torch.Tensor | None = None) -> torch.Tensor:
        """Each frame of `query [B, Tq, d]` asks `source [B, Tk, d]`; `visible` broadcasts to `[B, h, Tq, Tk]`, None = all."""
        q, k, v = self._project(query, source)  # [B, T, d] each
        dropout = self.dropout if self.training else 0.0
        if fast.serves_attention(q, visible, dropout):
            return self.out_proj(fast.attention(q, k, v, self.heads, visible, dropout))  # [B, Tq, d]
        q, k, v = (self._split(x) for x in (q, k, v))  # [B, h, T, d/h] each
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=visible, dropout_p=dropout)
        return self.out_proj(y.transpose(1, 2).flatten(2))  # [B, Tq, d]

    def weights(self, query: torch.Tensor, source: torch.Tensor, visible: torch.Tensor | None = None) -> torch.Tensor:
        """The attention weights `[B, h, Tq, Tk]` themselves, for looking at: rows sum to 1."""
        q, k, _ = (self._split(x) for x in self._project(query, source))
        scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])  # [B, h, Tq, Tk]
        if visible is not None:
            scores = scores.masked_fill(~visible, -math.inf)
        return scores.softmax(-1)

    def _project(self, query: torch.Tensor, source: torch.Tensor):
        width = query.shape[-1]
        if source is query:  # one large product instead of three small ones
            return F.linear(query, self.in_proj_weight, self.in_proj_bias).chunk(3, -1)
        q = F.linear(query, self.in_proj_weight[:width], self.in_proj_bias[:width])
        return q, *F.linear(source, self.in_proj_weight[width:], self.in_proj_bias[width:]).chunk(2, -1)

    def _split(self, x: torch.Tensor) -> torch.Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)  # [B, T, d] -> [B, h, T, d/h]


class Layer(nn.Module):
    """One pre-norm layer: attention and FFN, each on a residual.

    The first LayerNorm is shared by query, key and value. With `mixed` the residual and the branch are blended by one
    learned scalar, x ← α·x + (1−α)·branch, the same α for both, initialised U(0, 1).
    """

    def __init__(self, width: int, config: ModelConfig, attn_dropout: float, mixed: bool):
        super().__init__()
        self.self_attn = MultiheadAttention(width, config.heads, attn_dropout)
        self.fc1, self.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        for linear in (self.fc1, self.fc2):
            nn.init.xavier_uniform_(linear.weight)
            nn.init.zeros_(linear.bias)
        self.layer_norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])
        self.alpha = nn.Parameter(torch.rand(1)) if mixed else None
        self.relu_dropout, self.res_dropout = config.relu_dropout, config.res_dropout

    def forward(self, x, source=None, visible=None, answered=None):
        """`[B, Tq, d]` -> `[B, Tq, d]`.

        Args:
            x: The frames that ask.
            source: `[B, Tk, d]`, the frames that are asked; None for self-attention.
            visible: Which of them each frame may see, see `MultiheadAttention`.
            answered: `[B, 1, 1]`, 0 for a clip whose source is absent: it asks nobody, its attention branch is zero.
        """
        normed = self.layer_norms[0](x)
        keys = normed if source is None else self.layer_norms[0](source)
        branch = self.self_attn(normed, keys, visible)  # [B, Tq, d]
        x = self._add(x, branch if answered is None else branch * answered)
        if fast.usable(x):
            return fast.feed_forward(x, self)
        hidden = F.dropout(F.relu(self.fc1(self.layer_norms[1](x))), self.relu_dropout, self.training)  # [B, Tq, 4d]
        return self._add(x, self.fc2(hidden))  # [B, Tq, d]

    def weights(self, x, source=None, visible=None) -> torch.Tensor:
        """The attention weights `[B, h, Tq, Tk]` of `forward`, for looking at."""
        normed = self.layer_norms[0](x)
        return self.self_attn.weights(normed, normed if source is None else self.layer_norms[0](source), visible)

    def _add(self, residual, branch):
        branch = fast.dropout(branch, self.res_dropout, self.training)
        return residual + branch if self.alpha is None else self.alpha * residual + (1 - self.alpha) * branch


class Stack(nn.Module):
    """Layers with their input scaling, positions, dropout and final LayerNorm.

    Args:
        width: d.
        config: Settings.
        cross: Keys and values come from another stream's input, at every layer.
        mixed: Residuals mixed by a learned α (the self-attention stacks that follow the cross-modal ones).
    """

    def __init__(self, width: int, config: ModelConfig, cross: bool = False, mixed: bool = False):
        super().__init__()
        attn_dropout = config.cross_attn_dropout if cross else config.attn_dropout
        self.layers = nn.ModuleList([Layer(width, config, attn_dropout, mixed) for _ in range(config.layers)])
        self.layer_norm = nn.LayerNorm(width)
        self.embed_dropout, self.scale_input = config.embed_dropout, config.scale_input
        self.causal = config.attn_mask
        self.positions = cross or config.positions == "all"

    def forward(self, x, mask=None, source=None, source_mask=None, record: list | None = None):
        """`[B, Tq, d]` -> `[B, Tq, d]`.

        Args:
            x, mask: The stream and its valid frames `[B, Tq]`; None attends every frame, padding included (published).
            source, source_mask: `[B, Tk, d]` and `[B, Tk]`, the other stream, for a cross-modal stack.
            record: Collects each layer's attention weights `[B, h, Tq, Tk]`.
        """
        x = self.embed(x)
        answered = None
        if source is None:
            visible = self.visible(x.shape[1], x.shape[1], mask, x.device)
        else:
            source = self.embed(source)
            visible = self.visible(x.shape[1], source.shape[1], source_mask, x.device)
            if source_mask is not None:
                answered = source_mask.any(1)[:, None, None].to(x.dtype)  # [B, 1, 1]
        for layer in self.layers:
            if record is not None:
                record.append(layer.weights(x, source, visible))
            x = layer(x, source, visible, answered)
        return self.layer_norm(x)  # [B, Tq, d]

    def embed(self, x: torch.Tensor) -> torch.Tensor:
        """What the first layer is given: the stream scaled, with positions, dropped out; `[B, T, d]`."""
        scaled = math.sqrt(x.shape[-1]) * x if self.scale_input else x
        if self.positions:
            scaled = scaled + sinusoidal_positions(x)
        return fast.dropout(scaled, self.embed_dropout, self.training)

    def visible(self, queries: int, keys: int, valid: torch.Tensor | None, device) -> torch.Tensor | None:
        """Which key each query may see, broadcast to `[B, h, Tq, Tk]`; None = all.

        Args:
            queries, keys: Tq and Tk.
            valid: `[B, Tk]`, the valid frames among the keys; None = all.
            device: Of the answer.
        """
        every = torch.ones(queries, keys, dtype=torch.bool, device=device)
        causal = every.tril(abs(keys - queries)) if self.causal else None  # [Tq, Tk]
        if valid is None:
            return causal
        # The softmax of a row without one visible key is not a number. A clip without a valid frame sees its padding (nobody
        # reads that); a query none of whose earlier keys is left sees the later ones.
        valid = (valid | ~valid.any(1, keepdim=True))[:, None, None, :]  # [B, 1, 1, Tk]
        if causal is None:
            return valid
        both = causal & valid  # [B, 1, Tq, Tk]
        return torch.where(both.any(-1, keepdim=True), both, valid)


def sinusoidal_positions(x: torch.Tensor) -> torch.Tensor:
    """Positions 1, 2, ... as [sin | cos] of d/2 wavelengths from 2π to 20000π, `[B, T, d]`.

    A frame whose first feature is exactly 0 gets no position (zeros), as in the authors' code.
    """
    length, width = x.shape[1:]
    half = width // 2
    rate = torch.exp(torch.arange(half, device=x.device) * (-math.log(10000) / max(half - 1, 1)))  # [d/2]
    angle = torch.arange(1, length + 1, device=x.device)[:, None] * rate  # [T, d/2]
    table = F.pad(torch.cat([angle.sin(), angle.cos()], 1), (0, width % 2))  # [T, d]
    return table.to(x.dtype) * (x[..., :1] != 0)  # [B, T, d]


def pool_frames(x: torch.Tensor, mask: torch.Tensor, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Average every `size` frames into one: x `[B, T, d]` -> `[B, ⌈T/size⌉, d]`, padding left out of each average."""
    if size == 1:
        return x, mask
    extra = -x.shape[1] % size
    x, mask = F.pad(x, (0, 0, 0, extra)), F.pad(mask, (0, extra))
    weight = mask.unflatten(1, (-1, size)).unsqueeze(-1).to(x.dtype)  # [B, T/size, size, 1]
    count = weight.sum(2)  # [B, T/size, 1]
    pooled = (x.unflatten(1, (-1, size)) * weight).sum(2) / count.clamp(min=1)  # [B, T/size, d]
    return pooled, count.squeeze(-1) > 0


def beside_mean(x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Each frame and, beside it, its distance from the mean over the clip's valid frames: `[B, T, D]` -> `[B, T, 2D]`."""
    weight = mask.unsqueeze(-1).to(x.dtype)  # [B, T, 1]
    mean = (x * weight).sum(1, keepdim=True) / weight.sum(1, keepdim=True).clamp(min=1)  # [B, 1, D]
    return torch.cat([x, (x - mean) * weight], -1)


def summarise(x: torch.Tensor, mask: torch.Tensor | None, how: str) -> torch.Tensor:
    """One vector per clip `[B, d]`: the last frame (the last valid one where a mask is given) or the mean over valid frames."""
    if how == "mean":
        if mask is None:
            return x.mean(1)
        weight = mask.unsqueeze(-1).to(x.dtype)  # [B, T, 1]
        return (x * weight).sum(1) / weight.sum(1).clamp(min=1)
    return x[torch.arange(len(x), device=x.device), last_frame(x, mask)]


def last_frame(x: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """Index of the last valid frame of each clip `[B]`; the last of all without a mask, 0 where no frame is valid."""
    if mask is None:
        return torch.full((len(x),), x.shape[1] - 1, device=x.device)
    return (mask * torch.arange(x.shape[1], device=x.device)).amax(1)
