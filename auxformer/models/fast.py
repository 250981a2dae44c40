"""The costly parts of a layer on CPU: dropout, attention with dropout, the feed-forward branch.

Each gives what PyTorch's own operations give, to rounding, in a fraction of the time: masks are cut from 64-bit random words
(PyTorch draws a number per element), attention works clip by clip so that its weights stay in the cache, and the
feed-forward branch goes through a few hundred frames at a time. What backward needs again is recomputed, not kept (attention
weights that are kept make a step of the published form 1.04 times as fast and take two thirds more memory).
N frames, d width, B clips, T frames of a clip, h heads. Everywhere else (GPU, autocast, other types) `layers` uses PyTorch's own.
"""

import contextlib
import contextvars
import math

import numpy as np
import torch
import torch.nn.functional as F

FRAMES = 1024
"""Frames of the feed-forward branch at a time: their hidden layer fits in a core's cache."""
QUERIES = 84
"""Queries of a causal attention at a time: keys that none of them may see are never touched."""
CLIP_WEIGHTS = 2**15
"""Attention weights per head that are worked on at a time."""


_wanted = contextvars.ContextVar("fast paths", default=True)


@contextlib.contextmanager
def switched_off():
    """PyTorch's own operations inside the block, for comparison."""
    token = _wanted.set(False)
    try:
        yield
    finally:
        _wanted.reset(token)


def usable(x: torch.Tensor) -> bool:
    """Whether these paths serve `x`: float32 (or float64) on CPU, outside autocast and `torch.compile`."""
    if torch.compiler.is_compiling():  # the compiler writes its own fused code and cannot follow NumPy's masks
        return False
    served = x.device.type == "cpu" and x.dtype in (torch.float32, torch.float64)
    return served and _wanted.get() and not torch.is_autocast_enabled("cpu")


def serves_attention(q: torch.Tensor, visible: torch.Tensor | None, p: float) -> bool:
    """Whether `attention` is faster than PyTorch's: where weights are dropped out or a causal mask hides many keys."""
    if visible is not None and visible.dtype != torch.bool:  # numbers to be added to the scores
        return False
    return usable(q) and (p > 0 or (visible is not None and visible.shape[-2] > 1))


