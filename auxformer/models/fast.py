"""The costly parts of a layer on CPU: dropout, attention with dropout, the feed-forward branch.

Each gives what PyTorch's own operations give, to rounding, in a fraction of the time: masks are cut from 64-bit random words
(PyTorch draws a number per element), attention works clip by clip so that its weights stay in the cache, and the
feed-forward branch goes through a few hundred frames at a time. What backward needs again is recomputed, not kept.
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
    """Whether these paths serve `x`: float32 (or float64) on CPU, outside autocast."""
    served = x.device.type == "cpu" and x.dtype in (torch.float32, torch.float64)
    return served and _wanted.get() and not torch.is_autocast_enabled("cpu")


def keep(shape, p: float) -> torch.Tensor:
    """A bool mask that is True with probability 1 − p, to 1/65536; seeded by torch's CPU generator.

    Four elements are cut from each 64-bit word of NumPy's SFC64.
    """
    count = math.prod(shape)
    words = np.random.SFC64(int(torch.randint(2**62, ()))).random_raw((count + 3) // 4)
    cuts = torch.from_numpy(words.view(np.int16))[:count]  # uniform in -32768..32767
    return (cuts >= round(65536 * p) - 32768).view(shape)


def _scaled(mask: torch.Tensor, p: float, dtype) -> torch.Tensor:
    """The mask as factors: 0 or 1 / (1 − p)."""
    return mask.to(dtype).mul_(1 / (1 - p))


class _Dropout(torch.autograd.Function):
    @staticmethod
    def forward(context, x, p):
        mask = keep(x.shape, p)
        context.save_for_backward(mask)
        context.p = p
        return _scaled(mask, p, x.dtype).mul_(x)

    @staticmethod
    def backward(context, grad):
        (mask,) = context.saved_tensors
        return _scaled(mask, context.p, grad.dtype).mul_(grad), None


def dropout(x: torch.Tensor, p: float, training: bool) -> torch.Tensor:
    """`F.dropout`, faster on CPU."""
    if not training or p == 0:
        return x
    return _Dropout.apply(x, p) if usable(x) and p < 1 else F.dropout(x, p, True)


class _Attention(torch.autograd.Function):
    """softmax(q kᵀ / √dh + bias), dropped out, times v: a clip per core and `QUERIES` queries at a time."""

    @staticmethod
    def forward(context, q, k, v, bias, reach, p):
        blocks = _blocks(q.shape[2], k.shape[2], reach)
        y, masks = torch.empty_like(v[:, :, :1].expand(-1, -1, q.shape[2], -1)), []
        for clips in _pieces(len(q), torch.get_num_threads()):
            for rows, keys in blocks:
                weights = _weights(q, k, bias, clips, rows, keys)  # [clips * h, rows, keys]
                if p:
                    masks.append(keep(weights.shape, p))
                    weights.mul_(masks[-1].to(weights.dtype))
                y[clips, :, rows] = (weights @ v[clips, :, keys].flatten(0, 1)).unflatten(0, (-1, v.shape[1]))
        context.save_for_backward(q, k, v, bias, *masks)
        context.blocks, context.p = blocks, p
        return y.mul_(1 / (1 - p)) if p else y  # the factor of dropout, where there are fewer numbers to multiply

    @staticmethod
    def backward(context, grad):
        q, k, v, bias, *masks = context.saved_tensors
        dq, dk, dv = torch.empty_like(q), torch.zeros_like(k), torch.zeros_like(v)
        scale, numbers = 1 / math.sqrt(q.shape[-1]), iter(masks)
        grad = grad * (1 / (1 - context.p))
        for clips in _pieces(len(q), torch.get_num_threads()):
            for rows, keys in context.blocks:
                weights = _weights(q, k, bias, clips, rows, keys)  # [clips * h, rows, keys]
                g = grad[clips, :, rows].flatten(0, 1)
                from_value = g @ v[clips, :, keys].flatten(0, 1).transpose(1, 2)  # [clips * h, rows, keys]
                dropped = weights
                if context.p:
                    kept = next(numbers).to(weights.dtype)
                    from_value.mul_(kept)
                    dropped = kept.mul_(weights)
                heads = (-1, q.shape[1])
                dv[clips, :, keys] += (dropped.transpose(1, 2) @ g).unflatten(0, heads)
                inner = torch._softmax_backward_data(from_value, weights, -1, weights.dtype).mul_(scale)
                dq[clips, :, rows] = (inner @ k[clips, :, keys].flatten(0, 1)).unflatten(0, heads)
                dk[clips, :, keys] += (inner.transpose(1, 2) @ q[clips, :, rows].flatten(0, 1)).unflatten(0, heads)
        return dq, dk, dv, None, None, None


def _blocks(queries: int, keys: int, reach: int | None) -> list[tuple[slice, slice]]:
    """Which queries go together, and the keys that some of them may see: query t sees keys up to t + reach."""
    if reach is None:
        return [(slice(0, queries), slice(0, keys))]
    starts = range(0, queries, QUERIES)
    return [
        (slice(s, min(s + QUERIES, queries)), slice(0, min(keys, min(s + QUERIES, queries) + reach))) for s in starts
    ]


def _weights(q, k, bias, clips: slice, rows: slice, keys: slice) -> torch.Tensor:
    """Weights before dropout, `[clips * h, rows, keys]`."""
    scores = q[clips, :, rows].flatten(0, 1) @ k[clips, :, keys].flatten(0, 1).transpose(1, 2)
    scores.mul_(1 / math.sqrt(q.shape[-1]))
    if bias is not None:
        own = bias[clips if len(bias) > 1 else slice(None), :, rows if bias.shape[2] > 1 else slice(None), keys]
        scores.unflatten(0, (-1, q.shape[1])).add_(own)
    return torch.softmax(scores, -1)


def attention(q, k, v, visible: torch.Tensor | None, reach: int | None, p: float) -> torch.Tensor:
    """Attention of q `[B, h, Tq, dh]` to k, v `[B, h, Tk, dh]` with dropout p of its weights: `[B, h, Tq, dh]`.

    Args:
        q, k, v: Queries, keys, values.
        visible: What may be seen, broadcast to `[B, 1, Tq, Tk]`; None = everything.
        reach: A causal mask's offset: query t sees no key beyond t + reach (`visible` says so, too). None = no such mask.
        p: Dropout of the weights.
    """
    bias = None
    if visible is not None:
        visible = visible[(None,) * (4 - visible.dim())]
        bias = torch.zeros(visible.shape, dtype=q.dtype).masked_fill_(~visible, -math.inf)
    return _Attention.apply(q.contiguous(), k.contiguous(), v.contiguous(), bias, reach, p)


class _FeedForward(torch.autograd.Function):
    """x joined with drop(W₂ drop(relu(W₁ LN(x)))), `FRAMES` frames at a time."""

    @staticmethod
    def forward(context, x, weight, bias, w1, b1, w2, b2, alpha, eps, p_hidden, p_out, learning):
        y, hidden = torch.empty_like(x), x.new_empty(len(x) if learning else FRAMES, len(w1))
        branch = torch.empty_like(x) if learning and alpha is not None else None
        mask = keep(x.shape, p_out) if p_out else None
        for rows in _pieces(len(x), FRAMES):
            h = hidden[rows] if learning else hidden[: rows.stop - rows.start]
            torch.addmm(b1, F.layer_norm(x[rows], x.shape[1:], weight, bias, eps), w1.t(), out=h).relu_()
            if p_hidden:
                h.mul_(keep(h.shape, p_hidden).to(x.dtype))
            out = torch.addmm(b2, h, w2.t(), alpha=1 / (1 - p_hidden), out=y[rows])
            if p_out:
                out.mul_(_scaled(mask[rows], p_out, x.dtype))
            if branch is not None:
                branch[rows] = out
            if alpha is not None:
                out.mul_(1 - alpha).addcmul_(x[rows], alpha)
            else:
                out.add_(x[rows])
        context.save_for_backward(x, weight, bias, w1, w2, alpha, hidden, branch, mask)
        context.settings = eps, p_hidden, p_out
        return y

    @staticmethod
    def backward(context, grad):
        x, weight, bias, w1, w2, alpha, hidden, branch, mask = context.saved_tensors
        eps, p_hidden, p_out = context.settings
        grad, scale = grad.contiguous(), 1 / (1 - p_hidden)
        dx = torch.empty_like(x)
        dw1, dw2 = torch.zeros_like(w1), torch.zeros_like(w2)
        db1, db2 = torch.zeros_like(w1[:, 0]), torch.zeros_like(w2[:, 0])
        dweight, dbias = torch.zeros_like(weight), torch.zeros_like(bias)
        for rows in _pieces(len(x), FRAMES):
            g = grad[rows] if alpha is None else grad[rows] * (1 - alpha)
            if p_out:
                g = _scaled(mask[rows], p_out, x.dtype).mul_(g)
            h = hidden[rows]
            db2 += g.sum(0)
            dw2.addmm_(g.t(), h, alpha=scale)
            # A hidden unit is 0 where it was cut by the ReLU or by dropout; neither passes anything back.
            dh = torch.ops.aten.threshold_backward((g * scale) @ w2, h, 0)
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


def feed_forward(x, norm, fc1, fc2, alpha, p_hidden: float, p_out: float) -> torch.Tensor:
    """The second half of a layer: x `[..., d]` joined with its feed-forward branch (see `layers.Layer`).

    Args:
        x: Frames.
        norm, fc1, fc2: The layer's LayerNorm and its two linear maps.
        alpha: The blend `[1]`, or None for a plain sum.
        p_hidden, p_out: Dropout behind the ReLU and of the branch; 0 in evaluation.
    """
    flat = x.reshape(-1, x.shape[-1])
    parts = norm.weight, norm.bias, fc1.weight, fc1.bias, fc2.weight, fc2.bias
    learning = torch.is_grad_enabled()
    return _FeedForward.apply(flat, *parts, alpha, norm.eps, p_hidden, p_out, learning).view(x.shape)