def draw(shape, p: float) -> tuple[torch.Tensor, int]:
    """Uniform bytes `[shape]` and the cut below which an element is dropped; seeded by torch's CPU generator.

    Eight elements are cut from each 64-bit word of NumPy's SFC64. The cut is one of the two 256ths next to p, each so often
    that an element is dropped with probability p (to 1/2**24).
    """
    seed, count = int(torch.randint(2**62, ())), math.prod(shape)
    words = np.random.SFC64(seed >> 16).random_raw((count + 7) // 8)
    cut = math.floor(256 * p + (seed & 0xFFFF) / 0x10000)
    return torch.from_numpy(words.view(np.uint8))[:count].view(shape), cut


def kept(drawn: torch.Tensor, cut: int, dtype=torch.float32) -> torch.Tensor:
    """What was drawn as a mask of ones and zeros.

    A comparison that writes numbers takes a sixth of the time of one that writes truth values which are then converted.
    """
    return torch.ge(drawn, cut, out=torch.empty(drawn.shape, dtype=dtype))


class _Dropout(torch.autograd.Function):
    @staticmethod
    def forward(context, x, p):
        drawn, cut = draw(x.shape, p)
        context.save_for_backward(drawn)
        context.cut, context.scale = cut, 1 / (1 - p)
        return kept(drawn, cut, x.dtype).mul_(x).mul_(context.scale)

    @staticmethod
    def backward(context, grad):
        (drawn,) = context.saved_tensors
        return kept(drawn, context.cut, grad.dtype).mul_(grad).mul_(context.scale), None


def dropout(x: torch.Tensor, p: float, training: bool) -> torch.Tensor:
    """`F.dropout`, faster on CPU."""
    if not training or p == 0:
        return x
    return _Dropout.apply(x, p) if usable(x) and p < 1 else F.dropout(x, p, True)


class _Attention(torch.autograd.Function):
    """softmax(q kᵀ / √dh + bias), dropped out, times v: a few clips and `QUERIES` queries at a time."""

    @staticmethod
    def forward(context, q, k, v, heads, bias, p):
        blocks = _blocks(q.shape[1], k.shape[1], bias)
        y, draws, cuts = torch.empty(q.shape, dtype=q.dtype), [], []
        for clips in _groups(q, k):
            qs, ks, vs = (_split(x[clips], heads) for x in (q, k, v))  # [clips * h, T, D]
            for rows, keys in blocks:
                weights = _weights(qs, ks, q.shape[2] // heads, bias, clips, rows, keys)  # [clips * h, rows, keys]
                if p:
                    drawn, cut = draw(weights.shape, p)
                    draws.append(drawn)
                    cuts.append(cut)
                    weights.mul_(kept(drawn, cut, weights.dtype))
                _join(weights @ vs[:, keys], y[clips, rows], heads)
        context.save_for_backward(q, k, v, bias, *draws)
        context.heads, context.blocks, context.p, context.cuts = heads, blocks, p, cuts
        return y.mul_(1 / (1 - p)) if p else y  # the factor of dropout, where there are fewer numbers to multiply

    @staticmethod
    def backward(context, grad):
        q, k, v, bias, *draws = context.saved_tensors
        heads, p, draws = context.heads, context.p, iter(zip(draws, context.cuts))
        dh = q.shape[2] // heads
        dq, dk, dv = (torch.empty(x.shape, dtype=x.dtype) for x in (q, k, v))
        for clips in _groups(q, k):
            qs, ks, vs = (_split(x[clips], heads) for x in (q, k, v))  # [clips * h, T, D]
            gs = _split(grad[clips], heads).mul_(1 / (1 - p))
            dks, dvs = torch.zeros_like(ks), torch.zeros_like(vs)
            for rows, keys in context.blocks:
                weights, g = _weights(qs, ks, dh, bias, clips, rows, keys), gs[:, rows]
                back, dropped = g @ vs[:, keys].transpose(1, 2), weights  # [clips * h, rows, keys]
                if p:
                    mask = kept(*next(draws), weights.dtype)
                    back.mul_(mask)
                    dropped = mask.mul_(weights)
                dvs[:, keys] += dropped.transpose(1, 2) @ g
                back = torch._softmax_backward_data(back, weights, -1, weights.dtype)
                _join(back @ ks[:, keys], dq[clips, rows], heads)
                dks[:, keys] += back.transpose(1, 2) @ qs[:, rows]
            _join(dks, dk[clips], heads)
            _join(dvs, dv[clips], heads)
        scale = 1 / math.sqrt(dh)
        return dq.mul_(scale), dk.mul_(scale), dv, None, None, None


def _groups(q, k) -> list[slice]:
    """Which clips go together: as many as keep their weights in the cache, at least one a core."""
    return _pieces(len(q), max(torch.get_num_threads(), CLIP_WEIGHTS // (min(q.shape[1], QUERIES) * k.shape[1])))


def _split(x: torch.Tensor, heads: int) -> torch.Tensor:
    """`[B, T, d]` -> `[B * h, T, D]`: D is dh filled up with zeros to a multiple of 16, which is twice as fast to multiply as 13."""
    dh = x.shape[2] // heads
    parts = torch.zeros(len(x), heads, x.shape[1], -(-dh // 16) * 16, dtype=x.dtype)
    parts[..., :dh] = x.unflatten(-1, (heads, dh)).transpose(1, 2)
    return parts.flatten(0, 1)


def _join(parts: torch.Tensor, out: torch.Tensor, heads: int) -> None:
    """The way back, `[B * h, T, D]` -> `out` `[B, T, d]`."""
    dh = out.shape[2] // heads
    out.unflatten(-1, (heads, dh)).transpose(1, 2).copy_(parts.unflatten(0, (-1, heads))[..., :dh])


def _blocks(queries: int, keys: int, bias: torch.Tensor | None) -> list[tuple[slice, slice]]:
    """Which queries go together, and the keys up to the last that one of them may see."""
    if bias is None or bias.shape[2] == 1:
        return [(slice(0, queries), slice(0, keys))]
    seen = (bias == 0).any(0).any(0).numpy()  # [Tq, Tk]
    last = keys - seen[:, ::-1].argmax(1)  # [Tq], one behind the last visible key
    return [(rows, slice(0, int(last[rows].max()))) for rows in _pieces(queries, QUERIES)]


def _weights(qs, ks, dh: int, bias, clips: slice, rows: slice, keys: slice) -> torch.Tensor:
    """Weights before dropout, `[clips * h, rows, keys]`."""
    scores = (qs[:, rows] * (1 / math.sqrt(dh))) @ ks[:, keys].transpose(1, 2)
    if bias is not None:
        own = bias[clips if len(bias) > 1 else slice(None), :, rows if bias.shape[2] > 1 else slice(None), keys]
        own = own.expand(clips.stop - clips.start, -1, -1, -1)
        scores.unflatten(0, (len(own), -1)).add_(own)
    return torch.softmax(scores, -1)


def attention(q, k, v, heads: int, visible: torch.Tensor | None, p: float) -> torch.Tensor:
    """Attention of q `[B, Tq, d]` to k, v `[B, Tk, d]` in h heads, with dropout p of its weights: `[B, Tq, d]`.

    Args:
        q, k, v: Queries, keys, values.
        heads: h, divides d.
        visible: What may be seen, broadcast to `[B, 1, Tq, Tk]`, one key at least by each query; None = everything.
        p: Dropout of the weights.
    """
    bias = None
    if visible is not None:
        visible = visible[(None,) * (4 - visible.dim())]
        bias = torch.zeros(visible.shape, dtype=q.dtype).masked_fill_(~visible, -math.inf)
    return _Attention.apply(q, k, v, heads, bias, p)


class _FeedForward(torch.autograd.Function):
    """x joined with drop(W₂ drop(relu(W₁ LN(x)))), `FRAMES` frames at a time."""

    @staticmethod
    def forward(context, x, weight, bias, w1, b1, w2, b2, alpha, eps, p_hidden, p_out, learning):
        y, hidden = torch.empty_like(x), x.new_empty(len(x) if learning else FRAMES, len(w1))
        branch = torch.empty_like(x) if learning and alpha is not None else None
        drawn, cut = draw(x.shape, p_out) if p_out else (None, 0)
        for rows in _pieces(len(x), FRAMES):
            h = hidden[rows] if learning else hidden[: rows.stop - rows.start]
            torch.addmm(b1, F.layer_norm(x[rows], x.shape[1:], weight, bias, eps), w1.t(), out=h).relu_()
            if p_hidden:
                h.mul_(kept(*draw(h.shape, p_hidden), x.dtype))
            out = torch.addmm(b2, h, w2.t(), alpha=1 / (1 - p_hidden), out=y[rows])
            if p_out:
                out.mul_(kept(drawn[rows], cut, x.dtype)).mul_(1 / (1 - p_out))
            if branch is not None:
                branch[rows] = out
            if alpha is not None:
                out.mul_(1 - alpha).addcmul_(x[rows], alpha)
            else:
                out.add_(x[rows])
        context.save_for_backward(x, weight, bias, w1, w2, alpha, hidden, branch, drawn)
        context.settings = eps, p_hidden, p_out, cut
        return y

    @staticmethod
    def backward(context, grad):
        x, weight, bias, w1, w2, alpha, hidden, branch, drawn = context.saved_tensors
        eps, p_hidden, p_out, cut = context.settings
        grad, scale = grad.contiguous(), 1 / (1 - p_hidden)
        w2_scaled = w2 * scale
        dx = torch.empty_like(x)
        dw1, dw2 = torch.zeros_like(w1), torch.zeros_like(w2)
        db1, db2 = torch.zeros_like(w1[:, 0]), torch.zeros_like(w2[:, 0])
        dweight, dbias = torch.zeros_like(weight), torch.zeros_like(bias)
        for rows in _pieces(len(x), FRAMES):
            g = grad[rows] if alpha is None else grad[rows] * (1 - alpha)
            if p_out:
                g = kept(drawn[rows], cut, x.dtype).mul_(g).mul_(1 / (1 - p_out))
            h = hidden[rows]
            db2 += g.sum(0)
            dw2.addmm_(g.t(), h, alpha=scale)
            # A hidden unit is 0 where it was cut by the ReLU or by dropout; neither passes anything back.
            dh = torch.ops.aten.threshold_backward(g @ w2_scaled, h, 0)
            normed, mean, rstd = torch.native_layer_norm(x[rows], x.shape[1:], weight, bias, eps)
            db1 += dh.sum(0)
            dw1.addmm_(dh.t(), normed)
            back = torch.ops.aten.native_layer_norm_backward(
                dh @ w1, x[rows], x.shape[1:], mean, rstd, weight, bias, [True, True, True]
            )
            dweight += back[1]
            dbias += back[2]
            torch.add(back[0], grad[rows] if alpha is None else grad[rows] * alpha, out=dx[rows])
        dalpha = None if alpha is None else (grad * (x - branch)).sum().view_as(alpha)
        return dx, dweight, dbias, dw1, db1, dw2, db2, dalpha, None, None, None, None


def _pieces(count: int, size: int) -> list[slice]:
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]


def feed_forward(x: torch.Tensor, layer) -> torch.Tensor:
    """The second half of a `layers.Layer`: x `[..., d]` joined with its feed-forward branch."""
    flat, norm = x.reshape(-1, x.shape[-1]), layer.layer_norms[1]
    parts = norm.weight, norm.bias, layer.fc1.weight, layer.fc1.bias, layer.fc2.weight, layer.fc2.bias
    drops = (layer.relu_dropout, layer.res_dropout) if layer.training else (0.0, 0.0)
    learning = torch.is_grad_enabled()
    return _FeedForward.apply(flat, *parts, layer.alpha, norm.eps, *drops, learning).view(x.shape)


def output_at(stack, x: torch.Tensor, mask: torch.Tensor | None, frames: torch.Tensor) -> torch.Tensor:
    """`stack(x, mask)` at one frame of each clip, `[B, d]`; the last layer is computed for no other.

    Args:
        stack: A self-attention `layers.Stack`.
        x, mask: `[B, T, d]` and `[B, T]`, as the stack takes them.
        frames: `[B]`, the index of the frame that is wanted.
    """
    clips = torch.arange(len(x), device=x.device)
    if not _wanted.get():
        return stack(x, mask)[clips, frames]
    x = stack.embed(x)
    visible = stack.visible(x.shape[1], x.shape[1], mask, x.device)
    for layer in stack.layers[:-1]:
        x = layer(x, None, visible)
    if visible is not None and visible.shape[-2] > 1:  # the row of the frame that asks
        visible = visible[(None,) * (4 - visible.dim())].expand(len(x), -1, -1, -1)[clips, :, frames].unsqueeze(2)
    x = stack.layers[-1](x[clips, frames].unsqueeze(1), x, visible)  # [B, 1, d]
    return stack.layer_norm(x).squeeze(1)
